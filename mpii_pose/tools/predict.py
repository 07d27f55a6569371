"""Prints the keypoints that a model finds in an image, and writes the image with them.

Examples:
  python -m mpii_pose predict model.keras photo.jpg
  python -m mpii_pose predict model.keras photo.jpg --box 120,40,310,560
  python -m mpii_pose predict model.keras photo.jpg --output pose.png

MODEL.keras takes crops float [-1, 1] [B, H, W, 3] to heatmaps [B, h, w, 16], as
those of examples/networks.py do; of several outputs the last is taken. The box is
around one person, in pixels of the image as it is shown (EXIF turns it); without it
the whole image is. IMAGE with the skeleton is written beside it, as IMAGE_pose.png.
"""

import argparse
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath
from PIL import Image, ImageOps

from mpii_pose.drawing.poses import draw_pose
from mpii_pose.files import whole_file
from mpii_pose.formats.predictions import PredictionError
from mpii_pose.pictures import UNREADABLE, as_rgb
from mpii_pose.shards.images import ImageError
from mpii_pose.skeleton import KEYPOINTS, NUM_KEYPOINTS
from mpii_pose.transforms.decoding import decode_heatmaps
from mpii_pose.transforms.geometry import crop_to_frame, person_from_box
from mpii_pose.transforms.pose_transform import PoseTransform
from mpii_pose.transforms.spec import CropSpec


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "find the pose in an image with a model"
    parser = commands.add_parser("predict", help=text, description=__doc__)
    parser.add_path("model", "MODEL.keras", "a saved Keras model")
    parser.add_path("image", "IMAGE", "JPEG or PNG")
    text = "corners around the person, in pixels from 0 (default: the whole image)"
    parser.add_argument("--box", type=_box, metavar="x1,y1,x2,y2", help=text)
    parser.add_path("--output", "FILE", "where to write the picture")
    parser.add_argument(
        "--alignment",
        choices=("half_pixel", "udp", "legacy"),
        default="half_pixel",
        help="of the crops that the model was trained on (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the keypoints and writes the picture."""
    output = args.output or args.image.with_name(f"{args.image.stem}_pose.png")
    picture_format = Image.registered_extensions().get(output.suffix.lower())
    try:  # Some formats can only be read; this is known before the model runs.
        Image.new("RGB", (1, 1)).save(io.BytesIO(), picture_format)
    except (OSError, ValueError, KeyError) as error:
        raise ImageError(
            f"{output}: cannot be written as a picture: end the name in .png or .jpg"
        ) from error
    if not args.model.exists():
        raise FileNotFoundError(f"{args.model}: no such model")
    image = _load_image(args.image)
    pixels = np.asarray(image)
    _crop(pixels, args.box, CropSpec())  # Refuses a box before Keras is loaded.
    model = _load_model(args.model)
    points, scores = predict(model, pixels, args.box, alignment=args.alignment)
    print(f"{'':15}{'x':>8}{'y':>8}{'score':>8}")
    for name, (x, y), score in zip(KEYPOINTS, points, scores, strict=True):
        print(f"{name:15}{x:8.1f}{y:8.1f}{score:8.3f}")
    with whole_file(output) as file:
        draw_pose(image, points).save(file, picture_format)
    print(f"Wrote {output}")
    if args.box is None:
        print("The whole image was taken for one person; name another with --box")
    return 0


def predict(
    model: Any,
    image: np.ndarray,
    box: npt.ArrayLike | None = None,
    *,
    alignment: str = "half_pixel",
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pose of the person in a box.

    Args:
        model: A Keras model from crops [B, H, W, 3] to heatmaps [B, h, w, 16].
        image: uint8 [height, width, 3].
        box: [4], (x1, y1, x2, y2); by default the whole image.
        alignment: Of the crops that the model was trained on.

    Returns:
        Keypoints float32 [16, 2], (x, y) in pixels of the image, NaN where there is
        none, and scores float32 [16], the highest value of each heatmap.
    """
    import keras

    spec = _spec_of(model, alignment)
    features = _crop(image, box, spec)
    outputs = keras.tree.flatten(model(np.asarray(features["image"])[np.newaxis]))
    heatmaps = np.asarray(outputs[-1], np.float32)
    keypoints, scores = decode_heatmaps(heatmaps, spec=spec)
    points = crop_to_frame(np.asarray(keypoints)[0], features["crop_to_image"])
    return np.asarray(points), np.asarray(scores)[0]


def _crop(
    image: np.ndarray, box: npt.ArrayLike | None, spec: CropSpec
) -> dict[str, Any]:
    """Returns the features of the person in a box; by default in the whole image."""
    height, width = image.shape[:2]
    box = (0, 0, width - 1, height - 1) if box is None else box
    try:
        person = person_from_box(box, image_size=(height, width))
        return PoseTransform(spec)({"image": image, **person})
    except ValueError as error:
        corners = ",".join(f"{corner:g}" for corner in np.ravel(box))
        raise PredictionError(f"box {corners}: {error}") from error


def _spec_of(model: Any, alignment: str) -> CropSpec:
    """Returns the sizes of a model's crops and heatmaps."""
    # A model that was saved before it was built has neither.
    images: Any = getattr(model, "input_shape", None)
    heatmaps: Any = tuple(model.outputs[-1].shape) if images else None
    sizes = []
    for verb, shape, channels in (
        ("take images", images, 3),
        ("return heatmaps", heatmaps, NUM_KEYPOINTS),
    ):
        is_shape = isinstance(shape, tuple) and len(shape) == 4
        if not is_shape or shape[3] != channels or None in shape[1:]:
            raise PredictionError(
                f"the model must {verb} [batch, height, width, {channels}] of a fixed "
                f"size, channels last, found {shape}"
            )
        sizes.append(shape[1:3])
    try:
        return CropSpec(image_size=sizes[0], heatmap_size=sizes[1], alignment=alignment)
    except ValueError as error:
        raise PredictionError(f"the model: {error}") from error


def _load_model(path: epath.Path) -> Any:
    import keras

    import mpii_pose.keras.heatmaps
    import mpii_pose.keras.pckh  # noqa: F401  registers the layers of models

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras meets other files with errors of many kinds.
        raise PredictionError(
            f"{path}: not a model Keras can load ({error})"
        ) from error


def _load_image(path: epath.Path) -> Image.Image:
    data = path.read_bytes()
    try:
        # A user's photo is turned upright by its EXIF. MPII's images are not, as in
        # all code that uses MPII.
        with Image.open(io.BytesIO(data)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return as_rgb(image)
    except UNREADABLE as error:
        raise ImageError(f"{path}: not an image Pillow can read ({error})") from error


def _box(text: str) -> tuple[float, ...]:
    try:
        corners = tuple(float(number) for number in text.split(","))
    except ValueError:
        corners = ()
    if len(corners) != 4:
        raise argparse.ArgumentTypeError(f"must be x1,y1,x2,y2, got {text}")
    return corners
