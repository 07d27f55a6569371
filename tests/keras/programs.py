"""Programs that tests run in a process of their own, on a backend of Keras."""

import numpy as np

from mpii_pose.transforms.spec import CropSpec
from tests import builds

SPEC = CropSpec(image_size=(32, 24), heatmap_size=(16, 12), alignment="udp")


def run(code: str, *arguments: object, backend: str = "tensorflow") -> str:
    """Returns the output of a program; a failure shows its standard error."""
    ended = builds.run(
        *("python", "-c", code, *map(str, arguments)), KERAS_BACKEND=backend
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def people(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and visibility of some people in crops of `SPEC`."""
    keypoints = np.random.default_rng(0).uniform(4, 20, (count, 16, 2))
    visibility = np.tile([2, 1, 0, 2], (count, 4)).astype(np.int8)
    return keypoints.astype(np.float32), visibility
