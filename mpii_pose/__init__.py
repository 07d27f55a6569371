"""The MPII Human Pose dataset for TensorFlow Datasets.

Importing this package registers the dataset builder and does nothing else: the
names below are loaded when they are first used.
"""

from etils import epy

__version__ = "0.1.0"

from mpii_pose.mpii_pose_dataset_builder import Builder

with epy.lazy_api_imports(globals()):
    from mpii_pose import skeleton, synthetic
    from mpii_pose.annotations.person import AnnotationError, PersonAnnotation
    from mpii_pose.annotations.sources import read_people

__all__ = [
    "AnnotationError",
    "Builder",
    "PersonAnnotation",
    "read_people",
    "skeleton",
    "synthetic",
]
