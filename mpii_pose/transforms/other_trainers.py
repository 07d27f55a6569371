"""Examples for PyTorch's pose trainers: channels first, colors as of ImageNet's.

Features are those of `PoseTransform`, with heatmaps [K, height, width].
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpii_pose.transforms.arrays import as_text
from mpii_pose.transforms.geometry import composed

# Of ImageNet's images in [0, 1], red, green, blue: torchvision's networks, HRNet and
# ViTPose were trained with these.
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)


def imagenet_image(image: np.ndarray) -> np.ndarray:
    """Returns float32 [3, H, W], less ImageNet's mean, over its deviation.

    Args:
        image: [H, W, 3], uint8, or float32 in [-1, 1] as `PoseTransform` makes it.
    """
    image = np.asarray(image)
    unit, zero = (255.0, 0.0) if image.dtype == np.uint8 else (2.0, 0.5)
    gain = np.float32(1 / unit) / IMAGENET_STD
    shift = (np.float32(zero) - IMAGENET_MEAN) / IMAGENET_STD
    # Plane by plane: arithmetic along the short axis takes ten times as long.
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        np.multiply(image[..., channel], gain[channel], out=plane)
        plane += shift[channel]
    return planes


def hrnet(
    features: Mapping[str, Any], image_name: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """Returns input, target, target_weight and meta, see `PoseTransform.hrnet`."""
    cell_to_image: np.ndarray = composed(
        np, np.asarray(features["crop_to_image"]), features["heatmap_to_crop"]
    )
    size = np.array(np.shape(features["heatmaps"])[:0:-1], np.float32)
    visible = np.asarray(features["visibility"]) > 0
    cell = np.sqrt(np.abs(np.linalg.det(cell_to_image[:, :2])))
    meta = {
        "image": as_text(image_name),
        # HRNet puts the middle of the heatmaps here, for it half their size.
        "center": cell_to_image[:, :2] @ (size / 2) + cell_to_image[:, 2],
        "scale": size * np.float32(cell / 200),
        "score": np.float32(1),
        "joints": features["keypoints"],
        "joints_vis": visible.astype(np.float32)[:, None],
        **{name: features[name] for name in ("crop_to_image", "head_size", "index")},
    }
    return (
        imagenet_image(features["image"]),
        np.asarray(features["heatmaps"]),
        np.asarray(features["weights"])[:, None],
        meta,
    )


def hugging_face(features: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns the inputs of a model, see `PoseTransform.hugging_face`."""
    return {
        "pixel_values": imagenet_image(features["image"]),
        "labels": np.asarray(features["heatmaps"]),
        "target_weights": np.asarray(features["weights"]),
    }
