"""Readers to be fuzzed, and valid files to start from.

A target takes a folder for files and bytes, and returns whether they were read. The
errors that a reader promises are caught; whatever else it raises is a bug.
"""

import functools
import io
import json
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
import PIL.Image

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.shards.images import ImageError, ImageFile
from tests import releases


def read_json(folder: pathlib.Path, data: bytes, *, name: str) -> bool:
    """Reads a JSON copy of the annotations."""
    path = folder / name
    path.write_bytes(data)
    try:
        return bool(mpii_pose.read_people(path))
    except AnnotationError:
        return False


def read_image(folder: pathlib.Path, data: bytes) -> bool:
    """Checks an image, and that a JPEG is made of it."""
    path = folder / "1.jpg"
    path.write_bytes(data)
    try:
        found = ImageFile(str(path), len(data)).read()
    except ImageError:
        return False
    assert found.startswith(b"\xff\xd8")
    assert found.endswith(b"\xff\xd9")
    return True


TARGETS: Mapping[str, Callable[[pathlib.Path, bytes], bool]] = {
    "cpm": functools.partial(read_json, name="mpii_annotations.json"),
    "hrnet": functools.partial(read_json, name="train.json"),
    "hrnet_test": functools.partial(read_json, name="test.json"),
    "image": read_image,
}


def seeds(target: str) -> list[bytes]:
    """Returns valid files for a target, from a small drawn release."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        mpii_pose.synthetic.write_release(
            folder, num_people=8, seed=1, image_sizes=[(64, 80)]
        )
        if target == "image":
            jpegs = [path.read_bytes() for path in folder.glob("images/*")][:2]
            return [*jpegs, *_other_images()]
        people = mpii_pose.read_people(folder)["train"]
        records = [releases.hrnet_record(person) for person in people]
        if target == "cpm":
            records = [
                releases.cpm_record(person, split="train", image=i)
                for i, person in enumerate(people, start=1)
            ]
        return [json.dumps(records[:n]).encode() for n in (1, 2, len(records))]


def _other_images() -> list[bytes]:
    pixels = PIL.Image.fromarray(np.uint8(np.mgrid[:6, :8].sum(axis=0) * 19))
    images = []
    for mode, kind in (("RGB", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "JPEG")):
        file = io.BytesIO()
        pixels.convert(mode).save(file, kind)
        images.append(file.getvalue())
    return images
