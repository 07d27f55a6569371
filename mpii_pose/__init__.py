"""The MPII Human Pose dataset for TensorFlow Datasets.

Importing this package registers the dataset builder. All other names are loaded when
they are first used. Names that need Keras or TensorFlow are listed where these are
installed.
"""

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any

from etils import epy

from mpii_pose import skeleton as skeleton
from mpii_pose import skeleton as skeletons
from mpii_pose.checks import not_installed

__version__ = "0.3.0.dev0"

try:
    from mpii_pose import mpii_pose_dataset_builder  # noqa: F401
except Exception as error:  # Versions that do not fit give errors of any kind.
    warnings.warn(
        f"tensorflow_datasets cannot be imported ({error}), so mpii_pose is not "
        "registered there; `python -m mpii_pose doctor` looks for the reason",
        stacklevel=2,
    )

with epy.lazy_api_imports(globals()):
    from mpii_pose import synthetic
    from mpii_pose.drawing import poses as visualize
    from mpii_pose.drawing.poses import (
        contact_sheet,
        draw_example,
        draw_heatmaps,
        draw_pose,
        plot_pckh,
    )
    from mpii_pose.evaluation.alignment import alignment_audit
    from mpii_pose.evaluation.comparison import compare_pckh, pckh_intervals
    from mpii_pose.evaluation.errors import image_neighbours, keypoint_errors
    from mpii_pose.evaluation.multi_person import image_groups, multi_person_ap
    from mpii_pose.evaluation.pckh import (
        PCKhScores,
        pckh,
        pckh_auc,
        pckh_curve,
        pckh_slices,
        pckh_table,
    )
    from mpii_pose.formats.predictions import read_predictions, write_predictions
    from mpii_pose.keras.heatmaps import HeatmapEncoder, HeatmapLoss, SimCCLoss
    from mpii_pose.keras.pckh import PCKh
    from mpii_pose.mpii_pose_dataset_builder import Builder
    from mpii_pose.person import AnnotationError, PersonAnnotation
    from mpii_pose.pipelines.sources import data_source
    from mpii_pose.pipelines.tf_data import input_pipeline
    from mpii_pose.release.release import read_people
    from mpii_pose.transforms.augmentation import Augmentation
    from mpii_pose.transforms.convert import convert_keypoints, shared_keypoints
    from mpii_pose.transforms.decoding import decode_heatmaps, flip_test
    from mpii_pose.transforms.geometry import crop_to_frame, person_from_box
    from mpii_pose.transforms.heatmaps import encode_heatmaps
    from mpii_pose.transforms.pose_transform import PoseTransform
    from mpii_pose.transforms.preprocessor import Preprocessor
    from mpii_pose.transforms.simcc import decode_simcc, encode_simcc
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
    "SimCCLoss",
    "alignment_audit",
    "compare_pckh",
    "contact_sheet",
    "convert_keypoints",
    "crop_to_frame",
    "data_source",
    "decode_heatmaps",
    "decode_simcc",
    "draw_example",
    "draw_heatmaps",
    "draw_pose",
    "encode_heatmaps",
    "encode_simcc",
    "flip_test",
    "image_groups",
    "image_neighbours",
    "input_pipeline",
    "keypoint_errors",
    "multi_person_ap",
    "pckh",
    "pckh_auc",
    "pckh_curve",
    "pckh_intervals",
    "pckh_slices",
    "pckh_table",
    "person_from_box",
    "plot_pckh",
    "read_people",
    "read_predictions",
    "shared_keypoints",
    "skeleton",
    "skeletons",
    "synthetic",
    "visualize",
    "write_predictions",
]
_NAMES_OF = {
    "keras": ("HeatmapEncoder", "HeatmapLoss", "PCKh", "SimCCLoss"),
    "tensorflow": ("Preprocessor", "input_pipeline"),
}
for _package, _names in _NAMES_OF.items():
    if importlib.util.find_spec(_package) is None:
        __all__ = [name for name in __all__ if name not in _names]

if not TYPE_CHECKING:  # To type checkers, it would mean that any name exists.
    _load = globals()["__getattr__"]

    def __getattr__(name: str) -> Any:
        try:
            return _load(name)
        except ModuleNotFoundError as error:
            raise not_installed(f"mpii_pose.{name}", error) from None


def __dir__() -> list[str]:
    return sorted(__all__)
