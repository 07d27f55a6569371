"""The MPII Human Pose dataset for TensorFlow Datasets.

Importing this package registers the dataset builder and does nothing else: the
names below are loaded when they are first used.
"""

from etils import epy

__version__ = "0.1.0"

with epy.lazy_api_imports(globals()):
    from mpii_pose import skeleton
    from mpii_pose.annotations.person import AnnotationError, PersonAnnotation

__all__ = [
    "AnnotationError",
    "PersonAnnotation",
    "skeleton",
]
