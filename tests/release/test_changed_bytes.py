"""Readers of changed files raise only the errors that they promise.

SECURITY.md names a longer run: `ROUNDS` is how many files each reader gets.
"""

import contextlib
import io
import itertools
import json
import random
import re

import numpy as np
import PIL.Image
import pytest

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.shards.images import ImageError, ImageFile
from tests import releases

ROUNDS = 300


def read_image(path):
    found = ImageFile(str(path), path.stat().st_size).read()
    assert found.startswith(b"\xff\xd8")
    assert found.endswith(b"\xff\xd9")


def images():
    pixels = PIL.Image.fromarray(np.uint8(np.mgrid[:6, :8].sum(axis=0) * 19))
    modes = {"RGB": "PNG", "P": "GIF", "CMYK": "JPEG", "L": "JPEG"}
    for mode, kind in modes.items():
        file = io.BytesIO()
        pixels.convert(mode).save(file, kind)
        yield file.getvalue()


WORDS = [b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 400, b"[]", b"{}", b'"x"']
WORDS += [b'"../1.jpg"', b'"\\ud800"', b"[[1, 2], 3]", b'{"a": 1}']


def change(data, rng):
    """Changes, removes, repeats or exchanges a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at, start = rng.randrange(len(changed)), rng.randrange(len(changed))
        size = rng.randint(0, 8)
        new = [rng.randbytes(size), b"", bytes(size), changed[start : start + size]]
        changed[at : at + rng.randint(0, 8)] = rng.choice(new)
    return bytes(changed or b"0")


def exchange(data, rng):
    """Exchanges a few values of a JSON file for others."""
    for _ in range(rng.randint(1, 3)):
        value = rng.choice(list(re.finditer(rb'[\d.e-]+|"[^"]*"|\[[^][]*\]', data)))
        data = data[: value.start()] + rng.choice(WORDS) + data[value.end() :]
    return data


def check_people(path):
    """Reads people who are as promised, unless an error names the file."""
    people, message = [], str(path)
    try:
        people = itertools.chain(*mpii_pose.read_people(path).values())
    except AnnotationError as error:
        message = str(error)
    assert message.startswith(str(path))
    assert len(message) < 3000
    for person in people:
        assert person.keypoints.shape == (16, 2)
        assert "/" not in person.image_name


@pytest.mark.parametrize(
    "name", ["mpii_annotations.json", "train.json", "test.json", "1.jpg"]
)
@pytest.mark.filterwarnings("ignore")
def test_reader_survives_changed_bytes_and_values(name, drawn_release, tmp_path):
    rng, read, ways = random.Random(0), read_image, [change]
    files = [*images(), min(drawn_release.glob("images/*")).read_bytes()]
    if name != "1.jpg":
        read, ways = check_people, [change, exchange]
        people = mpii_pose.read_people(drawn_release)["train"][:3]
        records = [releases.hrnet_record(person) for person in people]
        if name == "mpii_annotations.json":
            records = [releases.cpm_record(p, split="train", image=1) for p in people]
        files = [json.dumps(records[:n]).encode() for n in (1, 2, 3)]
    for data in files:
        (tmp_path / name).write_bytes(data)
        read(tmp_path / name)

    for _ in range(ROUNDS):
        for way in ways:
            (tmp_path / name).write_bytes(way(rng.choice(files), rng))
            with contextlib.suppress(ImageError):
                read(tmp_path / name)
