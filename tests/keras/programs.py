"""What programs in processes of their own share with the tests that run them."""

import numpy as np

from mpii_pose.transforms.spec import CropSpec

SPEC = CropSpec(image_size=(32, 24), heatmap_size=(16, 12), alignment="udp")


def people(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints and visibility of some people in crops of `SPEC`."""
    keypoints = np.random.default_rng(0).uniform(4, 20, (count, 16, 2))
    visibility = np.tile([2, 1, 0, 2], (count, 4)).astype(np.int8)
    return keypoints.astype(np.float32), visibility
