"""Writes a release of drawn people in the layout of the official one.

    directory/images/123456789.jpg ...
    directory/mpii_human_pose_v1_u12_2/mpii_human_pose_v1_u12_1.mat
    directory/mpii_human_pose_v1_u12_2/validation_people.csv

MPII's own validation people are known by a list made later by others (Tompson et al.);
`validation_people.csv` has that role here.
"""

import bisect
import dataclasses
import io
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from mpii_pose.release.split import VALIDATION_PEOPLE_FILE
from mpii_pose.synthetic import image_plans, matlab, pose, scene
from mpii_pose.synthetic.annotations import ReleaseImage
from mpii_pose.synthetic.image_plans import ImagePlan

IMAGE_FOLDER = "images"
ANNOTATION_FOLDER = "mpii_human_pose_v1_u12_2"
ANNOTATION_FILE = "mpii_human_pose_v1_u12_1.mat"

# (height, width) in px; small, so that a build takes seconds.
SMALL_SIZES = ((240, 320), (272, 480), (360, 480), (360, 640), (480, 640), (400, 300))
# The most frequent sizes of the real release in their rough proportions.
MPII_SIZES = (
    *((720, 1280),) * 10,
    *((1080, 1920),) * 6,
    *((480, 640),) * 2,
    (480, 854),
    (480, 720),
)

# Mean size of the real images' files: 516 KB at 1.12 megapixels.
MPII_BYTES_PER_PIXEL = 0.46

_NUM_VIDEOS = 12
# Of JPEG files that have a size in bytes; they rarely shrink from one to the next.
_QUALITIES = range(5, 99)
# Noise in levels; heavy files need it to be heavy.
_GRAIN, _HEAVY_GRAIN = 5, 22


def write_release(
    directory: str | os.PathLike[str],
    *,
    num_people: int,
    seed: int = 0,
    image_sizes: Sequence[tuple[int, int]] = SMALL_SIZES,
    bytes_per_pixel: float | None = None,
) -> None:
    """Draws people and writes them as the official release is written.

    Every way in which the official annotations are irregular occurs, given some dozens
    of people. The same arguments give the same bytes.

    Args:
        directory: Where to write; made if it does not exist.
        num_people: Number of labelled people: those of `train`, `validation` and
            `validation_others` together. People without labels and test people (0.4
            for each labelled one) come on top.
        seed: 0 or more.
        image_sizes: (height, width) in px, of which each image gets one by chance;
            `MPII_SIZES` for the real ones.
        bytes_per_pixel: Mean size of the files in bytes divided by their pixels;
            `MPII_BYTES_PER_PIXEL` (0.46) makes them as heavy as the real ones.
            None leaves them as they come, about 0.15.

    Raises:
        ValueError: An option is out of range.
        FileExistsError: The directory already holds a release, drawn or real.
    """
    _check_options(num_people, seed, image_sizes, bytes_per_pixel)
    root = pathlib.Path(directory)
    for name in (IMAGE_FOLDER, ANNOTATION_FOLDER):
        if (root / name).exists() and any((root / name).iterdir()):
            raise FileExistsError(
                f"{root / name} is not empty: a drawn release is never mixed with "
                f"other files; remove the folder or choose another directory"
            )
    plans = image_plans.plan_images(num_people, rng=np.random.default_rng([seed, 0]))
    (root / IMAGE_FOLDER).mkdir(parents=True, exist_ok=True)
    (root / ANNOTATION_FOLDER).mkdir(exist_ok=True)
    images = []
    for number, image in enumerate(plans):
        rng = np.random.default_rng([seed, 1, number])
        size = image_sizes[int(rng.integers(len(image_sizes)))]
        drawn = scene.draw_scene(
            rng,
            size=size,
            num_people=len(image.people),
            grain=_GRAIN if bytes_per_pixel is None else _HEAVY_GRAIN,
        )
        encoded = _encode_image(drawn.image, rng, bytes_per_pixel=bytes_per_pixel)
        (root / IMAGE_FOLDER / image.name).write_bytes(encoded)
        images.append(_describe_image(image, drawn, rng))
    annotations = root / ANNOTATION_FOLDER
    listed = [(image.name, k) for image in plans for k in image.validation_people]
    rows = ["image_name,person_index", *(f"{name},{k}" for name, k in listed)]
    (annotations / VALIDATION_PEOPLE_FILE).write_bytes(
        ("\n".join(rows) + "\n").encode()
    )
    encoded = matlab.encode_release(images, seed=seed)
    (annotations / ANNOTATION_FILE).write_bytes(encoded)


def _check_options(
    num_people: int,
    seed: int,
    image_sizes: Sequence[tuple[int, int]],
    bytes_per_pixel: float | None,
) -> None:
    if num_people < 1:
        raise ValueError(f"num_people must be 1 or more, got {num_people}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if not image_sizes:
        raise ValueError("image_sizes must hold at least one (height, width)")
    for height, width in image_sizes:
        if min(height, width) < 64:
            raise ValueError(
                f"image_sizes must be at least 64 px either way, got "
                f"(height, width) = ({height}, {width})"
            )
    if bytes_per_pixel is not None and bytes_per_pixel < 0.1:
        raise ValueError(
            f"bytes_per_pixel must be 0.1 or more, or None, got {bytes_per_pixel}"
        )


def _encode_image(
    image: Image.Image, rng: np.random.Generator, *, bytes_per_pixel: float | None
) -> bytes:
    """Encodes an image with the best quality that keeps to its size in bytes."""
    if bytes_per_pixel is None:
        return _encode_jpeg(image, quality=int(rng.integers(80, 93)))
    num_bytes = bytes_per_pixel * image.width * image.height * rng.uniform(0.75, 1.3)
    quality = bisect.bisect_right(
        _QUALITIES, num_bytes, key=lambda q: len(_encode_jpeg(image, quality=q))
    )
    return _encode_jpeg(image, quality=_QUALITIES[max(0, quality - 1)])


def _encode_jpeg(image: Image.Image, *, quality: int) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _describe_image(
    image: ImagePlan, drawn: scene.Scene, rng: np.random.Generator
) -> ReleaseImage:
    """What the annotation file says of a drawn image."""
    people = [
        dataclasses.replace(person, **image_plans.KINDS[kind])
        for person, kind in zip(drawn.people, image.people, strict=True)
    ]
    if not image.is_train:
        return ReleaseImage(
            name=image.name, people=people, is_train=False, activity_id=-1
        )
    if image.has_rich_fields:
        people = [
            dataclasses.replace(person, extra_fields=_rich_fields(rng))
            for person in people
        ]
    told = image.tells_activity
    activities = list(pose.ACTIONS)
    return ReleaseImage(
        name=image.name,
        people=people,
        video_id=f"drawn_{rng.integers(_NUM_VIDEOS):05d}",
        frame_sec=int(rng.integers(600)),
        category=drawn.category if told else "",
        activity=drawn.activity if told else "",
        activity_id=activities.index(drawn.activity) + 1 if told else None,
    )


def _rich_fields(rng: np.random.Generator) -> dict[str, float]:
    """The further fields that a few of MPII's images have."""
    fields = {
        f"{part}_r{row + 1}{column + 1}": float(value)
        for part in ("head", "torso")
        for (row, column), value in np.ndenumerate(
            np.linalg.qr(rng.normal(size=(3, 3))).Q
        )
    }
    return fields | {f"part_occ{i}": int(rng.integers(2)) for i in range(1, 11)}
