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

import hypothesis
import numpy as np
import pytest
import scipy.io
from hypothesis import strategies as st

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.release import matlab as matlab_lib
from mpii_pose.release import official
from mpii_pose.shards.images import ImageError, ImageFile
from mpii_pose.synthetic import matlab
from tests import releases


def set_at(record, path, value):
    """Returns `record` with the entry at `path`, a tuple of keys, replaced."""
    record = copy.deepcopy(record)
    *parents, last = path
    entry = record
    for key in parents:
        entry = entry[key]
    entry[last] = value
    return record


@pytest.fixture
def person(drawn_release):
    return mpii_pose.read_people(drawn_release)["train"][0]


@pytest.fixture
def cpm(person):
    return releases.cpm_record(person, split="train", image=1)


@pytest.fixture
def hrnet(person):
    return releases.hrnet_record(person)


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
    path = tmp_path / "train.json"
    path.write_bytes(content)

    with pytest.raises(AnnotationError, match=message) as error:
        mpii_pose.read_people(path)

    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("joint_self",), [[1.0, 1.0, 1.0]] * 15, r"shape \(16,\), got \(15,\)"),
        (("joint_self",), "none", "rows of"),
        (("joint_self",), [[1.0, 1.0]] * 16, "rows of"),
        (("joint_self", 3, 0), float("nan"), "keypoints must be finite"),
        (("joint_self", 3, 1), float("inf"), "keypoints must be finite"),
        (("joint_self", 3, 1), 1e300, "keypoints must be finite"),
        (("joint_self", 3, 0), None, "keypoints must be finite"),
        (("joint_self", 3, 2), 7.0, "must be 0 or 1, got"),
        (("scale_provided",), 0.0, "scale must be 0.05 to 100.0 .*got 0.0"),
        (("scale_provided",), -1.5, "scale must be 0.05 to 100.0 .*got -1.5"),
        (("scale_provided",), float("nan"), "scale must be finite"),
        (("scale_provided",), "tall", "scale must be numbers"),
        (("objpos",), [1.0], r"center must have shape \(2,\), got \(1,\)"),
        (("img_paths",), "../evil.jpg", "without a path, got '../evil.jpg'"),
        (("img_paths",), "/etc/passwd", "without a path"),
        (("img_paths",), "..\\evil.jpg", "without a path"),
        (("img_paths",), "..", "must be a file name"),
        (("img_paths",), "a\x00.jpg", "must be a file name"),
        (("img_paths",), 5, "must be a file name"),
        (("people_index",), 1.5, "people_index must be an integer, got 1.5"),
        (("annolist_index",), float("inf"), "annolist_index must be an integer"),
    ],
)
def test_bad_value_in_cpms_json_is_named(tmp_path, cpm, path, value, message):
    file = tmp_path / "mpii_annotations.json"
    good = set_at(cpm, ("people_index",), 9.0)
    file.write_text(json.dumps([good, set_at(cpm, path, value)]))

    with pytest.raises(AnnotationError, match=message) as error:
        mpii_pose.read_people(file)

    assert f"{file}: record 1" in str(error.value)
    if path != ("img_paths",):
        assert cpm["img_paths"] in str(error.value) or "index" in path[0]


@pytest.mark.parametrize(
    "field", ["img_paths", "joint_self", "objpos", "scale_provided", "people_index"]
)
def test_field_that_cpms_json_lacks_is_named(tmp_path, cpm, field):
    file = tmp_path / "mpii_annotations.json"
    short = {name: value for name, value in cpm.items() if name != field}
    # The first record tells the format.
    file.write_text(json.dumps([set_at(cpm, ("people_index",), 9.0), short]))

    with pytest.raises(AnnotationError, match=f"record 1: no field '{field}'"):
        mpii_pose.read_people(file)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("joints",), [[1.0, 1.0]] * 15, r"keypoints must have shape \(16, 2\), got"),
        (("joints_vis",), [1] * 15, r"visibility must have shape \(16,\), got \(15,\)"),
        (("joints_vis", 0), 7, "joints_vis must be 0 or 1, got 7"),
        (("joints_vis",), 1, "expected a list"),
        (("joints", 9, 0), float("nan"), "keypoints must be finite"),
        (("scale",), 0, "scale must be 0.05 to 100"),
        (("scale",), 1e-30, "scale must be 0.05 to 100"),
        (("center",), [1, "x"], "center must be numbers"),
        (("image",), "images/1.jpg", "without a path"),
    ],
)
def test_bad_value_in_hrnets_json_is_named(tmp_path, hrnet, path, value, message):
    file = tmp_path / "train.json"
    hrnet = set_at(hrnet, ("joints_vis",), [1] * 16)
    file.write_text(json.dumps([set_at(hrnet, path, value)]))

    with pytest.raises(AnnotationError, match=message) as error:
        mpii_pose.read_people(file)

    assert f"{file}: record 0" in str(error.value)


def test_coordinates_of_a_missing_keypoint_do_not_matter(tmp_path, hrnet):
    file = tmp_path / "train.json"
    hrnet = set_at(hrnet, ("joints", 2), [float("nan"), 1e99])
    file.write_text(json.dumps([set_at(hrnet, ("joints_vis", 2), 0)]))

    (found,) = mpii_pose.read_people(file)["train"]

    np.testing.assert_array_equal(found.keypoints[2], [-1, -1])


def test_the_same_person_twice_is_refused(tmp_path, cpm, hrnet):
    (tmp_path / "mpii_annotations.json").write_text(json.dumps([cpm, cpm]))
    (tmp_path / "train.json").write_text(json.dumps([hrnet, hrnet]))

    for name in ("mpii_annotations.json", "train.json"):
        with pytest.raises(AnnotationError, match=r"stands already in .*record 0"):
            mpii_pose.read_people(tmp_path / name)


FIXTURES_ARE_CONSTANT = [hypothesis.HealthCheck.function_scoped_fixture]
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


@pytest.mark.parametrize("name", ["mpii_annotations.json", "train.json"])
@hypothesis.given(changes=st.lists(damages(), min_size=1, max_size=3))
@hypothesis.settings(
    max_examples=100, deadline=None, suppress_health_check=FIXTURES_ARE_CONSTANT
)
def test_any_value_in_any_place_is_read_or_refused(name, changes, cpm, hrnet, tmp_path):
    record = hrnet if name == "train.json" else cpm
    for way, value in changes:
        record = damage(record, way, value)
    path = tmp_path / name
    path.write_text(json.dumps([record]))

    people, message = {}, ""
    try:
        people = mpii_pose.read_people(path)
    except AnnotationError as error:
        message = str(error)

    if message:
        assert message.startswith(str(path))
        assert len(message) < 3000
    else:
        ((person,),) = people.values()
        assert person.keypoints.shape == (16, 2)
        assert "/" not in person.image_name


@pytest.fixture
def matlab_bytes(drawn_release):
    return (
        drawn_release / "mpii_human_pose_v1_u12_2" / releases.MATLAB_FILE
    ).read_bytes()


def write(tmp_path, release):
    path = tmp_path / releases.MATLAB_FILE
    scipy.io.savemat(path, release)
    return path


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.99])
def test_truncated_mat_is_refused(tmp_path, matlab_bytes, share):
    path = tmp_path / releases.MATLAB_FILE
    path.write_bytes(matlab_bytes[: int(share * len(matlab_bytes))])

    with pytest.raises(AnnotationError, match="not a MATLAB file SciPy can read") as e:
        mpii_pose.read_people(path)

    assert str(e.value).startswith(f"{path}: ")


def mat_of_zeros(num_bytes, order="<"):
    """Returns a MATLAB file with one compressed variable of zeros."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + (
        b"\0\1IM" if order == "<" else b"\1\0MI"
    )
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
def test_file_that_is_no_mat_or_unpacks_to_much_is_refused(tmp_path, data, message):
    path = tmp_path / releases.MATLAB_FILE
    path.write_bytes(data)

    tracemalloc.start()
    with pytest.raises(AnnotationError, match=message) as caught:
        mpii_pose.read_people(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert str(caught.value).startswith(f"{path}: not a MATLAB file")
    assert peak < 10_000_000


def test_published_mat_is_read_whatever_it_unpacks_to(
    tmp_path, matlab_bytes, monkeypatch
):
    path = tmp_path / releases.MATLAB_FILE
    path.write_bytes(matlab_bytes)
    monkeypatch.setattr(matlab_lib, "_MAX_RATIO", -99)
    with pytest.raises(AnnotationError, match="unpacks to more"):
        mpii_pose.read_people(path)

    blob = official.git_blob_id(matlab_bytes)
    monkeypatch.setattr(official, "MATLAB_GIT_BLOB", blob)

    assert mpii_pose.read_people(path)


def test_mat_without_release_is_refused(tmp_path):
    for release in ({"annolist": [1, 2]}, {"RELEASE": [1, 2]}):
        path = write(tmp_path, release)

        with pytest.raises(AnnotationError, match="expected one struct named RELEASE"):
            mpii_pose.read_people(path)


@pytest.fixture
def release_struct(matlab_bytes):
    return scipy.io.loadmat(io.BytesIO(matlab_bytes))["RELEASE"]


def test_mat_without_people_is_refused(tmp_path):
    path = tmp_path / releases.MATLAB_FILE
    path.write_bytes(matlab.encode_release([matlab.ReleaseImage(name="1.jpg")]))

    with pytest.raises(AnnotationError, match="no image has a person"):
        mpii_pose.read_people(path)


@pytest.mark.parametrize("name", ["img_train", "single_person", "act"])
def test_mat_with_an_array_of_the_wrong_size_is_refused(tmp_path, release_struct, name):
    array = release_struct[name][0, 0]
    release_struct[name][0, 0] = array.ravel()[:-1]
    path = write(tmp_path, {"RELEASE": release_struct})

    message = rf"{name} must have one entry for each of the {array.size} images"
    with pytest.raises(AnnotationError, match=message):
        mpii_pose.read_people(path)


def labelled_rect(release):
    """Returns the first labelled entry of the struct, and its 1-based place."""
    images = release["annolist"][0, 0].ravel()
    for i, image in enumerate(images):
        rects = image["annorect"]
        if "annopoints" in (rects.dtype.names or ()):
            for j, rect in enumerate(rects.ravel()):
                if (
                    rect["annopoints"].size
                    and "point" in rect["annopoints"].dtype.names
                ):
                    return rect, f"annolist({i + 1}).annorect({j + 1})"
    raise AssertionError


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("x", np.array([[np.nan]]), "keypoints must be finite"),
        ("x", np.array([[1.0, 2.0]]), "x must be one number"),
        ("y", np.array("low"), "y must be one number"),
        ("id", np.array([[16]]), "point id must be 0 to 15, got 16"),
        ("id", np.array([[2.5]]), "point id must be 0 to 15, got 2.5"),
        ("is_visible", np.array([[7]]), "is_visible must be empty, 0 or 1, got"),
        ("is_visible", np.array("yes"), "is_visible must be empty, 0 or 1"),
    ],
)
def test_bad_point_in_the_mat_is_named(tmp_path, release_struct, field, value, message):
    rect, place = labelled_rect(release_struct)
    point = rect["annopoints"]["point"].flat[0]
    if field not in point.dtype.names:
        names = [*point.dtype.names, field]
        longer = np.empty(point.shape, [(name, object) for name in names])
        for name in point.dtype.names:
            longer[name] = point[name]
        longer[field] = [np.zeros((0, 0))] * point.size
        rect["annopoints"]["point"].flat[0] = point = longer
    point[field].flat[0] = value
    path = write(tmp_path, {"RELEASE": release_struct})

    with pytest.raises(AnnotationError, match=message) as error:
        mpii_pose.read_people(path)

    assert f"{path}: {place}" in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"), [(0.0, "scale must be 0.05 to 100"), (np.inf, "be finite")]
)
def test_bad_scale_in_the_mat_is_named(tmp_path, release_struct, value, message):
    rect, place = labelled_rect(release_struct)
    rect["scale"] = np.array([[value]])
    path = write(tmp_path, {"RELEASE": release_struct})

    with pytest.raises(AnnotationError, match=message) as error:
        mpii_pose.read_people(path)

    assert place in str(error.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("vididx", 9999), ("vididx", np.nan), ("frame_sec", np.inf), ("frame_sec", 0.5)],
)
def test_bad_video_is_named(tmp_path, release_struct, field, value):
    images = release_struct["annolist"][0, 0].ravel()
    i = next(i for i, image in enumerate(images) if image["annorect"].dtype.names)
    images[i][field] = np.array([[value]])
    path = write(tmp_path, {"RELEASE": release_struct})

    with pytest.raises(AnnotationError, match=rf"annolist\({i + 1}\): {field} must be"):
        mpii_pose.read_people(path)


def test_mat_with_other_than_numbers_in_img_train_is_refused(tmp_path, release_struct):
    flags = release_struct["img_train"][0, 0].astype(object)
    flags[0, 0] = np.array([1, 0])
    release_struct["img_train"][0, 0] = flags
    path = write(tmp_path, {"RELEASE": release_struct})

    with pytest.raises(AnnotationError, match="numbers in img_train"):
        mpii_pose.read_people(path)


@pytest.mark.parametrize("content", ["", "a,b\n", "image_name,person_index\n1.jpg\n"])
def test_bad_list_of_validation_people_is_refused(tmp_path, matlab_bytes, content):
    (tmp_path / releases.MATLAB_FILE).write_bytes(matlab_bytes)
    (tmp_path / "validation_people.csv").write_text(content)

    with pytest.raises(AnnotationError, match=r"validation_people\.csv: expected CSV"):
        mpii_pose.read_people(tmp_path)


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
