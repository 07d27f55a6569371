"""Damaged and hostile annotations give errors with file, place and reason."""

import copy
import gzip
import io
import json
import os
import pathlib
import pickle
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.release import matlab as matlab_lib
from mpii_pose.release import official
from mpii_pose.shards.images import ImageError, ImageFile
from mpii_pose.synthetic import matlab
from tests import releases

CPM, HRNET = "mpii_annotations.json", "train.json"


def assert_refused(path, message, place=""):
    """Asserts that a file is refused, with its path, the place in it and the reason."""
    with pytest.raises(AnnotationError, match=message) as caught:
        mpii_pose.read_people(path)

    assert str(caught.value).startswith(f"{path}: {place}")
    return str(caught.value)


def set_at(record, path, value):
    """Returns a copy of a record with the entry at a path of keys replaced."""
    record = copy.deepcopy(record)
    *parents, last = path
    entry = record
    for key in parents:
        entry = entry[key]
    entry[last] = value
    return record


@pytest.fixture
def records(drawn_people):
    """A good record of each JSON file, by its name."""
    person = drawn_people["train"][0]
    hrnet = releases.hrnet_record(person) | {"joints_vis": [1] * 16}
    hrnet["joints"] = [[100.0 + 5 * k, 90.0] for k in range(16)]
    return {CPM: releases.cpm_record(person, split="train", image=1), HRNET: hrnet}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a JSON file"),
        (b"\xff\xfe\x00", "not a JSON file"),
        (b"[" * 1_000_000, "not a JSON file"),
        (b'{"a":' * 1_000_000, "not a JSON file"),
        (b"[" + b"9" * 1_000_000 + b"]", "not a JSON file"),
        (b"[1e999999999]", "record 0: expected an object, found inf"),
        (gzip.compress(b"[]" * 1000)[:-9], "not a JSON file"),
        (gzip.compress(b"[" * 1_000_000), "unpacks to more than 100 times its size"),
        (b'{"a": 1}', "expected a list of people, found dict"),
        (b"[]", "expected a list of people, found an empty one"),
        (b"[1]", "record 0: expected an object, found 1"),
    ],
    ids=[
        *("cut", "no_utf8", "lists", "objects", "digits", "exponent", "cut_gzip"),
        *("bomb", "object", "empty", "number"),
    ],
)
def test_file_that_is_no_list_of_people_is_refused(tmp_path, content, message):
    (tmp_path / HRNET).write_bytes(content)

    assert_refused(tmp_path / HRNET, message)


@pytest.mark.parametrize(
    ("name", "path", "value", "message"),
    [
        (CPM, ("joint_self",), [[1.0, 1.0, 1.0]] * 15, r"shape \(16,\), got \(15,\)"),
        (CPM, ("joint_self",), "none", "rows of"),
        (CPM, ("joint_self",), [[1.0, 1.0]] * 16, "rows of"),
        (CPM, ("joint_self", 3, 0), float("nan"), "keypoints must be finite"),
        (CPM, ("joint_self", 3, 1), 1e300, "keypoints must be finite"),
        (CPM, ("joint_self", 3, 0), None, "keypoints must be finite"),
        (CPM, ("joint_self", 3, 2), 7.0, "must be 0 or 1, got"),
        (CPM, ("scale_provided",), 0.0, "scale must be 0.05 to 100.0 .*got 0.0"),
        (CPM, ("scale_provided",), float("nan"), "scale must be finite"),
        (CPM, ("scale_provided",), "tall", "scale must be numbers"),
        (CPM, ("objpos",), [1.0], r"center must have shape \(2,\), got \(1,\)"),
        (CPM, ("img_paths",), "../evil.jpg", "without a path, got '../evil.jpg'"),
        (CPM, ("img_paths",), "/etc/passwd", "without a path"),
        (CPM, ("img_paths",), "..\\evil.jpg", "without a path"),
        (CPM, ("img_paths",), "..", "must be a file name"),
        (CPM, ("img_paths",), "a\x00.jpg", "must be a file name"),
        (CPM, ("img_paths",), 5, "must be a file name"),
        (CPM, ("people_index",), 1.5, "people_index must be an integer, got 1.5"),
        (CPM, ("annolist_index",), float("inf"), "annolist_index must be an integer"),
        (HRNET, ("joints",), [[1.0, 1.0]] * 15, r"shape \(16, 2\), got \(15, 2\)"),
        (HRNET, ("joints_vis",), [1] * 15, r"shape \(16,\), got \(15,\)"),
        (HRNET, ("joints_vis", 0), 7, r"must be a list of 0 or 1, got \[7, 1"),
        (HRNET, ("joints_vis",), 1, "joints_vis must be a list of 0 or 1, got 1"),
        (HRNET, ("joints", 9, 0), float("nan"), "keypoints must be finite"),
        (HRNET, ("scale",), 1e-30, "scale must be 0.05 to 100"),
        (HRNET, ("center",), [1, "x"], "center must be numbers"),
        (HRNET, ("image",), "images/1.jpg", "without a path"),
    ],
)
def test_bad_value_in_json_is_named(tmp_path, records, name, path, value, message):
    record = records[name]
    first = record | {"people_index": 9.0, "image": "other.jpg"}
    (tmp_path / name).write_text(json.dumps([first, set_at(record, path, value)]))

    text = assert_refused(tmp_path / name, message, "record 1")

    if path[0] in ("joint_self", "scale_provided", "objpos"):
        assert f"image {record['img_paths']}: " in text


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *((CPM, f) for f in ("img_paths", "joint_self", "objpos", "scale_provided")),
        *((CPM, f) for f in ("people_index", "isValidation", "annolist_index")),
        *((HRNET, f) for f in ("image", "joints", "joints_vis", "center", "scale")),
    ],
)
def test_field_that_json_lacks_is_named(tmp_path, records, name, field):
    record = records[name]
    first = record | {"people_index": 9.0, "image": "other.jpg"}
    short = {key: value for key, value in record.items() if key != field}
    (tmp_path / name).write_text(json.dumps([first, short]))

    assert_refused(tmp_path / name, f"record 1: no field '{field}', found ")


def test_coordinates_of_a_missing_keypoint_do_not_matter(tmp_path, records):
    record = set_at(records[HRNET], ("joints", 2), [float("nan"), 1e99])
    record = set_at(record, ("joints_vis", 2), 0)
    (tmp_path / HRNET).write_text(json.dumps([record]))

    (found,) = mpii_pose.read_people(tmp_path / HRNET)["train"]

    np.testing.assert_array_equal(found.keypoints[2], [-1, -1])


@pytest.mark.parametrize("flag", [0, 1])
@pytest.mark.parametrize("place", [(0, 0), (-1, -1)])
@pytest.mark.parametrize("name", [CPM, HRNET, releases.MATLAB_FILE])
def test_keypoint_of_no_place_is_missing(tmp_path, records, release, name, place, flag):
    if name == CPM:
        record = set_at(records[CPM], ("joint_self", 3), [*place, flag])
    elif name == HRNET:
        record = set_at(records[HRNET], ("joints", 3), place)
        record = set_at(record, ("joints_vis", 3), flag)
    if name == releases.MATLAB_FILE:
        *_, point, _ = first_flagged(release)
        point["x"], point["y"], point["is_visible"] = *map(np.array, place), flag
        scipy.io.savemat(tmp_path / name, {"RELEASE": release})
    else:
        (tmp_path / name).write_text(json.dumps([record]))

    if flag:
        place = rf"is labelled and has the place \[{place[0]}.0, {place[1]}.0\]"
        assert_refused(tmp_path / name, place)
    else:
        for person in mpii_pose.read_people(tmp_path / name)["train"]:
            np.testing.assert_array_equal(person.keypoints[~person.labelled], -1)
            assert (person.keypoints[person.labelled] > -1).any(axis=1).all()


def test_joints_of_null_are_a_person_without_labels(tmp_path, records):
    record = records[HRNET] | {"joints": None, "joints_vis": [0] * 16}
    (tmp_path / HRNET).write_text(json.dumps([record]))
    (person,) = mpii_pose.read_people(tmp_path / HRNET)["train"]
    assert not person.labelled.any()

    (tmp_path / HRNET).write_text(json.dumps([record | {"joints_vis": [0, 1] * 8}]))
    assert_refused(tmp_path / HRNET, "joints is null, but 8 of joints_vis are 1")


@pytest.mark.parametrize("name", [CPM, HRNET])
def test_the_same_person_twice_is_refused(tmp_path, records, name):
    (tmp_path / name).write_text(json.dumps([records[name]] * 2))

    assert_refused(tmp_path / name, r"record 1.* stands already in .*record 0")


@pytest.fixture
def matlab_bytes(drawn_release):
    return (drawn_release / releases.MATLAB_PATH).read_bytes()


@pytest.fixture
def path(tmp_path):
    """Where a test writes a .mat."""
    return tmp_path / releases.MATLAB_FILE


def mat_of_zeros(num_bytes, order="<"):
    """Returns a MATLAB file with one compressed variable of zeros."""
    header = b"MATLAB 5.0 MAT-file".ljust(124)
    header += b"\0\1IM" if order == "<" else b"\1\0MI"
    packed = zlib.compress(bytes(num_bytes))
    return header + struct.pack(f"{order}II", 15, len(packed)) + packed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>404 not found</html>" * 100, "no MATLAB 5 file"),
        (b"\x89HDF\r\n\x1a\n" * 50, "no MATLAB 5 file"),
        (mat_of_zeros(9, ">"), "no MATLAB 5 file"),
        (mat_of_zeros(60_000_000), "unpacks to more than 40 times its size"),
        (mat_of_zeros(999_999) * 2, "not a MATLAB file SciPy can read"),
        (mat_of_zeros(700_000) + mat_of_zeros(700_000)[128:], "more than 40 times"),
    ],
    ids=["html", "hdf5", "big_endian", "zeros", "no_array", "together"],
)
def test_file_that_is_no_mat_or_unpacks_to_much_is_refused(path, data, message):
    path.write_bytes(data)

    tracemalloc.start()
    text = assert_refused(path, message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert text.startswith(f"{path}: not a MATLAB file")
    assert peak < 10_000_000


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.99])
def test_truncated_mat_is_refused(path, matlab_bytes, share):
    path.write_bytes(matlab_bytes[: int(share * len(matlab_bytes))])

    assert_refused(path, "not a MATLAB file SciPy can read")


def test_published_mat_is_read_whatever_it_unpacks_to(path, matlab_bytes, monkeypatch):
    path.write_bytes(matlab_bytes)
    monkeypatch.setattr(matlab_lib, "_MAX_RATIO", -99)
    assert_refused(path, "unpacks to more")

    blob = official.git_blob_id(matlab_bytes)
    monkeypatch.setattr(official, "MATLAB_GIT_BLOB", blob)

    assert mpii_pose.read_people(path)


def test_mat_without_release_or_people_is_refused(path):
    for content in ({"annolist": [1, 2]}, {"RELEASE": [1, 2]}):
        scipy.io.savemat(path, content)
        assert_refused(path, "expected one struct named RELEASE")

    path.write_bytes(matlab.encode_release([matlab.ReleaseImage(name="1.jpg")]))
    assert_refused(path, "no image has a person")


@pytest.fixture
def release(matlab_bytes):
    return scipy.io.loadmat(io.BytesIO(matlab_bytes))["RELEASE"]


@pytest.mark.parametrize("name", ["img_train", "single_person", "act"])
def test_mat_with_an_array_of_the_wrong_size_or_kind_is_refused(path, release, name):
    array = release[name][0, 0]
    release[name][0, 0] = array.ravel()[:-1]
    scipy.io.savemat(path, {"RELEASE": release})
    assert_refused(path, f"{name} must have one entry for each of the {array.size} ima")

    if name == "img_train":
        release[name][0, 0] = array.astype(object)
        release[name][0, 0][0, 0] = np.array([1, 0])
        scipy.io.savemat(path, {"RELEASE": release})
        assert_refused(path, "numbers in img_train")


def first_flagged(release):
    """Returns an image, a person and a point that have all fields, and the places."""
    for i, image in enumerate(release["annolist"][0, 0].ravel()):
        for j, rect in enumerate(image["annorect"].ravel()):
            if "annopoints" in rect.dtype.names and rect["annopoints"].size:
                points = rect["annopoints"]["point"][0, 0]
                if "is_visible" in points.dtype.names:
                    place = f"annolist({i + 1})"
                    places = place, f"{place}.annorect({j + 1})"
                    return image, rect, points[0, 0], places
    raise AssertionError


@pytest.mark.parametrize(
    ("struct", "field", "value", "message"),
    [
        ("point", "x", np.nan, "keypoints must be finite"),
        ("point", "x", [1.0, 2.0], "x must be one number"),
        ("point", "y", "low", "y must be one number, got 'low'"),
        ("point", "id", 16, "id must be an integer from 0 to 15, got 16"),
        ("point", "id", 2.5, "id must be an integer from 0 to 15, got 2.5"),
        ("point", "id", np.zeros((0, 0)), "id must be one number, got None"),
        ("point", "is_visible", 7, "is_visible must be empty, 0 or 1, got 7"),
        ("point", "is_visible", "yes", "is_visible must be empty, 0 or 1, got 'yes'"),
        ("rect", "scale", 0.0, "scale must be 0.05 to 100"),
        ("rect", "scale", np.inf, "scale must be finite"),
        ("rect", "x1", "left", "x1 must be one number, got 'left'"),
        ("image", "vididx", 9999, "vididx must be an integer from 1 to "),
        ("image", "vididx", 0, "vididx must be an integer from 1 to .*, got 0"),
        ("image", "vididx", np.nan, "vididx must be an integer"),
        ("image", "frame_sec", np.inf, "frame_sec must be an integer"),
        ("image", "frame_sec", 0.5, "frame_sec must be an integer.*, got 0.5"),
    ],
)
def test_bad_value_in_the_mat_is_named(path, release, struct, field, value, message):
    image, rect, point, (of_image, of_person) = first_flagged(release)
    structs = {"image": image, "rect": rect, "point": point}
    structs[struct][field] = np.array(value)
    scipy.io.savemat(path, {"RELEASE": release})

    assert_refused(path, message, of_image if struct == "image" else of_person)


@pytest.mark.parametrize("content", ["", "a,b\n", "image_name,person_index\n1.jpg\n"])
def test_bad_list_of_validation_people_is_refused(path, matlab_bytes, content):
    path.write_bytes(matlab_bytes)
    path.with_name("validation_people.csv").write_text(content)

    with pytest.raises(AnnotationError, match=r"validation_people\.csv: expected CSV"):
        mpii_pose.read_people(path.parent)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, pickle.HIGHEST_PROTOCOL])
@pytest.mark.parametrize("name", [releases.MATLAB_FILE, CPM, HRNET, "1.jpg"])
def test_pickles_are_never_loaded(tmp_path, name, protocol):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol))

    image = ImageFile(str(path), path.stat().st_size)
    read = image.read if name == "1.jpg" else lambda: mpii_pose.read_people(path)

    with pytest.raises((AnnotationError, ImageError)):
        read()

    assert not (tmp_path / "sprung").exists()
