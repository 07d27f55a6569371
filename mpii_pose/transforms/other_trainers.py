"""Examples for PyTorch's pose trainers: channels first, colors as of ImageNet's.

Features are those of `PoseTransform`, with heatmaps [K, height, width] if any.
"""

from collections.abc import Callable, Mapping
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


def targets(features: Mapping[str, Any], kind: Callable[[Any], Any]) -> Any:
    """Returns the heatmaps, or the distributions of x and y, converted by `kind`."""
    if "heatmaps" in features:
        return kind(features["heatmaps"])
    return kind(features["simcc_x"]), kind(features["simcc_y"])


def hrnet(
    features: Mapping[str, Any], image_name: Any
) -> tuple[np.ndarray, Any, np.ndarray, Any]:
    """Returns input, target, target_weight and meta, see `PoseTransform.hrnet`."""
    to_image: np.ndarray = np.asarray(features["crop_to_image"])
    grid = features["image"].shape[:2]
    if "heatmaps" in features:  # HRNet's formula is one of their cells.
        to_image = composed(np, to_image, features["heatmap_to_crop"])
        grid = features["heatmaps"].shape[1:]
    size = np.array(grid[::-1], np.float32)
    visible = np.asarray(features["visibility"]) > 0
    step = np.hypot(*to_image[:, 0])  # Image pixels from a cell to the next.
    meta = {
        "image": as_text(image_name),
        # HRNet puts the middle of the heatmaps here, for it half their size.
        "center": to_image[:, :2] @ (size / 2) + to_image[:, 2],
        "scale": size * np.float32(step / 200),
        "score": np.float32(1),
        "joints": features["keypoints"],
        "joints_vis": visible.astype(np.float32)[:, None],
        **{name: features[name] for name in ("crop_to_image", "head_size", "index")},
    }
    return (
        imagenet_image(features["image"]),
        targets(features, np.asarray),
        np.asarray(features["weights"])[:, None],
        meta,
    )


def hugging_face(features: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the inputs of a model, see `PoseTransform.hugging_face`."""
    return {
        "pixel_values": imagenet_image(features["image"]),
        "labels": targets(features, np.asarray),
        "target_weights": np.asarray(features["weights"]),
    }
