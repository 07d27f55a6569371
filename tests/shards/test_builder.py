"""The dataset builds and loads in the ways TFDS offers."""

import shutil
import unittest.mock
import zipfile

import apache_beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

import mpii_pose
from mpii_pose import workplace
from mpii_pose.mpii_pose_dataset_builder import PoseConfig
from mpii_pose.release import official
from mpii_pose.shards.builder import PlannedShardsBuilder
from mpii_pose.shards.layouts import PERSON_FEATURES, FullFrame
from mpii_pose.skeleton import Visibility
from tests import builds, releases
from tests.builds import SPLITS


def test_examples_are_the_release_people_and_jpegs(frames, drawn_release, drawn_people):
    assert list(frames.info.splits) == SPLITS
    for split, people in drawn_people.items():
        examples = builds.read(frames, split, decoders=builds.ENCODED)
        assert sorted(e["index"] for e in examples) == list(range(len(people)))
        for example in examples:
            person = people[example["index"]]
            for name in PERSON_FEATURES:
                found, expected = example[name], getattr(person, name)
                if isinstance(expected, str):
                    assert found.decode() == expected
                else:
                    expected = np.asarray(expected, found.dtype)
                    np.testing.assert_array_equal(found, expected)
            path = drawn_release / "images" / person.image_name
            assert example["image"] == path.read_bytes()


def test_metadata_tells_the_source(frames, drawn_release, drawn_people):
    reloaded = tfds.builder_from_directory(frames.data_dir)

    for info in (frames.info, reloaded.info):
        assert info.metadata["source"] == "official .mat"
        assert info.metadata["drawn"] is True
        assert info.metadata["tells_occluded_from_visible"] is True
        counts = {split: len(people) for split, people in drawn_people.items()}
        assert info.metadata["people"] == counts
        assert "none of these people is MPII's" in info.metadata["license"]
        mat = drawn_release / releases.MATLAB_PATH
        blob = official.git_blob_id(mat.read_bytes())
        assert info.metadata["annotation_files"] == {mat.name: blob}
        shards = [path for split in info.splits.values() for path in split.filepaths]
        assert info.dataset_size == sum(path.stat().length for path in shards)


def test_tfdss_own_writers_give_the_same_dataset(drawn_release, tmp_path, monkeypatch):
    ours = builds.build(tmp_path / "ours", drawn_release, num_shards=2)
    monkeypatch.delattr(PlannedShardsBuilder, "_generate_splits")

    other = builds.build(tmp_path / "other", drawn_release, num_shards=2)

    for split in SPLITS:
        lengths = ours.info.splits[split].shard_lengths
        assert other.info.splits[split].shard_lengths == lengths
        assert len(lengths) == 2
        builds.assert_same_examples(builds.read(other, split), builds.read(ours, split))


def test_beam_pipeline_result_is_processed(drawn_release, tmp_path, monkeypatch):
    process = unittest.mock.Mock()
    monkeypatch.setattr(mpii_pose.Builder, "_process_pipeline_result", process)

    builds.build(tmp_path, drawn_release, beam_runner=BundleBasedDirectRunner())

    (result,) = process.call_args.args
    assert result.state == apache_beam.runners.runner.PipelineState.DONE


def test_size_of_shards_is_the_users(drawn_release, tmp_path):
    builder = builds.build(tmp_path, drawn_release, max_shard_size=200_000)

    sizes = [p.stat().length for p in builder.info.splits["train"].filepaths]
    assert len(sizes) > 2
    assert max(sizes) <= 200_000


@pytest.mark.parametrize("runner", [None, BundleBasedDirectRunner()])
def test_max_examples_per_split_is_kept(drawn_release, tmp_path, runner):
    options = {"max_examples_per_split": 2, "beam_runner": runner}
    builder = builds.build(tmp_path, drawn_release, **options)

    for split in SPLITS:
        examples = builds.read(builder, split)
        assert sorted(example["index"] for example in examples) == [0, 1]
        assert builder.info.metadata["people"][split] == len(examples)
        names = {example["image_name"] for example in examples}
        assert builder.info.metadata["images"][split] == len(names)


def test_images_that_are_not_needed_may_be_missing(release, drawn_people, tmp_path):
    kept = {people[0].image_name for people in drawn_people.values()}
    for path in (release / "images").iterdir():
        if path.name not in kept:
            path.unlink()

    builder = builds.build(tmp_path / "data", release, max_examples_per_split=1)

    assert [split.num_examples for split in builder.info.splits.values()] == [1] * 4


def test_tutorials_layout_just_works_and_what_is_missing_of_mpii_is_said(
    drawn_release, drawn_people, tmp_path, log
):
    people, names = drawn_people, {"train": "train.json", "validation": "valid.json"}
    releases.write_hrnet(tmp_path / releases.ANNOTATIONS, people, names)
    (tmp_path / "images").symlink_to(drawn_release / "images")

    builder = builds.build(tmp_path / "data", tmp_path)

    assert list(builder.info.splits) == ["train", "validation"]
    assert builder.info.metadata["source"] == "HRNet / MMPose JSON"
    assert builder.info.metadata["tells_occluded_from_visible"] is False
    for split in names:
        examples = sorted(builds.read(builder, split), key=lambda e: e["index"])
        for example, person in zip(examples, people[split], strict=True):
            np.testing.assert_array_equal(example["keypoints"], person.keypoints)
            assert Visibility.OCCLUDED not in example["visibility"]
    (line,) = (r.getMessage() for r in log.records if "not all of MPII" in r.message)
    assert f"{len(people['train'])} people in train (MPII: 22,246)" in line
    assert f"{len(people['validation'])} people in validation (MPII: 2,958)" in line
    assert "0 people in validation_others (MPII: 3,679)" in line
    assert "0 people in test (MPII: 11,731)" in line
    assert "occluded" in line


def test_of_all_of_mpii_nothing_is_said_to_be_missing(
    drawn_release, drawn_people, tmp_path, log, monkeypatch
):
    counts = {split: len(drawn_people[split]) for split in ("train", "validation")}
    monkeypatch.setattr(official, "PEOPLE", counts)
    releases.write_cpm(tmp_path / "mpii_annotations.json", drawn_people)
    (tmp_path / "images").symlink_to(drawn_release / "images")

    builds.build(tmp_path / "data", tmp_path)

    assert "Reading people" in log.text
    assert "not all of MPII" not in log.text


def test_first_load_shows_its_progress(drawn_release, tmp_path, log, capfd):
    config = tfds.download.DownloadConfig(manual_dir=drawn_release, num_shards=2)
    options = {"download_and_prepare_kwargs": {"download_config": config}}

    tfds.load("mpii_pose/person", data_dir=tmp_path, **options)

    printed = capfd.readouterr()
    lines = [line for line in printed.err.splitlines() if "Writing 8 shards" in line]
    assert 1 <= len(lines) <= 3
    assert "100%" in lines[-1]
    assert "Writing" not in printed.out + log.text
    assert "Reading" not in printed.out
    assert not [r for r in log.records if "has no dataset_info.json" in r.message]
    assert log.text.count("The people are drawn") == 1
    assert "not all of MPII" not in log.text


def test_built_dataset_is_reused_and_overwritten(drawn_release, tmp_path):
    first = builds.build(tmp_path, drawn_release, max_examples_per_split=2)
    builds.build(tmp_path, drawn_release)
    assert first.info.splits["train"].num_examples == 2

    mode = tfds.GenerateMode.REUSE_CACHE_IF_EXISTS
    rebuilt = builds.build(tmp_path, drawn_release, download_mode=mode)

    count = rebuilt.info.splits["train"].num_examples
    assert len(builds.read(rebuilt, "train")) == count > 2


def test_prepared_dataset_is_taken_without_a_lock(frames, drawn_release, monkeypatch):
    monkeypatch.delattr(workplace, "lock")

    again = builds.build(frames.data_dir_root, drawn_release)

    builds.assert_same_examples(builds.read(again, "test"), builds.read(frames, "test"))


class WithSide(FullFrame):
    """A layout of one's own, with another key and one more feature."""

    def key(self, item):
        return f"side of {super().key(item)}"

    def features(self):
        return super().features() | {"side": tfds.features.Scalar(np.int32)}

    def example(self, item, image):
        return super().example(item, image) | {"side": 8}


def test_layout_is_added_as_a_class_and_bars_are_off(frames, drawn_release, tmp_path):
    config = PoseConfig(name="with_side", layout=WithSide())
    tfds.disable_progress_bar()
    try:
        built = builds.build(tmp_path, drawn_release, config=config)
    finally:
        tfds.enable_progress_bar()

    found = builds.read(built, "train")
    whole = {example["index"]: example for example in builds.read(frames, "train")}
    assert len(found) == len(whole)
    for example in found:
        assert example.pop("side") == 8
        builds.assert_same_examples([example], [whole[example["index"]]])


def test_loading_does_not_need_the_package(frames):
    code = (
        "import sys, tensorflow_datasets as tfds\n"
        f"ds = tfds.load('mpii_pose/person', data_dir={str(frames.data_dir_root)!r},"
        " split='train')\n"
        "print(len(list(ds)), 'mpii_pose' in sys.modules)\n"
    )

    result = builds.run("python", "-c", code, cwd=frames.data_path)

    count = frames.info.splits["train"].num_examples
    assert result.stdout.split() == [str(count), "False"], result.stderr


def test_dataset_is_supervised_by_its_keypoints(frames):
    image, keypoints = next(iter(frames.as_dataset(split="train", as_supervised=True)))

    assert image.dtype == tf.uint8
    assert keypoints.shape == (16, 2)


def test_random_order_on_disk_is_refused(drawn_release, tmp_path):
    with pytest.raises(ValueError, match="always built in the same order"):
        builds.build(tmp_path, drawn_release, nondeterministic_order=True)

    assert not builds.prepared(tmp_path)


def test_command_line_builds_the_synthetic_config(tmp_path):
    config = '{"name": "small", "num_people": 12, "seed": 5}'

    result = builds.run(
        "tfds", "build", "mpii_pose", "--config", config, "--data_dir", str(tmp_path)
    )

    assert result.returncode == 0, result.stderr
    for line in ("Drawing people: 100%", "people are drawn", "Writing 4 shards: 100%"):
        assert line in result.stdout + result.stderr
    builder = tfds.builder_from_directory(tmp_path / "mpii_pose" / "small" / "1.0.0")
    labelled = [s for s in builder.info.splits if s != "test"]
    assert sum(builder.info.splits[split].num_examples for split in labelled) == 12


@pytest.mark.slow
def test_command_line_builds_from_anywhere_by_import(drawn_release, tmp_path):
    result = builds.run(
        *("tfds", "build", "mpii_pose", "--imports", "mpii_pose", "--config", "person"),
        *("--data_dir", str(tmp_path), "--manual_dir", str(drawn_release)),
        *("--num_shards", "2", "--max_examples_per_split", "7"),
        *("--beam_pipeline_options", "runner=BundleBasedDirectRunner"),
        cwd=tmp_path,
        PYTHONPATH=str(builds.ROOT),
    )

    assert result.returncode == 0, result.stderr
    builder = tfds.builder("mpii_pose/person", data_dir=tmp_path)
    assert builder.info.splits["train"].shard_lengths == [4, 3]


def test_package_works_without_forks_and_locks(drawn_release, drawn_people, tmp_path):
    code = (
        f"{builds.ELSEWHERE}\nimport mpii_pose\nfrom tests import builds\n"
        "builder = builds.build(*sys.argv[1:], file_format='array_record')\n"
        "given = {'dataset': builder, 'transform': mpii_pose.PoseTransform(seed=0)}\n"
        "source = mpii_pose.data_source('train', **given)\n"
        "print(len(source), source[0]['heatmaps'].shape)\n"
    )

    result = builds.run("python", "-c", code, str(tmp_path), str(drawn_release))

    expected = f"{len(drawn_people['train'])} (64, 64, 16)"
    assert result.stdout.splitlines()[-1] == expected, result.stderr


@pytest.mark.parametrize("options", [{}, {"download_dir": "~/downloads"}])
def test_tilde_is_the_home_in_every_folder(release, tmp_path, monkeypatch, options):
    home = tmp_path / "home"
    shutil.move(release, home / "mpii")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))  # Windows.
    config = tfds.download.DownloadConfig(manual_dir="~/mpii")

    builder = mpii_pose.Builder(data_dir="~/data", config="person")
    builder.download_and_prepare(download_config=config, **options)

    assert builder.data_path == home / "data/mpii_pose/person/1.0.0"
    again = tfds.builder("mpii_pose/person", data_dir="~/data")
    assert builds.read(again, "train")
    assert not list((tmp_path / "work").iterdir())
    assert (home / "downloads").exists() == bool(options)


def test_package_is_complete_when_installed(tmp_path):
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path)]
    result = builds.run("pip", "wheel", *options, str(builds.ROOT))
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")

    names = set(zipfile.ZipFile(wheel).namelist())

    for name in ("checksums.tsv", "CITATIONS.bib", "TAGS.txt", "README.md", "py.typed"):
        assert f"mpii_pose/{name}" in names
    assert "mpii_pose/release/tompson_validation.csv" in names
    checksums = zipfile.ZipFile(wheel).read("mpii_pose/checksums.tsv")
    assert checksums == (builds.ROOT / "checksums.tsv").read_bytes()


def test_an_unknown_config_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="person, synthetic, person_crop, image, got"):
        mpii_pose.Builder(data_dir=tmp_path, config="persn")


def test_command_of_tfds_prints_errors_of_files_without_the_calls(tmp_path):
    program = """
import sys, tensorflow_datasets as tfds, mpii_pose
sys.argv[0] = sys.argv[1]
builder = mpii_pose.Builder(data_dir=sys.argv[2], config="person")
config = tfds.download.DownloadConfig(manual_dir="/none")
builder.download_and_prepare(download_config=config)
"""
    for name, has_calls in (("/bin/tfds", False), ("train.py", True)):
        ended = builds.run("python", "-c", program, name, str(tmp_path))
        assert ended.returncode == 1
        assert ("Traceback" in ended.stderr) == has_calls
        assert ended.stderr.endswith("no such file or folder\n")
