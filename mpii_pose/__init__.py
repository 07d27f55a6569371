"""The MPII Human Pose dataset for TensorFlow Datasets.

Importing this package registers the dataset builder and does nothing else: the other
names below are loaded when they are first used.
"""

from etils import epy

from mpii_pose.mpii_pose_dataset_builder import Builder

__version__ = "0.1.0"

with epy.lazy_api_imports(globals()):
    from mpii_pose import skeleton, synthetic, visualize
    from mpii_pose.annotations.person import AnnotationError, PersonAnnotation
    from mpii_pose.annotations.sources import read_people
    from mpii_pose.evaluation.decoding import decode_heatmaps, flip_test
    from mpii_pose.evaluation.metric import PCKh
    from mpii_pose.evaluation.pckh import pckh, pckh_auc, pckh_curve, pckh_slices
    from mpii_pose.evaluation.scores import PCKhScores, pckh_table
    from mpii_pose.example_pictures import draw_example
    from mpii_pose.inputs.augmentation import Augmentation
    from mpii_pose.inputs.heatmaps import encode_heatmaps
    from mpii_pose.inputs.keras_heatmaps import HeatmapEncoder, HeatmapLoss
    from mpii_pose.inputs.pipeline import input_pipeline
    from mpii_pose.inputs.pose_transform import PoseTransform
    from mpii_pose.inputs.preprocessor import Preprocessor
    from mpii_pose.visualize import (
        contact_sheet,
        draw_heatmaps,
        draw_pose,
        plot_pckh,
    )

__all__ = [
    "AnnotationError",
    "Augmentation",
    "Builder",
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
