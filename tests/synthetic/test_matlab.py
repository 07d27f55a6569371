import dataclasses
import io

import numpy as np
import pytest
import scipy.io

from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic import matlab
from mpii_pose.synthetic.annotations import ReleaseImage, ReleasePerson
from tests.synthetic import plain_reader


def random_person(rng, **changes):
    visibility = rng.integers(0, 3, 16).astype(np.int8)
    visibility[[8, 9]] = Visibility.VISIBLE
    keypoints = rng.integers(-20, 2000, (16, 2)).astype(np.float64)
    keypoints[[8, 9]] += rng.random((2, 2))
    keypoints[visibility == Visibility.MISSING] = -1
    person = ReleasePerson(
        keypoints=keypoints,
        visibility=visibility,
        center=rng.integers(0, 900, 2).astype(np.float64),
        scale=float(rng.uniform(0.5, 9)),
        head_box=rng.integers(0, 900, 4).astype(np.float64),
    )
    return dataclasses.replace(person, **changes)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_people_read_back_equal_however_they_are_worded(seed):
    rng = np.random.default_rng(0)
    images = [
        ReleaseImage(name=f"{i}.jpg", people=[random_person(rng) for _ in range(1 + i)])
        for i in range(5)
    ]

    annolist = plain_reader.load(matlab.encode_release(images, seed=seed)).annolist

    for image, entry in zip(images, annolist, strict=True):
        assert entry.image.name == image.name
        for person, rect in zip(image.people, plain_reader.rects(entry), strict=True):
            keypoints, visibility = plain_reader.keypoints(rect)
            # 1 is added and subtracted in float64: exact but for the last bit.
            np.testing.assert_allclose(keypoints, person.keypoints, atol=1e-12, rtol=0)
            np.testing.assert_array_equal(visibility, person.visibility)
            center = [rect.objpos.x - 1, rect.objpos.y - 1]
            np.testing.assert_array_equal(center, person.center)
            box = [float(getattr(rect, name)) - 1 for name in ("x1", "y1", "x2", "y2")]
            np.testing.assert_array_equal(box, person.head_box)
            assert rect.scale == person.scale


def test_float32_keypoints_read_back_bit_for_bit():
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 2000, (16, 2)).astype(np.float32)
    visibility = np.full(16, Visibility.VISIBLE, np.int8)
    person = ReleasePerson(keypoints=keypoints, visibility=visibility)

    mat = matlab.encode_release([ReleaseImage(name="a.jpg", people=[person])])

    (rect,) = plain_reader.rects(plain_reader.load(mat).annolist)
    read, _ = plain_reader.keypoints(rect)
    np.testing.assert_array_equal(read.astype(np.float32), keypoints)


def test_same_arguments_give_same_bytes():
    rng = np.random.default_rng(0)
    images = [ReleaseImage(name="a.jpg", people=[random_person(rng)])]

    mats = {seed: matlab.encode_release(images, seed=seed) for seed in (0, 1, 2)}

    for seed, mat in mats.items():
        assert matlab.encode_release(images, seed=seed) == mat
    assert len(set(mats.values())) == 3


def test_the_header_holds_no_date():
    mat = matlab.encode_release([ReleaseImage(name="a.jpg")])

    assert mat[:116].rstrip() == b"MATLAB 5.0 MAT-file, a release of drawn people"


@pytest.mark.parametrize(
    ("loss", "fields"),
    [
        ({"head_box": None}, ("x1", "y1", "x2", "y2")),
        ({"scale": None}, ("scale",)),
        ({"center": None}, ("objpos",)),
        ({"visibility": np.zeros(16, np.int8)}, ("annopoints",)),
    ],
)
def test_what_nobody_has_is_no_field_and_what_one_lacks_is_empty(loss, fields):
    rng = np.random.default_rng(0)
    whole, poor = random_person(rng), random_person(rng, **loss)
    images = [
        ReleaseImage(name="a.jpg", people=[poor]),
        ReleaseImage(name="b.jpg", people=[whole, poor]),
    ]

    alone, mixed = plain_reader.load(matlab.encode_release(images)).annolist

    (alone_rect,) = plain_reader.rects(alone)
    whole_rect, poor_rect = plain_reader.rects(mixed)
    for field in fields:
        assert field not in alone_rect._fieldnames
        assert plain_reader.has(whole_rect, field)
        assert field in poor_rect._fieldnames
        assert not plain_reader.has(poor_rect, field)


def test_flags_are_numbers_text_or_empty_and_always_empty_for_neck_and_head_top():
    visibility = np.full(16, Visibility.VISIBLE, np.int8)
    visibility[3] = Visibility.OCCLUDED
    person = ReleasePerson(visibility=visibility)

    mat = matlab.encode_release([ReleaseImage(name="a.jpg", people=[person])])

    (rect,) = plain_reader.rects(plain_reader.load(mat).annolist)
    flags = {int(p.id): plain_reader.flag(p) for p in plain_reader.points(rect)}
    assert flags.pop(8) == flags.pop(9) == "empty"
    assert flags.pop(3) in ("number 0", "text 0")
    assert set(flags.values()) == {"number 1", "text 1", "empty"}


def test_what_is_said_of_images_goes_where_mpii_says_it():
    separated, close = ReleasePerson(separated=True), ReleasePerson()
    images = [
        ReleaseImage(
            name="a.jpg",
            people=[close, separated, separated],
            video_id="video b",
            frame_sec=12,
            category="walking",
            activity="walking, general",
            activity_id=7,
        ),
        ReleaseImage(name="b.jpg", is_train=False, activity_id=-1),
        ReleaseImage(name="c.jpg", people=[close], video_id="video a", frame_sec=0),
        ReleaseImage(name="d.jpg", people=[separated], video_id="video b"),
    ]

    release = plain_reader.load(matlab.encode_release(images))

    assert release.version == "12"
    assert release.img_train.tolist() == [1, 0, 1, 1]
    assert release.video_list.tolist() == ["video b", "video a"]
    assert [np.ravel(e.vididx).tolist() for e in release.annolist] == [
        [1],
        [],
        [2],
        [1],
    ]
    seconds = [np.ravel(entry.frame_sec).tolist() for entry in release.annolist]
    assert seconds == [[12], [], [0], []]
    rects = [np.ravel(cell).tolist() for cell in release.single_person]
    assert rects == [[2, 3], [], [], [1]]
    first, second, third, _ = release.act
    assert (first.cat_name, first.act_name) == ("walking", "walking, general")
    assert (first.act_id, second.act_id) == (7, -1)
    assert np.size(third.act_id) == np.size(third.act_name) == 0


def test_arrays_have_the_shapes_of_the_official_file():
    images = [ReleaseImage(name="a.jpg", video_id="v", frame_sec=1)] * 3

    file = scipy.io.loadmat(io.BytesIO(matlab.encode_release(images)))

    release = file["RELEASE"][0, 0]
    assert release["annolist"].shape == (1, 3)
    assert release["img_train"].shape == (1, 3)
    assert release["single_person"].shape == (3, 1)
    assert release["act"].shape == (3, 1)
    assert release["video_list"].shape == (1, 1)
    assert release["annolist"][0, 0]["annorect"].shape == (0, 0)


def test_numbers_that_are_not_finite_are_written_as_they_are():
    person = ReleasePerson(center=np.array((np.nan, np.inf)), scale=1.0)

    mat = matlab.encode_release([ReleaseImage(name="a.jpg", people=[person])])

    (rect,) = plain_reader.rects(plain_reader.load(mat).annolist)
    assert np.isnan(rect.objpos.x)
    assert np.isposinf(rect.objpos.y)


def test_a_release_without_images_is_refused():
    with pytest.raises(ValueError, match="at least one image"):
        matlab.encode_release([])
