"""Batches for PyTorch's pose trainers: channels first, colors as of ImageNet's.

Features are those of `PoseTransform`, with a leading axis; images are a list, and
heatmaps [B, K, height, width] if any.
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


def supervised(features: Mapping[str, Any], _: list[Any]) -> tuple[Any, Any, Any]:
    """Returns image, targets and weights, see `PoseTransform.supervised`."""
    return features["image"], _targets(features), features["weights"]


def hrnet(features: Mapping[str, Any], image_names: list[Any]) -> tuple[Any, ...]:
    """Returns input, target, target_weight and meta, see `PoseTransform.hrnet`."""
    to_image = features["crop_to_image"]
    grid = features["image"][0].shape[:2]
    if "heatmaps" in features:  # HRNet's formula is one of their cells.
        to_image = composed(np, to_image, features["heatmap_to_crop"])
        grid = features["heatmaps"].shape[2:]
    size = np.array(grid[::-1], np.float32)
    visible = features["visibility"] > 0
    step = np.hypot(to_image[:, 0, 0], to_image[:, 1, 0])  # Pixels from cell to cell.
    meta = {
        "image": [as_text(name) for name in image_names],
        # HRNet puts the middle of the heatmaps here, for it half their size.
        "center": to_image[..., :2] @ (size / 2) + to_image[..., 2],
        "scale": size * (step / np.float32(200))[:, None],
        "score": np.ones_like(step),
        "joints": features["keypoints"],
        "joints_vis": visible.astype(np.float32)[..., None],
        **{name: features[name] for name in ("crop_to_image", "head_size", "index")},
    }
    images = [imagenet_image(image) for image in features["image"]]
    return images, _targets(features), features["weights"][..., None], meta


def hugging_face(features: Mapping[str, Any], _: list[Any]) -> dict[str, Any]:
    """Returns the inputs of a model, see `PoseTransform.hugging_face`."""
    return {
        "pixel_values": [imagenet_image(image) for image in features["image"]],
        "labels": _targets(features),
        "target_weights": features["weights"],
    }


def _targets(features: Mapping[str, Any]) -> Any:
    """Returns the heatmaps, or the distributions of x and y."""
    if "heatmaps" in features:
        return features["heatmaps"]
    return features["simcc_x"], features["simcc_y"]
