"""The MPII Human Pose dataset for TensorFlow Datasets.

Importing this package registers the dataset builder and hides TensorFlow's greetings:
the other names below are loaded when they are first used.
"""

from etils import epy

from mpii_pose import quiet_tensorflow
from mpii_pose.mpii_pose_dataset_builder import Builder

__version__ = "0.2.0"

quiet_tensorflow.install()

with epy.lazy_api_imports(globals()):
    from mpii_pose import skeleton, synthetic
    from mpii_pose.drawing import poses as visualize
    from mpii_pose.drawing.examples import draw_example
    from mpii_pose.drawing.poses import (
        contact_sheet,
        draw_heatmaps,
        draw_pose,
        plot_pckh,
    )
    from mpii_pose.evaluation.pckh import pckh, pckh_auc, pckh_curve, pckh_slices
    from mpii_pose.evaluation.scores import PCKhScores, pckh_table
    from mpii_pose.keras.heatmaps import HeatmapEncoder, HeatmapLoss
    from mpii_pose.keras.pckh import PCKh
    from mpii_pose.person import AnnotationError, PersonAnnotation
    from mpii_pose.pipelines.tf_data import input_pipeline
    from mpii_pose.release.sources import read_people
    from mpii_pose.transforms.augmentation import Augmentation
    from mpii_pose.transforms.decoding import decode_heatmaps, flip_test
    from mpii_pose.transforms.heatmaps import encode_heatmaps
    from mpii_pose.transforms.pose_transform import PoseTransform
    from mpii_pose.transforms.preprocessor import Preprocessor
    from mpii_pose.transforms.spec import CropSpec

__all__ = [
    "AnnotationError",
    "Augmentation",
    "Builder",
    "CropSpec",
    "HeatmapEncoder",
    "HeatmapLoss",
    "PCKh",
    "PCKhScores",
    "PersonAnnotation",
    "PoseTransform",
    "Preprocessor",
    "contact_sheet",
    "decode_heatmaps",
    "draw_example",
    "draw_heatmaps",
    "draw_pose",
    "encode_heatmaps",
    "flip_test",
    "input_pipeline",
    "pckh",
    "pckh_auc",
    "pckh_curve",
    "pckh_slices",
    "pckh_table",
    "plot_pckh",
    "read_people",
    "skeleton",
    "synthetic",
    "visualize",
]
