import io

import numpy as np
import scipy.io

from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic import matlab
from mpii_pose.synthetic.matlab import ReleaseImage, ReleasePerson
from tests.synthetic import plain_reader


def random_person(rng):
    visibility = rng.integers(0, 3, 16).astype(np.int8)
    keypoints = rng.uniform(-20, 2000, (16, 2)).astype(np.float32)
    keypoints[::2] = keypoints[::2].round()
    keypoints[visibility == Visibility.MISSING] = -1
    return ReleasePerson(
        keypoints=keypoints,
        visibility=visibility,
        center=rng.integers(0, 900, 2).astype(np.float64),
        scale=float(rng.uniform(0.5, 9)),
        head_box=rng.integers(0, 900, 4).astype(np.float64),
    )


def test_people_read_back_equal_in_all_forms():
    rng = np.random.default_rng(0)
    for seed in range(5):
        people = [random_person(rng) for _ in range(3)]
        images = [ReleaseImage(name="a.jpg", people=people)]

        release = plain_reader.load(matlab.encode_release(images, seed=seed))

        rects = plain_reader.rects(release.annolist)
        for person, rect in zip(people, rects, strict=True):
            keypoints, visibility = plain_reader.keypoints(rect)
            np.testing.assert_array_equal(keypoints.astype("f4"), person.keypoints)
            np.testing.assert_array_equal(visibility, person.visibility)
            center = [rect.objpos.x - 1, rect.objpos.y - 1]
            np.testing.assert_array_equal(center, person.center)
            box = [float(getattr(rect, name)) - 1 for name in ("x1", "y1", "x2", "y2")]
            np.testing.assert_array_equal(box, person.head_box)
            assert rect.scale == person.scale


def test_images_are_described_where_mpii_does_it():
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

    mat = matlab.encode_release(images)

    release = plain_reader.load(mat)
    assert release.version == "12"
    assert release.img_train.tolist() == [1, 0, 1, 1]
    assert release.video_list.tolist() == ["video b", "video a"]
    assert [entry.image.name for entry in release.annolist] == [i.name for i in images]
    videos = [np.ravel(entry.vididx).tolist() for entry in release.annolist]
    assert videos == [[1], [], [2], [1]]
    seconds = [np.ravel(entry.frame_sec).tolist() for entry in release.annolist]
    assert seconds == [[12], [], [0], []]
    rects = [np.ravel(cell).tolist() for cell in release.single_person]
    assert rects == [[2, 3], [], [], [1]]
    first, second, third, _ = release.act
    assert (first.cat_name, first.act_name) == ("walking", "walking, general")
    assert (first.act_id, second.act_id) == (7, -1)
    assert np.size(third.act_id) == np.size(third.act_name) == 0
    arrays = scipy.io.loadmat(io.BytesIO(mat))["RELEASE"][0, 0]
    shapes = {name: arrays[name].shape for name in arrays.dtype.names}
    rows, columns = {"single_person", "act"}, {"annolist", "img_train"}
    assert {name for name, shape in shapes.items() if shape == (4, 1)} == rows
    assert {name for name, shape in shapes.items() if shape == (1, 4)} == columns
    assert shapes["video_list"] == (1, 2)
    assert arrays["annolist"][0, 1]["annorect"].shape == (0, 0)
