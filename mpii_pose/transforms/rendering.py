"""From the pixels of a crop, as they were read, to what a network is given."""

from typing import Any, NamedTuple

import numpy as np

from mpii_pose.transforms import geometry
from mpii_pose.transforms.arrays import as_arrays, dtype_name
from mpii_pose.transforms.augmentation import MAX_LEVEL, Draw
from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.spec import CropSpec


class Look(NamedTuple):
    """What of a transform's options decides how a crop is rendered.

    Attributes:
        spec: What crop and heatmaps are.
        image_dtype: "float32" in [-1, 1], or "uint8"; None for levels as they were
            read, unless colors change.
        antialias: Whether to read the image at a fitting resolution.
        changes_colors: Whether a draw's gain and shift are applied.
    """

    spec: CropSpec
    image_dtype: str | None
    antialias: bool
    changes_colors: bool


def render(
    levels: Any,
    crop_to_image: Any,
    keypoints: Any,
    visibility: Any,
    draw: Draw,
    *,
    look: Look,
) -> dict[str, Any]:
    """Makes the features of a crop that follow from its pixels and its keypoints.

    Args:
        levels: float32 or uint8 [height, width, 3], the crop's pixels.
        crop_to_image: float32 [2, 3].
        keypoints: float32 [K, 2], in image pixels.
        visibility: integer [K].
        draw: What was decided.
        look: What is wanted.

    Returns:
        `image`, `keypoints`, `visibility`, and `heatmaps` and `weights` where the spec
        has heatmaps, as `PoseTransform` returns them.
    """
    xp, keypoints, visibility = as_arrays(keypoints, visibility)
    image_to_crop = geometry.invert_affine(crop_to_image)
    keypoints = geometry.apply_affine(image_to_crop, keypoints)
    swapped = geometry.swap_mirrored(keypoints, visibility)
    keypoints = xp.where(draw.flip, swapped[0], keypoints)
    visibility = xp.where(draw.flip, swapped[1], visibility)
    keypoints = geometry.mark_missing(keypoints, visibility)
    features = {
        "image": _finished(xp, levels, draw, look),
        "keypoints": keypoints,
        "visibility": visibility,
    }
    if look.spec.heatmap_size is not None:
        features["heatmaps"], features["weights"] = encode_heatmaps(
            keypoints, visibility, spec=look.spec
        )
    return features


def _finished(xp: Any, levels: Any, draw: Draw, look: Look) -> Any:
    """Changes the colors as was drawn, and the range and dtype as is wanted."""
    is_done = look.image_dtype is None or (
        dtype_name(levels) == look.image_dtype == "uint8"
    )
    if is_done and not look.changes_colors:
        return levels
    image = xp.array(levels, dtype="float32")
    if look.changes_colors:
        image *= draw.gain
        image += draw.shift
    if look.image_dtype == "uint8":
        return xp.array(xp.clip(image, 0.0, MAX_LEVEL) + 0.5, dtype="uint8")
    image *= np.float32(2.0 / MAX_LEVEL)
    image -= np.float32(1.0)
    return xp.clip(image, -1.0, 1.0)
