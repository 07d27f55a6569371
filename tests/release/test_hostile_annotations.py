"""Annotations made to do harm are refused, in bounded words, time and memory."""

import copy
import gzip
import json
import os
import pathlib
import pickle

import hypothesis
import pytest
from hypothesis import strategies as st

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.shards.images import ImageError, ImageFile
from tests import releases

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, 1, -1, 16, 1e308, 10**400, float("nan"), 2**31, 2**63])
    | st.text(max_size=5)
    | st.sampled_from(["../1.jpg", "1.jpg", "a\0b", "\ud800", "é" * 200]),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def records(drawn_release):
    person = mpii_pose.read_people(drawn_release)["train"][0]
    return {
        "mpii_annotations.json": releases.cpm_record(person, split="train", image=1),
        "train.json": releases.hrnet_record(person),
    }


@st.composite
def damages(draw):
    """A change of a JSON record: the way into it, and what to put there."""
    way = draw(st.lists(st.integers(0, 20), min_size=1, max_size=3))
    return way, draw(VALUES)


def damage(record, way, value):
    """Returns a copy with the value that `way` leads to exchanged."""
    changed = place = copy.deepcopy(record)
    for depth, number in enumerate(way):
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = keys[number % len(keys)]
        inner = place[key]
        if depth == len(way) - 1 or not isinstance(inner, list | dict) or not inner:
            place[key] = value
            return changed
        place = inner
    return changed


def read(path):
    """Returns what is read, or the message of the refusal."""
    try:
        return mpii_pose.read_people(path), ""
    except AnnotationError as error:
        return None, str(error)


@pytest.mark.parametrize("name", ["mpii_annotations.json", "train.json"])
@hypothesis.given(changes=st.lists(damages(), min_size=1, max_size=3))
@hypothesis.settings(max_examples=500, deadline=None)
def test_any_value_in_any_place_is_read_or_refused(
    name, changes, records, tmp_path_factory
):
    record = records[name]
    for way, value in changes:
        record = damage(record, way, value)
    path = tmp_path_factory.mktemp("json") / name
    path.write_text(json.dumps([record]))

    people, message = read(path)

    if people is None:
        assert message.startswith(str(path))
        assert len(message) < 3000
    else:
        ((person,),) = people.values()
        assert person.keypoints.shape == (16, 2)
        assert "/" not in person.image_name


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b'{"a":' * 1_000_000,
        b"[" + b"9" * 1_000_000 + b"]",
        b"[1e999999999]",
        b'["\xff\xfe"]',
        gzip.compress(b"[" + b"0," * 50_000_000 + b"0]"),
        gzip.compress(b"[" * 1_000_000),
    ],
    ids=["lists", "objects", "digits", "exponent", "no_utf8", "zipped", "zipped_lists"],
)
def test_json_that_never_ends_is_refused(tmp_path, data):
    path = tmp_path / "train.json"
    path.write_bytes(data)

    with pytest.raises(AnnotationError, match=r"train\.json: "):
        mpii_pose.read_people(path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize(
    "name",
    ["mpii_human_pose_v1_u12_1.mat", "mpii_annotations.json", "train.json", "1.jpg"],
)
def test_pickles_are_never_loaded(tmp_path, name, protocol):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol))

    image = ImageFile(str(path), path.stat().st_size)
    read = image.read if name == "1.jpg" else lambda: mpii_pose.read_people(path)

    with pytest.raises((AnnotationError, ImageError)):
        read()

    assert not (tmp_path / "sprung").exists()
