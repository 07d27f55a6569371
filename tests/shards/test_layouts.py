"""Stored crops and whole images say the same of people as full frames do."""

import functools
import json
import os

import numpy as np
import PIL
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

import mpii_pose
from mpii_pose.mpii_pose_dataset_builder import PoseConfig
from mpii_pose.shards.layouts import LAYOUTS, PersonCrop, WholeImage, layout_from
from mpii_pose.tools.main import main
from mpii_pose.transforms.geometry import apply_affine
from tests import builds

CONFIGS = ["person", "person_crop", "image"]


def pairs(crops, frames, split="train"):
    by_index = {example["index"]: example for example in builds.read(frames, split)}
    return [(crop, by_index[crop["index"]]) for crop in builds.read(crops, split)]


def assert_same_place(crop, frame):
    """Asserts that a crop's annotation is that of the frame; returns the reduction."""
    matrix, labelled = crop["image_to_frame"], frame["visibility"] > 0
    reduction = matrix[0, 0]
    assert matrix[1, 1] == reduction >= 1
    assert matrix[0, 1] == matrix[1, 0] == 0
    known = {"keypoints": labelled, "center": [True]}
    known["head_box"] = [(frame["head_box"] != -1).any()] * 2
    for name, where in known.items():
        points, expected = (each[name].reshape(-1, 2) for each in (crop, frame))
        found = apply_affine(matrix, points)
        np.testing.assert_allclose(found[where], expected[where], atol=0.01)
        assert (points[~np.array(where)] == -1).all()
    for name in ("scale", "head_size"):
        assert crop[name] * reduction == pytest.approx(frame[name], rel=1e-5)
    return reduction


@pytest.mark.parametrize("split", builds.SPLITS)
def test_crops_say_of_people_what_frames_do(crops, frames, split):
    for crop, frame in pairs(crops, frames, split):
        reduction = assert_same_place(crop, frame)

        for name in ("visibility", "image_name", "person_index", "activity"):
            np.testing.assert_array_equal(crop[name], frame[name])
        assert 250 * frame["scale"] / reduction <= 64 * 1.0001
        assert max(crop["image"].shape[:2]) <= np.ceil(1.8 * 64) + 1
        assert crop["image"].shape[0] <= frame["image"].shape[0]


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("augmentation", [None, mpii_pose.Augmentation.hrnet()])
def test_transform_of_a_crop_is_that_of_the_frame(crops, frames, augmentation, arrays):
    transform = mpii_pose.PoseTransform(
        image_size=(64, 64), heatmap_size=(16, 16), augmentation=augmentation, seed=5
    )
    corners = np.float32([[0, 0], [63, 0], [63, 63], [0, 63]])

    for crop, frame in pairs(crops, frames):
        if arrays:
            ours, theirs = transform(crop), transform(frame)
        else:
            ours = transform({k: tf.constant(v) for k, v in crop.items()})
            theirs = transform({k: tf.constant(v) for k, v in frame.items()})
        pixel = np.linalg.norm(theirs["crop_to_image"][:, 0])
        np.testing.assert_allclose(
            apply_affine(np.array(ours["crop_to_image"]), corners),
            apply_affine(np.array(theirs["crop_to_image"]), corners),
            atol=0.05 * pixel,
        )
        np.testing.assert_allclose(ours["keypoints"], theirs["keypoints"], atol=0.05)
        np.testing.assert_allclose(ours["heatmaps"], theirs["heatmaps"], atol=0.05)
        np.testing.assert_allclose(ours["head_size"], theirs["head_size"], rtol=1e-5)
        # The same picture, too: reduced and encoded once more.
        error = np.abs(ours["image"] - theirs["image"])
        assert error.mean() < 0.06


@pytest.fixture(scope="module")
def two_shards(drawn_release, tmp_path_factory):
    """Builds six examples a split in two shards; by default once for each config."""

    def build(config, **options):
        folder = tmp_path_factory.mktemp("two_shards")
        limits = {"max_examples_per_split": 6, "num_shards": 2}
        return builds.build(folder, drawn_release, config=config, **limits, **options)

    build.once = functools.cache(build)
    return build


def shard_bytes(builder):
    splits = builder.info.splits.values()
    return [path.read_bytes() for split in splits for path in split.filepaths]


WAYS = {
    "beam_runner": {"beam_runner": BundleBasedDirectRunner()},
    "beam_options": {"beam_options": PipelineOptions(["--runner=DirectRunner"])},
    "seven_cores": {},
}


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_bytes(two_shards, config, way, monkeypatch):
    first = two_shards.once(config)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(7), raising=False)

    other = two_shards(config, **WAYS[way])

    assert shard_bytes(other) == shard_bytes(first)
    for split in first.info.splits.values():
        assert split.num_examples <= 6
        assert split.num_shards == 2


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
def test_every_format_is_read_alike(two_shards, config, file_format, capsys):
    first = two_shards.once(config)

    other = two_shards(config, file_format=file_format)

    for split in first.info.splits:
        source = other.as_data_source(split=split, decoders=builds.ENCODED)
        expected = builds.read(first, split, decoders=builds.ENCODED)
        for example, same in zip(source, expected, strict=True):
            assert example["image_name"] == same["image_name"]
            assert example["image"] == same["image"]
    assert main(["audit", str(other.data_path)]) == 0
    count = sum(first.info.metadata["people"].values())
    assert f"Read {count} people" in capsys.readouterr().out


def test_people_of_an_image_are_arrays_in_a_data_source_too(two_shards):
    built = two_shards("image", file_format="array_record")

    for image in mpii_pose.data_source("train", dataset=built):
        people = image["people"]
        assert people["separated"].dtype == np.int8
        assert people["keypoints"].shape == (len(people["separated"]), 16, 2)


def test_metadata_have_the_layout_and_how_crops_were_made(frames, crops, images):
    assert frames.info.metadata["layout"] == {"name": "person"}
    assert images.info.metadata["layout"] == {"name": "image"}
    assert crops.info.metadata["layout"] == {
        **{"name": "person_crop", "pixels": 64, "reach": 1.8},
        **{"quality": PersonCrop().quality, "subsampling": PersonCrop().subsampling},
        "pillow": PIL.__version__,
    }


@pytest.mark.parametrize(
    ("options", "allowed"),
    [
        ({"pixels": 0}, "pixels must be a whole number, 1 to 10000, got 0"),
        ({"pixels": 99.5}, "pixels must be a whole number, 1 to 10000, got 99.5"),
        ({"reach": 0.9}, "reach must be a number, 1 to 100, got 0.9"),
        ({"reach": float("nan")}, "reach must be a number, 1 to 100, got nan"),
        ({"quality": 101}, "quality must be a whole number, 1 to 100, got 101"),
        ({"quality": "95"}, "quality must be a whole number, 1 to 100, got '95'"),
        ({"subsampling": 2}, "subsampling must be one of 4:4:4, 4:2:2, 4:2:0, got 2"),
    ],
)
def test_options_out_of_range_are_refused_with_the_range(options, allowed):
    with pytest.raises(ValueError, match=allowed):
        PersonCrop(**options)


def test_layout_is_told_by_name_with_options():
    assert layout_from("image") == WholeImage()
    assert layout_from({"name": "person_crop", "pixels": 99}) == PersonCrop(pixels=99)
    with pytest.raises(ValueError, match="layout must be one of person, person_crop"):
        layout_from("crop")
    assert PoseConfig(name="mine", layout="image").layout == WholeImage()


def test_images_have_everybody_with_their_splits(images, frames):
    expected = {
        (split, example["index"]): example
        for split in builds.SPLITS
        for example in builds.read(frames, split)
    }
    found = {}
    for split in images.info.splits:
        for image in builds.read(images, split):
            people = image.pop("people")
            for k, index in enumerate(people["index"]):
                person = {name: values[k] for name, values in people.items()}
                own_split = person.pop("split").decode()
                assert own_split.removesuffix("_others") == split
                found[own_split, index] = image | person

    assert set(images.info.splits) == {"train", "validation", "test"}
    assert found.keys() == expected.keys()
    for key, person in found.items():
        builds.assert_same_examples([person], [expected[key]])


def test_layouts_are_found_by_name_and_not_built_unasked():
    unasked = [config.name for config in mpii_pose.Builder.BUILDER_CONFIGS]

    assert unasked == ["person", "synthetic"]
    assert mpii_pose.Builder.builder_configs.keys() == {*CONFIGS, "synthetic"}


def test_every_layout_documents_its_features():
    for layout in LAYOUTS.values():
        for name, feature in tfds.features.FeaturesDict(layout().features()).items():
            assert feature.doc.desc, name


@pytest.mark.parametrize("name", ["frames", "crops", "images"])
def test_every_layout_is_exported(name, drawn_people, tmp_path, request, capsys):
    folder = request.getfixturevalue(name).data_path

    assert main(["audit", str(folder)]) == 0
    assert main(["export", "coco", str(folder), str(tmp_path)]) == 0

    assert f"dataset mpii_pose/{folder.parent.name}" in capsys.readouterr().out
    for split, group in drawn_people.items():
        path = tmp_path / f"person_keypoints_{split}.json"
        content = json.loads(path.read_text())
        for person, expected in zip(content["annotations"], group, strict=True):
            np.testing.assert_allclose(person["center"], expected.center, atol=0.01)
            points = np.reshape(person["keypoints"], (16, 3))[expected.labelled, :2]
            where = expected.keypoints[expected.labelled]
            np.testing.assert_allclose(points, where, atol=0.01)
        # A crop does not tell the size of its frame.
        assert ("width" in content["images"][0]) == (name != "crops")
