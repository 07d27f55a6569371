"""Pictures of poses, heatmaps and scores.

An image is a uint8 or float [-1, 1] array or tensor [H, W, 3], a Pillow image, JPEG
bytes or a path. Functions return new Pillow images, which notebooks show by themselves.
Points are (x, y) in pixels, integers at pixel centers.

The person's left is blue, the right orange, the middle white. Occluded keypoints are
rings, visible ones dots; a bone with an occluded end is dashed.
"""

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mpii_pose import files
from mpii_pose.checks import not_installed
from mpii_pose.evaluation.pckh import PCKhScores, pckh_auc
from mpii_pose.pictures import as_rgb, refusing_truncated_images
from mpii_pose.skeleton import KEYPOINTS, MPII, NUM_KEYPOINTS, Visibility
from mpii_pose.transforms.arrays import load_module
from mpii_pose.transforms.library import library_of
from mpii_pose.transforms.pose_transform import PoseTransform

Color = tuple[int, int, int]

LEFT: Color = (40, 150, 255)
RIGHT: Color = (255, 130, 20)
MIDDLE: Color = (250, 250, 250)
SIDES = {"right": RIGHT, "left": LEFT, "middle": MIDDLE}
HEAD_BOX: Color = (250, 220, 60)
CROP: Color = (90, 230, 130)
_RING_CENTER: Color = (30, 30, 30)
_RIM = (0, 0, 0, 140)

# The width of lines, as a share of the person's larger extent; then other lengths, in
# widths of lines.
_LINE_SHARE = 1 / 90
_DOT_WIDTH, _RING_CENTER_WIDTH, _DASH_LENGTH = 2.6, 1.4, 2.5
_MAX_DASHES = 200
# Strokes are rendered enlarged and averaged down, on a layer of about this side.
_MAX_ENLARGEMENT, _LAYER_SIDE = 4, 4096
# Ends of lines further outside than this many images are moved to there: Pillow walks
# every pixel of a line, and a wrong prediction may be anywhere.
_REACH = 10

# Of `draw_example`: lines that are seen in the dataframe's thumbnails of 128 px.
_EXAMPLE_LINE = 4.0
_EXAMPLE_CROP = PoseTransform(heatmap_size=None, image_dtype="uint8")


class Stroke(NamedTuple):
    """A line with round ends, `width` pixels wide; a dot where both ends are one."""

    start: np.ndarray  # float [2], (x, y)
    end: np.ndarray
    width: float
    color: Color


def draw_pose(
    image: Any,
    keypoints: npt.ArrayLike,
    visibility: npt.ArrayLike | None = None,
    *,
    head_box: npt.ArrayLike | None = None,
    crop_to_image: npt.ArrayLike | None = None,
    crop_size: tuple[int, int] = (256, 256),
    image_to_frame: npt.ArrayLike | None = None,
    line_width: float | None = None,
) -> Image.Image:
    """Returns a new RGB image with one person on it; call it again for the next one.

    Args:
        image: An image as this module takes it.
        keypoints: float [16, 2], (x, y) in pixels of `image`. Those that are not
            finite, or (-1, -1), are left out.
        visibility: [16], `skeleton.Visibility` or below 0; by default all visible.
        head_box: float [4], (x1, y1, x2, y2); an empty one, such as -1s, is left out.
        crop_to_image: float [2, 3], crop pixel -> pixel of the frame, as
            `PoseTransform` gives it; outlines the crop.
        crop_size: Height and width of that crop.
        image_to_frame: float [2, 3], pixel of `image` -> pixel of the frame, where
            `image` is a part of one (`person_crop`); by default it is the frame.
        line_width: In pixels; by default it grows with the person.
    """
    image = as_image(image)
    points = _checked("keypoints", keypoints, (NUM_KEYPOINTS, 2))
    if visibility is None:
        visibility = np.full(NUM_KEYPOINTS, Visibility.VISIBLE)
    state = _checked("visibility", visibility, (NUM_KEYPOINTS,))
    known = np.isfinite(points).all(axis=1) & (points != -1).any(axis=1)
    state = np.where(known & (state > Visibility.MISSING), state, Visibility.MISSING)
    if line_width is None:
        seen = np.clip(points[state != Visibility.MISSING], 0, image.size)
        extent = np.ptp(seen, axis=0).max() if seen.size else 0.0
        line_width = max(1.5, extent * _LINE_SHARE)
    if line_width <= 0:
        raise ValueError(f"line_width must be above 0 px, got {line_width}")
    strokes = []
    if crop_to_image is not None:
        matrix = _checked("crop_to_image", crop_to_image, (2, 3))
        crop = _corners(-0.5, -0.5, crop_size[1] - 0.5, crop_size[0] - 0.5)
        crop = crop @ matrix[:, :2].T + matrix[:, 2]
        if image_to_frame is not None:
            matrix = _checked("image_to_frame", image_to_frame, (2, 3))
            crop = np.linalg.solve(matrix[:, :2], (crop - matrix[:, 2]).T).T
        strokes += _outline(crop, line_width, CROP)
    if head_box is not None:
        x1, y1, x2, y2 = _checked("head_box", head_box, (4,))
        if x1 < x2 and y1 < y2:
            strokes += _outline(_corners(x1, y1, x2, y2), line_width / 2, HEAD_BOX)
    return draw_strokes(image, strokes + _figure(points, state, line_width))


def draw_example(example: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces the image of an example by its person, close up, with the skeleton.

    TFDS shows an example's `image` and none of its other features. An example of the
    layout `image` keeps its image, and gets all skeletons.

        tfds.show_examples(ds.map(mpii_pose.draw_example), info)
        tfds.as_dataframe(ds.take(4).map(mpii_pose.draw_example), info)

    Args:
        example: Features of the dataset, tensors or arrays; `image` decoded or JPEG
            bytes.

    Returns:
        The same features, with another `image`: uint8 [256, 256, 3], the crop that
        `PoseTransform` makes; of a whole image, uint8 [H, W, 3].
    """
    if "people" in example:
        people = [example["people"][name] for name in ("keypoints", "visibility")]
        picture = _called(_draw_all, [None, None, 3], example["image"], *people)
    else:
        crop = _EXAMPLE_CROP(example)
        features = [crop[name] for name in ("image", "keypoints", "visibility")]
        picture = _called(_draw, crop["image"].shape, *features)
    return {**example, "image": picture}


def _called(function: Callable[..., np.ndarray], shape: Any, *arrays: Any) -> Any:
    """Returns a picture of NumPy's, uint8 of a shape, as an array of their library."""
    if library_of(*arrays).xp is np:
        return function(*arrays)
    tf = load_module("tensorflow")
    return tf.ensure_shape(tf.numpy_function(function, arrays, tf.uint8), shape)


def _draw(
    image: np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    return np.asarray(draw_pose(image, keypoints, visibility, line_width=_EXAMPLE_LINE))


def _draw_all(
    image: bytes | np.ndarray, keypoints: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    picture = as_image(image)
    for person in zip(keypoints, visibility, strict=True):
        picture = draw_pose(picture, *person)
    return np.asarray(picture)


def draw_heatmaps(
    image: Any, heatmaps: npt.ArrayLike, *, opacity: float = 0.75
) -> Image.Image:
    """Returns a crop with its heatmaps laid over it, in the colors of the sides.

    Args:
        image: An image as this module takes it; the result has its size.
        heatmaps: float [h, w, 16]. The highest value of all has `opacity`; 0 and less
            are not seen.
        opacity: Of the overlay, from 0 to 1.
    """
    maps = np.asarray(heatmaps, np.float32)
    if maps.ndim != 3 or maps.shape[2] != NUM_KEYPOINTS or not maps.size:
        shape = f"[height, width, {NUM_KEYPOINTS}]"
        raise ValueError(f"heatmaps must have shape {shape}, got {maps.shape}")
    maps = np.maximum(np.nan_to_num(maps), 0.0)
    maps = maps / max(maps.max(), np.finfo(np.float32).tiny)
    colors = np.array([_side_color(name) for name in KEYPOINTS], np.float32)
    color = maps @ colors / np.maximum(maps.sum(axis=2, keepdims=True), 1e-6)
    alpha = 255 * opacity * maps.max(axis=2, keepdims=True)
    overlay = np.concatenate([color, alpha], axis=2).round().astype(np.uint8)
    canvas = as_image(image).copy()
    layer = Image.fromarray(overlay).resize(canvas.size, Image.Resampling.BILINEAR)
    canvas.paste(layer, mask=layer)
    return canvas


def contact_sheet(
    images: Sequence[Any],
    *,
    captions: Sequence[str] | None = None,
    columns: int = 4,
    tile_size: tuple[int, int] = (240, 320),
) -> Image.Image:
    """Returns images in rows on one white sheet, a new RGB image.

    Args:
        images: Images as this module takes them; each is scaled to fit its tile.
        captions: One for each image, printed below it and cut where too long.
        columns: Images in a row.
        tile_size: Height and width of a tile in pixels.
    """
    if not len(images):
        raise ValueError("contact_sheet needs one image at least, got none")
    if captions is not None and len(captions) != len(images):
        raise ValueError(
            f"captions must be one for each image: {len(images)}, got {len(captions)}"
        )
    if columns < 1 or min(tile_size) < 1:
        raise ValueError(
            f"columns and tile_size must be 1 or more, got {columns} and {tile_size}"
        )
    texts = [""] * len(images) if captions is None else captions
    tiles = [_tile(*pair, tile_size) for pair in zip(images, texts, strict=True)]
    rows = [tiles[at : at + columns] for at in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    gap = max(2, tile_size[1] // 40)
    step = tile_size[1] + gap
    size = gap + len(rows[0]) * step, gap + sum(heights) + gap * len(rows)
    sheet = Image.new("RGB", size, "white")
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (gap + column * step, top))
        top += height + gap
    return sheet


def plot_pckh(
    curves: Mapping[str, Sequence[PCKhScores]], *, group: str = "total", ax: Any = None
) -> Any:
    """Plots PCKh against its threshold, one line for each name.

    Args:
        curves: Name -> the result of `pckh_curve` or of the metric's `curve()`.
        group: "total" or a group of scores, such as "wrist".
        ax: Matplotlib axes to plot on; by default those of a new figure.

    Returns:
        The matplotlib axes.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ModuleNotFoundError as error:
            raise not_installed("plot_pckh", error) from None
        ax = pyplot.subplots(layout="constrained")[1]
    for name, curve in curves.items():
        known = curve[0].groups
        if group != "total" and group not in known:
            raise ValueError(f"group must be total or one of {list(known)}: {group}")
        rates = [scores.rows[group] for scores in curve]
        auc = f" (AUC {pckh_auc(curve):.1f})" if group == "total" else ""
        ax.plot([scores.threshold for scores in curve], rates, label=name + auc)
    ax.set(
        title=f"PCKh {group}",
        xlabel="threshold [head sizes]",
        ylabel="keypoints found [%]",
        ylim=(0, 100),
    )
    ax.grid(alpha=0.3)
    ax.legend()
    return ax


def as_image(image: Any) -> Image.Image:
    """Returns `image`, of any kind that this module takes, as an RGB Pillow image."""
    if isinstance(image, bytes):
        image = Image.open(io.BytesIO(image))
    elif isinstance(image, str | os.PathLike):
        image = Image.open(files.user_path(image))
    if isinstance(image, Image.Image):
        with refusing_truncated_images():
            image.load()
        return image if image.mode == "RGB" else as_rgb(image)
    array = np.asarray(image)
    if array.dtype.kind in "OS" and array.ndim == 0:  # a string tensor
        return as_image(array.item())
    if array.dtype.kind == "f":
        if not np.all(np.abs(array) <= 1.0):
            raise ValueError(
                "a float image must lie in [-1, 1], got values from "
                f"{array.min()} to {array.max()}; pass others as uint8"
            )
        array = ((array + 1.0) * 127.5).round().astype(np.uint8)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(
            "an image must be uint8 or float [height, width, 3], got "
            f"{array.dtype} {list(array.shape)}"
        )
    return Image.fromarray(array)


def draw_strokes(image: Image.Image, strokes: list[Stroke]) -> Image.Image:
    """Returns a new RGB image with strokes on it, the later above the earlier.

    They have smooth edges and a dark rim, so they are seen on any background.
    """
    image = image.copy()
    if not strokes:
        return image
    reach = _REACH * np.array(image.size)
    ends = np.array([(stroke.start, stroke.end) for stroke in strokes])
    ends = np.clip(ends, -reach, reach)
    margin = 2 * max(stroke.width for stroke in strokes)
    low = np.clip(np.floor(ends.min(axis=(0, 1)) - margin), 0, image.size)
    high = np.clip(np.ceil(ends.max(axis=(0, 1)) + margin) + 1, 0, image.size)
    width, height = (high - low).astype(int)
    if width < 1 or height < 1:  # all strokes lie outside the image
        return image
    factor = int(np.clip(_LAYER_SIDE // max(width, height), 1, _MAX_ENLARGEMENT))
    layer = Image.new("RGBA", (width * factor, height * factor))
    canvas = ImageDraw.Draw(layer)
    for rim in (True, False):
        for (_, _, thickness, color), line_ends in zip(strokes, ends, strict=True):
            fill = _RIM if rim else color
            rim_width = max(0.5, thickness / 6) if rim else 0.0
            radius = round((thickness / 2 + rim_width) * factor)
            line = [tuple(np.rint((at + 0.5 - low) * factor - 0.5)) for at in line_ends]
            canvas.line(line, fill, width=2 * radius + 1)
            for x, y in line:
                canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill)
    layer = layer.reduce(factor)
    image.paste(layer, tuple(low.astype(int)), layer)
    return image


def _figure(points: np.ndarray, state: np.ndarray, line_width: float) -> list[Stroke]:
    """Returns the bones, and the keypoints above them."""
    strokes = []
    for names in MPII.bones:
        bone = list(MPII.indices(*names))
        if (state[bone] == Visibility.MISSING).any():
            continue
        parts = points[[bone]]
        if (state[bone] == Visibility.OCCLUDED).any():  # Gaps are as long as dashes.
            start, end = points[bone]
            length = float(np.linalg.norm(end - start)) / (_DASH_LENGTH * line_width)
            count = int(min(length, _MAX_DASHES)) // 2
            cuts = np.linspace(0.0, 1.0, 2 * count + 2)[:, np.newaxis]
            parts = (start + cuts * (end - start)).reshape(-1, 2, 2)
        color = _side_color(*names)
        strokes += [Stroke(start, end, line_width, color) for start, end in parts]
    for name, at, seen in zip(KEYPOINTS, points, state, strict=True):
        if seen != Visibility.MISSING:
            strokes.append(Stroke(at, at, _DOT_WIDTH * line_width, _side_color(name)))
        if seen == Visibility.OCCLUDED:
            width = _RING_CENTER_WIDTH * line_width
            strokes.append(Stroke(at, at, width, _RING_CENTER))
    return strokes


def _outline(corners: np.ndarray, width: float, color: Color) -> list[Stroke]:
    """Returns the closed line through corners float [N, 2]."""
    pairs = zip(corners, np.roll(corners, -1, axis=0), strict=True)
    return [Stroke(start, end, width, color) for start, end in pairs]


def _corners(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])


def _tile(image: Any, caption: str, tile_size: tuple[int, int]) -> Image.Image:
    """Returns the image, scaled to fit, with its caption below."""
    height, width = tile_size
    picture = ImageOps.contain(as_image(image), (width, height))
    font = ImageFont.load_default(max(10, height // 16))
    line = math.ceil(1.4 * font.getbbox("Ag")[3]) if caption else 0
    words = " ".join(caption.split())
    text, kept = words, len(words)
    while kept and font.getlength(text) > width:
        kept -= 1
        text = words[:kept] + "..."
    tile = Image.new("RGB", (width, picture.height + line), "white")
    tile.paste(picture, ((width - picture.width) // 2, 0))
    below = (width / 2, picture.height + line // 10)
    ImageDraw.Draw(tile).text(below, text, (40, 40, 40), font, anchor="ma")
    return tile


def _side_color(*names: str) -> Color:
    for side, color in (("left_", LEFT), ("right_", RIGHT)):
        if any(name.startswith(side) for name in names):
            return color
    return MIDDLE


def _checked(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    return array
