"""Stored crops and whole images say the same of people as full frames do."""

import dataclasses
import functools
import io
import json
import pickle
import types

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

import mpii_pose
from mpii_pose.evaluation.multi_person import image_groups
from mpii_pose.mpii_pose_dataset_builder import BY_NAME_ONLY, PoseConfig
from mpii_pose.person import person_square
from mpii_pose.shards.images import ImageError, ImageFile, find_image_files
from mpii_pose.shards.layouts import FullFrame, PersonCrop, WholeImage, layout_from
from mpii_pose.tools.main import main
from mpii_pose.transforms.geometry import (
    ALIGNMENTS,
    apply_affine,
    compose_affine,
    crop_to_image_matrix,
)
from tests import builds

SPLITS = ("train", "validation", "validation_others", "test")
# Small enough for every drawn frame to be reduced.
SMALL = PoseConfig(name="small_crop", layout=PersonCrop(pixels=64))


@pytest.fixture(scope="module")
def frames(drawn_release, tmp_path_factory):
    return builds.build(tmp_path_factory.mktemp("frames"), drawn_release)


@pytest.fixture(scope="module")
def crops(drawn_release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    return builds.build(folder, drawn_release, config=SMALL)


@pytest.fixture(scope="module")
def images(drawn_release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    return builds.build(folder, drawn_release, config="image")


def pairs(crops, frames, split="train"):
    by_index = {example["index"]: example for example in builds.read(frames, split)}
    return [(crop, by_index[crop["index"]]) for crop in builds.read(crops, split)]


def to_frame(example, name):
    return apply_affine(example["image_to_frame"], example[name].reshape(-1, 2))


@pytest.mark.parametrize("split", SPLITS)
def test_crops_say_of_people_what_frames_do(crops, frames, split):
    for crop, frame in pairs(crops, frames, split):
        matrix = crop["image_to_frame"]
        reduction = matrix[0, 0]
        labelled = frame["visibility"] > 0
        assert matrix[1, 1] == reduction >= 1
        assert matrix[0, 1] == matrix[1, 0] == 0
        found = to_frame(crop, "keypoints")
        np.testing.assert_allclose(
            found[labelled], frame["keypoints"][labelled], atol=0.01
        )
        assert (crop["keypoints"][~labelled] == -1).all()
        center = to_frame(crop, "center")[0]
        np.testing.assert_allclose(center, frame["center"], atol=0.01)
        for name in ("scale", "head_size"):
            assert crop[name] * reduction == pytest.approx(frame[name], rel=1e-5)
        if (frame["head_box"] == -1).all():
            assert (crop["head_box"] == -1).all()
        else:
            box = to_frame(crop, "head_box").reshape(4)
            np.testing.assert_allclose(box, frame["head_box"], atol=0.01)
        for name in ("visibility", "image_name", "person_index", "activity"):
            np.testing.assert_array_equal(crop[name], frame[name])


def test_crops_are_no_larger_than_asked_for(crops, frames):
    for crop, frame in pairs(crops, frames):
        side = 250 * frame["scale"] / crop["image_to_frame"][0, 0]
        assert side <= 64 * 1.0001
        assert max(crop["image"].shape[:2]) <= np.ceil(1.8 * 64) + 1
        assert crop["image"].shape[0] <= frame["image"].shape[0]


@pytest.mark.parametrize("augmentation", [None, mpii_pose.Augmentation.hrnet()])
def test_transform_of_a_crop_is_that_of_the_frame(crops, frames, augmentation):
    transform = mpii_pose.PoseTransform(
        image_size=(64, 64), heatmap_size=(16, 16), augmentation=augmentation, seed=5
    )
    corners = np.float32([[0, 0], [63, 0], [63, 63], [0, 63]])

    for crop, frame in pairs(crops, frames):
        ours = transform({k: tf.constant(v) for k, v in crop.items()})
        theirs = transform({k: tf.constant(v) for k, v in frame.items()})
        pixel = np.linalg.norm(theirs["crop_to_image"][:, 0])
        np.testing.assert_allclose(
            apply_affine(ours["crop_to_image"].numpy(), corners),
            apply_affine(theirs["crop_to_image"].numpy(), corners),
            atol=0.05 * pixel,
        )
        np.testing.assert_allclose(ours["keypoints"], theirs["keypoints"], atol=0.05)
        np.testing.assert_allclose(ours["heatmaps"], theirs["heatmaps"], atol=0.05)
        np.testing.assert_allclose(ours["head_size"], theirs["head_size"], rtol=1e-5)
        # So it is in NumPy, whose draws are others.
        arrays, frame_arrays = transform(crop), transform(frame)
        np.testing.assert_allclose(
            apply_affine(arrays["crop_to_image"], corners),
            apply_affine(frame_arrays["crop_to_image"], corners),
            atol=0.05 * pixel,
        )
        assert arrays["head_size"] == pytest.approx(frame_arrays["head_size"])
        # The same picture, too: reduced and encoded once more.
        error = np.abs(ours["image"] - theirs["image"])
        assert error.mean() < 0.06


def test_people_of_an_image_are_arrays_in_a_data_source_too(drawn_release, tmp_path):
    built = builds.build(
        tmp_path,
        drawn_release,
        config="image",
        file_format="array_record",
        max_examples_per_split=6,
    )

    for image in mpii_pose.data_source("train", dataset=built):
        people = image["people"]
        assert people["separated"].dtype == np.int8
        assert people["keypoints"].shape == (len(people["separated"]), 16, 2)


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
    return [
        path.read_bytes()
        for split in builder.info.splits.values()
        for path in split.filepaths
    ]


@pytest.mark.parametrize("config", ["person", "person_crop", "image"])
@pytest.mark.parametrize(
    "options",
    [
        {"beam_runner": BundleBasedDirectRunner()},
        {"beam_options": PipelineOptions(["--runner=DirectRunner"])},
        {},
    ],
    ids=["beam_runner", "beam_options", "again"],
)
def test_every_way_of_building_gives_the_same_bytes(two_shards, config, options):
    first = two_shards.once(config)

    other = two_shards(config, **options)

    assert shard_bytes(other) == shard_bytes(first)
    for split in first.info.splits.values():
        assert split.num_examples <= 6
        assert split.num_shards == 2


@pytest.mark.parametrize("config", ["person", "person_crop", "image"])
@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
def test_every_file_format_has_the_same_examples(two_shards, config, file_format):
    first = two_shards.once(config)

    other = two_shards(config, file_format=file_format)

    encoded = {"image": tfds.decode.SkipDecoding()}
    for split in first.info.splits:
        source = other.as_data_source(split=split, decoders=encoded)
        expected = tfds.as_numpy(first.as_dataset(split=split, decoders=encoded))
        for example, same in zip(source, expected, strict=True):
            assert example["image_name"] == same["image_name"]
            assert example["image"] == same["image"]


def test_number_of_threads_changes_no_byte(drawn_release, tmp_path, crops):
    config = dataclasses.replace(SMALL, num_threads=7)

    other = builds.build(tmp_path, drawn_release, config=config)

    assert shard_bytes(other) == shard_bytes(crops)


def test_metadata_say_how_crops_were_made(crops):
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
    with pytest.raises(ValueError, match="num_threads must be None, or 1 or more"):
        PoseConfig(name="none", num_threads=0)


def test_real_people_are_at_the_same_place_in_crops(real_people, real_image_sizes):
    layout = PersonCrop()
    spec = {"image_size": (256, 256), "alignment": ALIGNMENTS["half_pixel"]}
    corners = np.float32([[0, 0], [255, 0], [255, 255], [0, 255]])
    turned = {"rotation": np.float32(0.7), "flip": True}
    for person in real_people["train"][::100] + real_people["validation"][::25]:
        size = real_image_sizes[person.image_name]
        example = layout.example(person, ImageFile("none.jpg", 1, size=size))
        matrix = example["image_to_frame"]
        labelled = person.visibility > 0

        points = apply_affine(matrix, example["keypoints"])[labelled]
        squares = [
            person_square(where.center, np.float32(where.scale))
            for where in (types.SimpleNamespace(**example), person)
        ]

        np.testing.assert_allclose(points, person.keypoints[labelled], atol=0.01)
        assert example["head_size"] * matrix[0, 0] == pytest.approx(person.head_size)
        for draw in ({}, turned):
            crop, frame = (
                crop_to_image_matrix(*square, **spec, **draw) for square in squares
            )
            pixel = np.linalg.norm(frame[:, 0])
            np.testing.assert_allclose(
                apply_affine(compose_affine(matrix, crop), corners),
                apply_affine(frame, corners),
                atol=0.05 * pixel,
            )


class OnePerson:
    """A frame of noise on disk and somebody in it."""

    def __init__(self, folder, size=(90, 120), mode="RGB", **options):
        shape = size if mode == "L" else (*size, len(mode))
        pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        PIL.Image.fromarray(pixels, mode).save(folder / "1.jpg", quality=100, **options)
        self.folder = folder

    def example(self, layout, *, center, scale):
        person = mpii_pose.PersonAnnotation(
            image_name="1.jpg",
            keypoints=np.full((16, 2), np.float32(20)),
            visibility=np.full(16, 2, np.int8),
            center=np.float32(center),
            scale=scale,
            head_box=np.float32([10, 10, 20, 30]),
            head_size=25 * scale,
            index=3,
        )
        files = find_image_files(self.folder, ["1.jpg"], with_sizes=True)
        ((_, example),) = layout.examples([person], files)
        return example


def pixels_of(data):
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        return np.asarray(image).astype(float)


@pytest.mark.parametrize(
    ("size", "center", "scale"),
    [
        pytest.param((90, 120), (-400, 30), 0.5, id="left of the frame"),
        pytest.param((90, 120), (50, 4000), 0.5, id="below the frame"),
        pytest.param((1, 1), (0, 0), 0.3, id="1 px frame"),
        pytest.param((1, 300), (70, 0), 2.0, id="1 px high"),
        pytest.param((90, 120), (40, 50), 0.0067, id="3 px crop"),
        pytest.param((90, 120), (40, 50), 100.0, id="frame many times over"),
    ],
)
@pytest.mark.parametrize("layout", [PersonCrop(), PersonCrop(pixels=16)])
def test_odd_people_give_whole_crops_at_the_right_place(
    tmp_path, size, center, scale, layout
):
    one = OnePerson(tmp_path, size)

    example = one.example(layout, center=center, scale=scale)

    crop = pixels_of(pickle.loads(pickle.dumps(example["image"])).read())
    frame = pixels_of((tmp_path / "1.jpg").read_bytes())
    matrix = example["image_to_frame"]
    assert crop.shape[0] <= frame.shape[0]
    assert crop.shape[1] <= frame.shape[1]
    corners = np.float32([[-0.5, -0.5], np.array(crop.shape[1::-1]) - 0.5])
    (left, top), (right, bottom) = apply_affine(matrix, corners) + 0.5
    assert left >= -1e-3
    assert top >= -1e-3
    assert right <= size[1] + 1e-3
    assert bottom <= size[0] + 1e-3
    region = frame[
        round(top) : max(round(bottom), round(top) + 1),
        round(left) : max(round(right), round(left) + 1),
    ]
    assert crop.mean() == pytest.approx(region.mean(), abs=12)
    np.testing.assert_allclose(
        apply_affine(matrix, example["keypoints"]), 20, atol=1e-3
    )


def test_frame_below_the_wanted_resolution_is_stored_unreduced(tmp_path):
    one = OnePerson(tmp_path)

    example = one.example(PersonCrop(quality=100), center=(50, 40), scale=0.2)

    np.testing.assert_array_equal(example["image_to_frame"][:, :2], np.eye(2))
    left, top = example["image_to_frame"][:, 2].astype(int)
    crop = pixels_of(example["image"].read())
    frame = pixels_of((tmp_path / "1.jpg").read_bytes())
    region = frame[top : top + crop.shape[0], left : left + crop.shape[1]]
    assert np.abs(crop - region).mean() < 1.5


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_frames_are_stored_in_rgb(tmp_path, mode):
    one = OnePerson(tmp_path, mode=mode)

    example = one.example(PersonCrop(pixels=20), center=(50, 40), scale=0.2)

    assert pixels_of(example["image"].read()).shape[2] == 3


@pytest.mark.parametrize("damage", ["no header", "cut"])
def test_damaged_frame_is_refused_by_name(tmp_path, damage):
    one = OnePerson(tmp_path)
    path = tmp_path / "1.jpg"
    data = path.read_bytes()
    path.write_bytes(b"none" if damage == "no header" else data[: len(data) // 2])

    with pytest.raises(ImageError, match=r"1\.jpg cannot be decoded .* fetch it again"):
        one.example(PersonCrop(), center=(50, 40), scale=0.2)["image"].read()


def test_frame_of_another_size_than_planned_is_refused(tmp_path):
    one = OnePerson(tmp_path)
    crop = one.example(PersonCrop(), center=(50, 40), scale=0.2)["image"]
    wrong = dataclasses.replace(crop.file, size=(91, 120))

    with pytest.raises(ImageError, match="changed during the build"):
        dataclasses.replace(crop, file=wrong).read()


def test_large_frames_decoded_at_part_of_their_size_give_the_same_place(tmp_path):
    one = OnePerson(tmp_path)
    ramp = np.mgrid[:801, :1203]
    pixels = np.stack([ramp[1] / 6, ramp[0] / 4, 0 * ramp[0]], axis=-1)
    PIL.Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "1.jpg", quality=95)

    example = one.example(PersonCrop(pixels=40), center=(600, 400), scale=2.0)

    crop = pixels_of(example["image"].read())
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    points = np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float32)
    places = apply_affine(example["image_to_frame"], points).reshape(*crop.shape[:2], 2)
    for channel, axis, step in ((0, 0, 6), (1, 1, 4)):
        error = (crop[..., channel] - places[..., axis] / step)[2:-2, 2:-2]
        # Half a stored pixel would be one level and more.
        assert abs(error.mean()) < 0.5
        assert abs(error).mean() < 1.5


def test_images_have_everybody_and_say_their_splits(images, frames):
    expected = {
        (split, int(e["index"])): e
        for split in SPLITS
        for e in builds.read(frames, split)
    }
    found = {}
    for split in images.info.splits:
        for image in builds.read(images, split):
            people = image["people"]
            for k, index in enumerate(people["index"]):
                own = people["split"][k].decode()
                assert own.removesuffix("_others") == split
                found[own, int(index)] = image, {n: v[k] for n, v in people.items()}

    assert set(images.info.splits) == {"train", "validation", "test"}
    assert found.keys() == expected.keys()
    for key, (image, person) in found.items():
        for name, value in person.items():
            if name != "split":
                np.testing.assert_array_equal(value, expected[key][name])
        for name in ("image", "image_name", "activity", "frame_sec"):
            np.testing.assert_array_equal(image[name], expected[key][name])


def test_groups_of_images_are_those_of_their_people(images, frames):
    people = builds.read(frames, "train")
    separated = [person["separated"] for person in people]
    groups = image_groups([p["image_name"] for p in people], separated=separated)

    from_images = [
        {(image["image_name"], int(index)) for index in image["people"]["index"]}
        for image in builds.read(images, "train")
        if not (image["people"]["separated"] == 1).any()
    ]

    expected = [
        {(people[i]["image_name"], int(people[i]["index"])) for i in group}
        for group in groups
    ]
    assert sorted(map(sorted, from_images)) == sorted(map(sorted, expected))


def test_groups_of_images_can_be_scored(images):
    groups = [image["people"] for image in builds.read(images, "train")]
    truth = [group["keypoints"] for group in groups]
    labelled = [group["visibility"][..., np.newaxis] > 0 for group in groups]

    scores = mpii_pose.multi_person_ap(
        [np.where(*pair, np.nan) for pair in zip(labelled, truth, strict=True)],
        [np.ones(points.shape[:2]) for points in truth],
        truth,
        [group["visibility"] for group in groups],
        [group["head_size"] for group in groups],
    )

    assert scores.total == pytest.approx(100)


@pytest.mark.parametrize("name", [config.name for config in BY_NAME_ONLY])
def test_layouts_are_found_by_name_and_not_built_unasked(name):
    assert [c.name for c in mpii_pose.Builder.BUILDER_CONFIGS] == [
        "person",
        "synthetic",
    ]
    assert mpii_pose.Builder.builder_configs[name].name == name


@pytest.mark.slow
def test_build_without_a_config_builds_what_it_always_has(drawn_release, tmp_path):
    options = ("--data_dir", str(tmp_path), "--manual_dir", str(drawn_release))

    result = builds.run("tfds", "build", "mpii_pose", *options)

    assert result.returncode == 0, result.stderr
    built = {path.name for path in (tmp_path / "mpii_pose").iterdir() if path.is_dir()}
    assert built - {".config"} == {"person", "synthetic"}


def test_every_layout_documents_its_features():
    for layout in (FullFrame(), PersonCrop(), WholeImage()):
        for name, feature in tfds.features.FeaturesDict(layout.features()).items():
            assert feature.doc.desc, name


@pytest.mark.parametrize("name", ["frames", "crops", "images"])
def test_commands_read_the_people_of_every_layout(
    name, drawn_release, tmp_path, request, capsys
):
    folder = request.getfixturevalue(name).data_path
    people = mpii_pose.read_people(drawn_release)

    assert main(["audit", str(folder)]) == 0
    assert main(["export", "coco", str(folder), str(tmp_path)]) == 0

    printed = capsys.readouterr().out
    assert f"Read {sum(map(len, people.values()))} people" in printed
    assert f"dataset mpii_pose/{folder.parent.name}" in printed
    for split, group in people.items():
        path = tmp_path / f"person_keypoints_{split}.json"
        content = json.loads(path.read_text())
        found = content["annotations"]
        assert len(found) == len(group)
        for person, expected in zip(found, group, strict=True):
            np.testing.assert_allclose(person["center"], expected.center, atol=0.01)
            points = np.reshape(person["keypoints"], (16, 3))
            labelled = expected.visibility > 0
            np.testing.assert_allclose(
                points[labelled, :2], expected.keypoints[labelled], atol=0.01
            )
        # A crop does not tell the size of its frame.
        assert ("width" in content["images"][0]) == (name != "crops")


@pytest.mark.parametrize("layout", ["person", "person_crop", "image"])
@pytest.mark.parametrize("file_format", ["array_record", "parquet"])
def test_commands_read_every_format(
    layout, file_format, drawn_release, tmp_path, capsys
):
    built = builds.build(
        tmp_path, drawn_release, config=layout, file_format=file_format
    )
    people = mpii_pose.read_people(drawn_release)

    assert main(["audit", str(built.data_path)]) == 0

    printed = capsys.readouterr().out
    assert f"Read {sum(map(len, people.values()))} people" in printed


def test_skeletons_of_everybody_are_drawn_into_an_image(images):
    dataset = images.as_dataset(split="train")
    most = max(
        tfds.as_numpy(dataset), key=lambda example: len(example["people"]["index"])
    )
    drawn = mpii_pose.draw_example(
        {**most, "image": tf.constant(most["image"]), "people": most["people"]}
    )["image"].numpy()
    changed = (drawn != most["image"]).any(axis=-1)
    assert len(most["people"]["index"]) > 1
    for points, visibility in zip(
        most["people"]["keypoints"], most["people"]["visibility"], strict=True
    ):
        inside = (
            (visibility > 0)
            & (points >= 0).all(1)
            & (points < changed.shape[::-1]).all(1)
        )
        x, y = points[inside].astype(int).T
        assert changed[y, x].mean() > 0.8
