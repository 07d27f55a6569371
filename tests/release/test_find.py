"""Every shape of a release is found, and all agree with the published counts."""

import dataclasses
import gzip
import json
import os
import shutil
import zipfile

import numpy as np
import pytest

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.release import find, split
from mpii_pose.release.archives import ArchiveError
from mpii_pose.release.release import read_release, read_sized_people
from mpii_pose.skeleton import Visibility
from mpii_pose.synthetic import matlab
from tests import releases

# What no JSON copy says.
ONLY_MATLAB = ("separated", "activity", "category", "video_id", "frame_sec")
# What HRNet's copy does not say either.
NOT_HRNET = ("visibility", "person_index", *ONLY_MATLAB)
HRNET_NAMES = {"train": "train.json", "validation": "valid.json"}


def test_real_people_have_the_published_counts(real_people):
    train, validation = real_people["train"], real_people["validation"]
    assert (len(train), len(validation)) == (22246, 2958)
    states = np.concatenate([p.visibility for p in (*train, *validation)])
    # Missing, occluded, visible.
    assert np.bincount(states).tolist() == [27001, 86703, 289560]
    images = [{p.image_name for p in group} for group in (train, validation)]
    assert [len(names) for names in images] == [14679, 2729]
    assert not images[0] & images[1]


def test_tompsons_list_gives_the_split_of_the_real_annotations(real_people):
    listed = split.tompson()

    assert not {p.image_name for p in real_people["train"]} & listed.keys()
    for person in real_people["validation"]:
        assert person.person_index in listed[person.image_name]


@pytest.mark.parametrize("source", ["drawn_people", "real_people"])
def test_people_read_back_equal_from_every_format(source, request, tmp_path):
    everybody = request.getfixturevalue(source)
    people = {name: everybody[name][:300] for name in ("train", "validation")}
    releases.write_matlab(tmp_path / "mat", people)
    releases.write_matlab(tmp_path / "odd", people, seed=1)
    (tmp_path / "cpm").mkdir()
    releases.write_cpm(tmp_path / "cpm" / "mpii_annotations.json", people)
    # Files of one source are found across folders.
    folder = tmp_path / "hrnet"
    releases.write_hrnet(folder / "annot", people, {"train": "mpii_train.json"})
    releases.write_hrnet(folder, people, {"validation": "mpii_val.json"})
    lost = {"cpm": ONLY_MATLAB, "hrnet": NOT_HRNET}
    if source == "real_people":  # Tompson's list has the validation people of these.
        lost |= {"mat": ONLY_MATLAB, "odd": ONLY_MATLAB}
    # float32 head boxes and drawn scales agree to rounding only.
    rounded = ("head_box", "head_size") if source == "drawn_people" else ()

    for file, but in lost.items():
        found = mpii_pose.read_people(tmp_path / file)
        for name, expected in people.items():
            releases.assert_same_people(found[name], expected, but=(*but, *rounded))
            for person, other in zip(found[name], expected, strict=True):
                np.testing.assert_array_equal(person.labelled, other.labelled)
                if file == "hrnet":
                    assert Visibility.OCCLUDED not in person.visibility


def test_real_hrnet_records_agree_with_cpms(real_mpii, real_people, tmp_path):
    shutil.copy(real_mpii / "hrnet_annotations.json", tmp_path / "valid.json")
    found = mpii_pose.read_people(tmp_path)["validation"]

    by_name = {person.image_name: person for person in real_people["validation"]}
    expected = [by_name[person.image_name] for person in found]

    assert len(found) == 5
    for person, other in zip(found, expected, strict=True):
        # CPM rounds to 3 decimals, HRNet to 4.
        np.testing.assert_allclose(person.keypoints, other.keypoints, atol=1e-3)
        np.testing.assert_allclose(person.scale, other.scale, atol=1e-3)
        np.testing.assert_array_equal(person.center, other.center)


def test_every_split_of_the_drawn_release_is_found(drawn_people):
    assert list(drawn_people) == ["train", "validation", "validation_others", "test"]
    labelled = [name for name in drawn_people if name != "test"]
    assert sum(len(drawn_people[name]) for name in labelled) == 40
    images = {name: {p.image_name for p in drawn_people[name]} for name in drawn_people}
    assert not images["train"] & (images["validation"] | images["validation_others"])
    assert images["validation_others"] <= images["validation"]
    for person in drawn_people["test"]:
        assert (person.visibility == Visibility.MISSING).all()
        assert (person.keypoints == -1).all()
        assert person.video_id == ""
        assert person.frame_sec == -1
    everybody = [person for group in drawn_people.values() for person in group]
    assert len({(p.image_name, p.person_index) for p in everybody}) == len(everybody)
    labelled_people = [person for name in labelled for person in drawn_people[name]]
    assert all((person.visibility > 0).any() for person in labelled_people)
    assert {person.separated for person in labelled_people} == {0, 1}
    for person in labelled_people:
        assert person.head_size == pytest.approx(25 * person.scale, rel=0.02)


def test_images_that_mpii_lists_but_does_not_ship_are_left_out(drawn_people, tmp_path):
    first, *others = drawn_people["train"]
    unreleased = dataclasses.replace(first, image_name="040348287.jpg")
    releases.write_matlab(tmp_path, {"train": [unreleased, *others]})

    found = mpii_pose.read_people(tmp_path)["train"]

    assert {person.separated for person in others} == {0, 1}
    releases.assert_same_people(found, others, but=["index"])
    assert [p.index for p in found] == list(range(len(others)))


def test_richest_source_is_read_and_no_other(drawn_people, tmp_path, log):
    releases.write_matlab(tmp_path, drawn_people)
    releases.write_cpm(tmp_path / "mpii_annotations.json", drawn_people)
    (tmp_path / "annot").mkdir()
    for name in ("train.json", "mpii_train.json"):
        (tmp_path / "annot" / name).write_text(f"no JSON, {name}")

    found = find.find(tmp_path).sources

    kinds = find.SourceKind
    assert [s.kind for s in found] == [kinds.MATLAB, kinds.CPM, kinds.HRNET]
    assert mpii_pose.read_people(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"None of the .* was found"):
        read_release(find.find(tmp_path))
    assert "Reading people from the official .mat" in log.text
    assert "Leaving the CPM / pytorch-pose JSON" in log.text


@pytest.mark.parametrize("name", ["mpii_annotations.json", "train.json"])
@pytest.mark.parametrize(
    ("packed", "mark"), [(False, b"\xef\xbb\xbf"), (True, b"\xef\xbb\xbf"), (True, b"")]
)
def test_gzip_and_byte_order_mark_are_read(drawn_people, tmp_path, name, packed, mark):
    releases.write_cpm(tmp_path / "mpii_annotations.json", drawn_people)
    releases.write_hrnet(tmp_path, drawn_people, {"train": "train.json"})
    data = mark + (tmp_path / name).read_bytes()
    folder = tmp_path / "mpii"
    folder.mkdir()
    if packed:
        (folder / f"{name}.gz").write_bytes(gzip.compress(data))
    else:
        (folder / name).write_bytes(data)

    found = mpii_pose.read_people(folder)

    assert len(found["train"]) == len(drawn_people["train"])


def test_home_folder_is_expanded(drawn_release, monkeypatch):
    monkeypatch.setenv("HOME", str(drawn_release))

    (file,) = find.find("~").source.files.values()

    assert mpii_pose.read_people(f"~/{file.relative_to(drawn_release)}").keys()
    assert read_sized_people("~", image_folder="~/images").image_sizes


@pytest.mark.parametrize("layout", ["folder", "root", "file"])
def test_zipped_annotations_are_read(drawn_release, drawn_people, tmp_path, layout):
    annotations = drawn_release / releases.ANNOTATIONS
    archive = tmp_path / "mpii_human_pose_v1_u12_2.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in annotations.iterdir():
            packed.write(path, path.name if layout == "root" else f"a/b/{path.name}")
    releases.write_cpm(tmp_path / "mpii_annotations.json", drawn_people)

    found = mpii_pose.read_people(archive if layout == "file" else tmp_path)

    for name, expected in drawn_people.items():
        releases.assert_same_people(found[name], expected)


def test_damaged_archive_of_annotations_is_named(drawn_release, tmp_path):
    folder = drawn_release / releases.ANNOTATIONS
    shutil.make_archive(tmp_path / folder.name, "zip", folder)
    archive = tmp_path / "mpii_human_pose_v1_u12_2.zip"
    data = bytearray(archive.read_bytes())
    archive.write_bytes(data[:-100])
    with pytest.raises(ArchiveError, match=r"u12_2\.zip is truncated or damaged"):
        mpii_pose.read_people(tmp_path)
    archive.write_bytes(data)
    with zipfile.ZipFile(archive) as packed:
        (info,) = [i for i in packed.infolist() if i.filename.endswith(".mat")]
    data[info.header_offset + info.compress_size // 2] ^= 255
    archive.write_bytes(data)

    with pytest.raises(AnnotationError, match=r"u12_2\.zip/.*not a MATLAB file"):
        mpii_pose.read_people(tmp_path)


@pytest.mark.parametrize("other", ["validation.json", "annot/valid.json"])
def test_files_of_one_split_must_be_alike(drawn_people, tmp_path, other):
    releases.write_hrnet(tmp_path, drawn_people, HRNET_NAMES)
    (tmp_path / "annot").mkdir()
    records = json.loads((tmp_path / "valid.json").read_text())
    (tmp_path / other).write_text(json.dumps(records, indent=1))

    assert len(mpii_pose.read_people(tmp_path)["validation"]) == len(records)

    (tmp_path / other).write_text(json.dumps(records[1:]))
    with pytest.raises(AnnotationError, match="differ: leave one of") as caught:
        mpii_pose.read_people(tmp_path)
    assert str(tmp_path / "valid.json") in str(caught.value)
    assert str(tmp_path / other) in str(caught.value)


def test_official_files_that_differ_are_refused(drawn_release, drawn_people, tmp_path):
    other = releases.write_matlab(tmp_path, drawn_people)
    (tmp_path / "annot").mkdir()
    shutil.copy(other, tmp_path / "annot")
    assert mpii_pose.read_people(tmp_path)

    shutil.copy(drawn_release / releases.MATLAB_PATH, tmp_path / "annot")
    with pytest.raises(AnnotationError, match="differ: leave one of"):
        mpii_pose.read_people(tmp_path)


def test_the_same_people_in_two_files_are_refused(drawn_people, tmp_path):
    releases.write_hrnet(tmp_path, drawn_people, HRNET_NAMES)
    again = {"validation": drawn_people["train"][2:4]}
    releases.write_hrnet(tmp_path, again, {"validation": "valid.json"})

    with pytest.raises(AnnotationError, match="the same person stands") as caught:
        mpii_pose.read_people(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path / 'valid.json'}: record 0, image")
    assert f"already in {tmp_path / 'train.json'}: record 2" in str(caught.value)


def test_an_image_that_is_listed_twice_is_refused(drawn_people, tmp_path):
    images = releases.group_into_images(drawn_people["train"][:1]) * 2
    path = tmp_path / releases.MATLAB_FILE
    path.write_bytes(matlab.encode_release(images))

    with pytest.raises(AnnotationError, match=r"list\(2\).* already in .*list\(1\)"):
        mpii_pose.read_people(path)


@pytest.mark.parametrize(
    ("path", "images", "lacking"),
    [
        (".", "images", 0),
        ("annot", "images", 0),
        (".", "mpii_human_pose_v1/images", 0),
        ("annot", "mpii_human_pose_v1", 0),
        ("annot/train.json", "images", 0),
        (".", "images", 1),
    ],
)
def test_folder_with_most_of_the_images_is_found(tmp_path, path, images, lacking):
    names = [f"{number}.jpg" for number in range(5)]
    for folder in ("annot", images):
        (tmp_path / folder).mkdir(parents=True)
    for folder, held in (("annot", names[:1]), (images, names[lacking:])):
        for name in held:
            (tmp_path / folder / name).touch()
    record = {"image": "0.jpg", "center": [1, 1], "scale": 1}
    (tmp_path / "annot" / "train.json").write_text(json.dumps([record]))

    folder, missing = find.find(tmp_path / path).find_images(names)

    assert folder.resolve() == (tmp_path / images).resolve()
    assert missing == set(names[:lacking])


@pytest.mark.parametrize(
    "name",
    [
        *("mpii_annotations.json", "train.json", releases.MATLAB_FILE, "images", "."),
        *("mpii_human_pose_v1_u12_2.zip", "mpii_human_pose_v1.tar.gz"),
    ],
)
def test_the_unreadable_is_named(
    drawn_release, drawn_people, tmp_path, without_rights, name
):
    folder = tmp_path / "release"
    folder.mkdir()
    path = drawn_release / releases.MATLAB_PATH
    if name == "mpii_annotations.json":
        releases.write_cpm(folder / name, drawn_people)
    elif name.endswith(".zip"):
        shutil.make_archive(folder / name.removesuffix(".zip"), "zip", path.parent)
    elif name == releases.MATLAB_FILE:
        shutil.copy(path, folder)
    else:
        releases.write_hrnet(folder, drawn_people, {"train": "train.json"})
    if name.endswith(".gz"):
        (folder / name).touch()
    (folder / "images").mkdir()

    without_rights(folder / name)

    with pytest.raises(PermissionError, match="Permission denied") as caught:
        read_release(find.find(folder), extract_dir=tmp_path)
    assert str(folder / name) in str(caught.value)


def test_folders_that_may_not_be_listed_are_passed_over(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").touch()
    names_in = os.listdir

    def names_in_my_folders(path):
        if os.fspath(path) == os.fspath(tmp_path):
            raise PermissionError(path)
        return names_in(path)

    monkeypatch.setattr(os, "listdir", names_in_my_folders)

    folder, missing = find.find(tmp_path / "annot").find_images(["1.jpg", "2.jpg"])

    assert folder == tmp_path / "images"
    assert missing == {"2.jpg"}


def test_hrnet_test_file_gives_people_without_labels(tmp_path):
    record = {"image": "1.jpg", "center": [10, 20], "scale": 1.5}
    (tmp_path / "test.json").write_text(json.dumps([record]))

    (person,) = mpii_pose.read_people(tmp_path)["test"]

    assert (person.visibility == Visibility.MISSING).all()
    np.testing.assert_array_equal(person.center, [9, 19])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", r"holds nothing.\nName a folder with .* mpii_human_pose_v1_u12_1\.mat"),
        ("nowhere", "nowhere: there is no such file or folder$"),
    ],
)
def test_folder_without_annotations_is_refused(tmp_path, name, message):
    with pytest.raises(FileNotFoundError, match=f"(?s){message}"):
        mpii_pose.read_people(tmp_path / name)


def test_json_of_unknown_split_is_refused(tmp_path):
    (tmp_path / "people.json").write_text('[{"image": "1.jpg"}]')

    with pytest.raises(mpii_pose.AnnotationError, match="must say the split"):
        mpii_pose.read_people(tmp_path / "people.json")


def test_videos_of_both_train_and_validation_are_found(drawn_people):
    before = split.shared_videos(drawn_people)
    assert before is not None
    first = dataclasses.replace(drawn_people["train"][0], video_id="seen_twice")
    other = dataclasses.replace(drawn_people["validation"][0], video_id="seen_twice")
    more = {"train": [first], "validation": [other]}

    found = split.shared_videos({n: drawn_people[n] + more[n] for n in more})

    assert found == before | {"seen_twice"}
    without_ids = [dataclasses.replace(other, video_id="")]
    assert split.shared_videos(drawn_people | {"validation": without_ids}) is None


def test_records_of_cpm_under_names_of_hrnet_are_read_as_cpm(drawn_people, tmp_path):
    for name, file in (("train", "mpii_train.json"), ("validation", "mpii_val.json")):
        releases.write_cpm(tmp_path / file, {name: drawn_people[name]})

    source = find.find(tmp_path).source

    assert source.kind is find.SourceKind.CPM
    assert {n: len(p) for n, p in source.read()[0].items()} == {
        name: len(drawn_people[name]) for name in ("train", "validation")
    }
