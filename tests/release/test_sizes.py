"""Images of another size than the annotated ones are noticed."""

import json

import numpy as np
import PIL.Image
import pytest

import mpii_pose
from mpii_pose.release.release import check_sizes, read_image_sizes, read_sized_people
from mpii_pose.tools import doctor
from tests import builds, releases


@pytest.fixture(params=["mpii_annotations.json", "train.json"])
def resized(request, drawn_release, tmp_path):
    """Makes a release whose first `count` images are smaller by a factor.

    Its annotations are CPM's JSON, which states sizes, or HRNet's, which does not.
    """
    people = {"train": mpii_pose.read_people(drawn_release)["train"]}
    names = list(dict.fromkeys(person.image_name for person in people["train"]))
    sizes = read_image_sizes(drawn_release / "images", names)
    if request.param == "train.json":
        releases.write_hrnet(tmp_path, people, {"train": request.param})
    else:
        releases.write_cpm(tmp_path / request.param, people)
        records = json.loads((tmp_path / request.param).read_text())
        for record in records:
            height, width = sizes[record["img_paths"]]
            record |= {"img_height": float(height), "img_width": float(width)}
        (tmp_path / request.param).write_text(json.dumps(records))
    (tmp_path / "images").mkdir()

    def resize(factor, count=None):
        for name in names:
            image = PIL.Image.open(drawn_release / "images" / name)
            image = image.reduce(factor) if name in names[:count] else image
            image.save(tmp_path / "images" / name)
        return tmp_path, names, sizes

    return resize


def found_by_doctor(folder):
    diagnoses = doctor.check_path(folder)
    texts = [d.text for d in diagnoses if d.state is doctor.State.PROBLEM]
    return [t for t in texts if "MPII's has" not in t]


def test_smaller_images_are_named_by_doctor_and_build(resized, log):
    folder, names, sizes = resized(2)
    height, width = sizes[names[0]]

    (found,) = found_by_doctor(folder)
    read_sized_people(folder)
    builds.build(folder / "data", folder)

    now = f"{-(-width // 2)} x {-(-height // 2)} px"
    if (folder / "mpii_annotations.json").exists():
        assert found.startswith(
            f"{len(names)} of {len(names)} images have another size than the "
            f"annotations state: {names[0]} has {now}, stated are {width} x {height};"
        )
    else:
        where = f"outside of their images, as in {names[0]} of {now}; keypoints are in"
        assert f"% of the keypoints lie {where}" in found
    warnings = [r.message for r in log.records if r.levelname == "WARNING"]
    assert warnings.count(found) == 2


@pytest.mark.parametrize("count", [0, 1])
def test_one_image_of_another_size_is_named_where_sizes_are_stated(resized, log, count):
    folder, names, _ = resized(2, count=count)

    found = found_by_doctor(folder)

    if count and (folder / "mpii_annotations.json").exists():
        assert found[0].startswith(f"1 of {len(names)} images have another size")
        assert names[0] in found[0]
    else:
        assert not found
        read_sized_people(folder)
        builds.build(folder / "data", folder)
        assert "px" not in log.text


def test_real_annotations_fit_their_images(real_people, real_image_sizes, real_mpii):
    images = [path.name for path in (real_mpii / "images").iterdir()]
    files = read_image_sizes(real_mpii / "images", images)

    assert not check_sizes(real_people, real_image_sizes, files)
    assert not check_sizes(real_people, {}, real_image_sizes)
    for factor, percent in ((0.8, "16%"), (0.5, "74%")):
        smaller = {
            name: tuple((np.array(size) * factor).astype(int))
            for name, size in real_image_sizes.items()
        }
        (text,) = check_sizes(real_people, {}, smaller)
        assert text.startswith(f"{percent} of the keypoints lie outside")
