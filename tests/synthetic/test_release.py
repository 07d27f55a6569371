import hashlib
import re

import numpy as np
import pytest
from PIL import Image

from mpii_pose.synthetic import write_release
from tests import builds
from tests.releases import ANNOTATIONS, MATLAB_PATH
from tests.synthetic import plain_reader

LIST = f"{ANNOTATIONS}/validation_people.csv"


def load(directory):
    """The struct RELEASE of the annotation file."""
    return plain_reader.load((directory / MATLAB_PATH).read_bytes())


def images(directory):
    """For each image its entry, its people, and whether it is for training."""
    mat = load(directory)
    for entry, is_train in zip(mat.annolist, mat.img_train, strict=True):
        yield entry, plain_reader.rects(entry), is_train


def listed_people(directory):
    header, *rows = (directory / LIST).read_text().splitlines()
    assert header == "image_name,person_index"
    return [(name, int(index)) for name, index in (row.split(",") for row in rows)]


def digests(directory):
    """Each file's path and SHA-256."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def is_labelled(rect) -> bool:
    return bool(plain_reader.points(rect)) and is_placed(rect)


def is_placed(rect) -> bool:
    return plain_reader.has(rect, "scale") and plain_reader.has(rect, "objpos")


@pytest.fixture(scope="module", params=[5, 6])
def written(tmp_path_factory, request):
    """The folder of a release of 60 people."""
    directory = tmp_path_factory.mktemp("release")
    write_release(directory, num_people=60, seed=request.param)
    return directory


def test_files_lie_where_mpii_puts_them(written):
    names = [entry.image.name for entry, _, _ in images(written)]

    files = {MATLAB_PATH, LIST, *(f"images/{name}" for name in names)}
    assert set(digests(written)) == files
    assert len(set(names)) == len(names)
    # Nine digits, as MPII's, but none of MPII's names.
    assert all(re.fullmatch(r"[1-9]\d{8}\.jpg", name) for name in names)


@pytest.mark.parametrize(
    ("num_people", "fewest"),
    [(1, (1, 0, 0)), (2, (1, 1, 0)), (4, (1, 1, 1)), (9, (1, 1, 1)), (60, (40, 6, 1))],
)
def test_every_split_has_the_people_asked_for(tmp_path, num_people, fewest):
    for seed in range(3):
        folder = tmp_path / str(seed)
        write_release(folder, num_people=num_people, seed=seed, image_sizes=[(64, 64)])

        listed = set(listed_people(folder))
        sizes = dict.fromkeys(("train", "validation", "validation_others", "test"), 0)
        for entry, rects, is_train in images(folder):
            name = entry.image.name
            others = "validation_others" if name in dict(listed) else "train"
            for index, rect in enumerate(rects):
                split = "validation" if (name, index) in listed else others
                if is_train:
                    sizes[split] += is_labelled(rect)
                else:
                    assert is_placed(rect)
                    assert not plain_reader.points(rect)
                    sizes["test"] += 1
        *labelled, test = sizes.values()
        assert sum(labelled) == num_people
        assert np.all(np.greater_equal(labelled, fewest))
        assert labelled[1] == len(listed) <= max(1, num_people / 10)
        assert test == max(1, round(0.4 * num_people))


@pytest.mark.parametrize("bytes_per_pixel", [None, 0.46])
def test_images_are_jpegs_of_the_sizes_and_bytes_asked_for(tmp_path, bytes_per_pixel):
    sizes = [(200, 300), (240, 180)]
    options = {"image_sizes": sizes, "bytes_per_pixel": bytes_per_pixel}
    write_release(tmp_path, num_people=30, **options)

    weights, found = [], set()
    for path in (tmp_path / "images").iterdir():
        with Image.open(path) as image:
            image.load()
            assert (image.format, image.mode) == ("JPEG", "RGB")
            found.add((image.height, image.width))
            weights.append(path.stat().st_size / (image.height * image.width))
    assert found == set(sizes)
    if bytes_per_pixel:
        assert 0.7 * 0.46 <= min(weights) < max(weights) <= 1.3 * 0.46
        assert np.mean(weights) == pytest.approx(0.46, rel=0.1)
    assert np.mean(weights) > 0.1
    assert bytes_per_pixel or np.mean(weights) < 0.25


def test_all_irregular_people_points_and_images_occur(written):
    train = [rects for _, rects, is_train in images(written) if is_train]
    people = [rect for rects in train for rect in rects]
    points = [plain_reader.points(rect) for rect in people]

    flags = {"body": set(), "head": set()}
    for point in (point for person in points for point in person):
        where = "head" if point.id in (8, 9) else "body"
        flags[where].add(plain_reader.flag(point))
    assert flags["head"] == {"absent", "empty"}
    told = {"number 0", "number 1", "text 0", "text 1"}
    assert flags["body"] == flags["head"] | told
    orders = [[point.id for point in person] for person in points]
    assert any(order != sorted(order) for order in orders)
    assert any(0 < len(person) < 16 for person in points)
    for field in ("x1", "annopoints", "scale", "objpos"):
        without = [rect for rect in people if not plain_reader.has(rect, field)]
        assert {field in rect._fieldnames for rect in without} == {True, False}
    labelled = list(filter(is_labelled, people))
    boxless = [rect for rect in labelled if not plain_reader.has(rect, "x1")]
    assert 0 < len(boxless) < 0.15 * len(labelled)
    further = [rect for rect in labelled if plain_reader.has(rect, "head_r11")]
    assert 0 < len(further) < 0.2 * len(labelled)
    assert {0, 1, 2} < set(map(len, train))
    strangers = {len(rects) - sum(map(is_labelled, rects)) for rects in train}
    assert strangers == {0, 1, 4}
    assert any(not rects for _, rects, is_train in images(written) if not is_train)


def test_activities_videos_and_separated_people_are_there(written):
    mat = load(written)

    ids = [np.ravel(act.act_id).tolist() for act in mat.act]
    assert [] in ids
    assert [-1] in ids
    known = [act for act in mat.act if np.size(act.act_name)]
    activities = {(act.act_id, act.cat_name, act.act_name) for act in known}
    assert len(activities) == len({act.act_id for act in known}) > 4
    videos = [entry.vididx for entry in mat.annolist if np.size(entry.vididx)]
    assert set(videos) == set(range(1, len(mat.video_list) + 1))
    shares = []
    for place, (entry, rects, is_train) in enumerate(images(written)):
        assert np.size(entry.vididx) == np.size(entry.frame_sec) == is_train
        rows = np.ravel(mat.single_person[place])
        assert set(rows) <= set(range(1, len(rects) + 1))
        shares += [len(rows) / len(rects)] if rects else []
    assert 0.2 < np.mean(shares) < 1


def test_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    here, there, other = (tmp_path / name for name in ("here", "there", "other"))
    code = "import sys; from mpii_pose import synthetic as drawn"
    code += "; drawn.write_release(sys.argv[1], num_people=6, seed=3)"

    write_release(here, num_people=6, seed=3)
    write_release(other, num_people=6, seed=4)
    builds.output_of(code, there, PYTHONHASHSEED="7")

    assert digests(here) == digests(there)
    assert not set(digests(here).values()) & set(digests(other).values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_people": 0}, "num_people must be 1 or more, got 0"),
        ({"seed": -1}, "seed must be 0 or more, got -1"),
        ({"image_sizes": []}, r"at least one \(height, width\).* got \[\]"),
        ({"image_sizes": [(64, 64), (100, 63)]}, r"64 px or more .*\(100, 63\)"),
        ({"bytes_per_pixel": 0.01}, "bytes_per_pixel must be 0.1 or more, got 0.01"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(tmp_path, options, message):
    directory = tmp_path / "new"

    with pytest.raises(ValueError, match=message):
        write_release(directory, **{"num_people": 5} | options)

    assert not directory.exists()


@pytest.mark.parametrize("folder", ["images", ANNOTATIONS])
def test_a_folder_with_files_is_never_written_to(tmp_path, folder):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "images").mkdir()
    (tmp_path / folder).mkdir(exist_ok=True)
    mine = tmp_path / folder / "015601864.jpg"
    mine.write_bytes(b"mine")

    with pytest.raises(FileExistsError, match=f"{folder} is not empty"):
        write_release(tmp_path, num_people=1)

    assert list(digests(tmp_path)) == [f"{folder}/015601864.jpg", "notes.txt"]
    mine.unlink()
    write_release(tmp_path, num_people=1)
    assert (tmp_path / "notes.txt").read_text() == "mine"
