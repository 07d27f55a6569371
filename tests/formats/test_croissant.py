"""Tables and their Croissant description hold what TFDS gives."""

import hashlib
import io
import itertools
import json
import shutil

import numpy as np
import PIL.Image
import pyarrow.parquet
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from mpii_pose.formats.croissant import record_set_of, write_croissant
from mpii_pose.tools.main import main
from tests import builds

mlcroissant = pytest.importorskip(
    "mlcroissant", reason="mlcroissant, which reads the description, is not installed"
)

SPLITS = ["train", "validation", "validation_others", "test"]
STORED = {"image": tfds.decode.SkipDecoding()}
# Configs and formats of the datasets that are exported.
DATASETS = [("person", None), ("person_crop", "array_record"), ("image", None)]


@pytest.fixture(scope="module")
def datasets(drawn_release, tmp_path_factory):
    """Builders by config."""
    return {
        config: builds.build(
            tmp_path_factory.mktemp("data"),
            drawn_release,
            config=config,
            file_format=file_format,
        )
        for config, file_format in DATASETS
    }


@pytest.fixture(scope="module")
def exported(datasets, tmp_path_factory):
    """What the command wrote, by config."""
    folder = tmp_path_factory.mktemp("exported")
    for config, builder in datasets.items():
        assert export(builder.data_dir, folder / config) == 0
    return {config: folder / config for config in datasets}


def export(dataset, folder, *options):
    return main(["export", "croissant", str(dataset), str(folder), *options])


def examples_of(builder, split):
    """What TFDS gives, with the bytes of JPEGs, in the order they are stored."""
    if builder.info.file_format.value == "array_record":
        return list(builder.as_data_source(split=split, decoders=STORED))
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    dataset = builder.as_dataset(split=split, decoders=STORED, read_config=config)
    return list(tfds.as_numpy(dataset))


def records_of(folder, record_set, split=None):
    """What mlcroissant gives."""
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    filters = {f"{record_set}/split": split} if split else None
    return list(dataset.records(record_set, filters=filters))


def assert_same(found, expected, feature, name):
    """Compares a value of a record with the one of an example: dtype, shape, all."""
    if isinstance(feature, tfds.features.Image):
        # TensorFlow's default decoder takes a shortcut.
        pixels = tf.io.decode_jpeg(expected, dct_method="INTEGER_ACCURATE").numpy()
        np.testing.assert_array_equal(np.asarray(found), pixels, err_msg=name)
    elif isinstance(feature, tfds.features.Sequence):
        assert [set(person) for person in found] == len(expected["index"]) * [
            {f"{name}/{part}" for part in feature.feature}
        ]
        for part, kind in feature.feature.items():
            of_each = [person[f"{name}/{part}"] for person in found]
            for value, other in zip(of_each, expected[part], strict=True):
                assert_same(value, other, kind, f"{name}/{part}")
    elif isinstance(feature, tfds.features.Text):
        assert found == expected
        assert isinstance(found, bytes)
    else:
        found = np.asarray(found)
        assert found.dtype == feature.np_dtype, name
        assert found.shape == feature.shape, name
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("config", [config for config, _ in DATASETS])
def test_records_are_the_examples_that_tfds_gives(config, datasets, exported):
    builder = datasets[config]
    features, name = builder.info.features, record_set_of(builder.info.features)

    for split in builder.info.splits:
        examples = examples_of(builder, split)
        records = records_of(exported[config], name, split)
        assert len(records) == builder.info.splits[split].num_examples
        for record, example in zip(records, examples, strict=True):
            names = {f"{name}/{feature}" for feature in features}
            assert record.keys() == names | {f"{name}/split"}
            assert record[f"{name}/split"] == split.encode()
            for key, feature in features.items():
                field = f"{name}/{key}"
                assert_same(record[field], example[key], feature, field)


@pytest.mark.parametrize("config", [config for config, _ in DATASETS])
def test_mlcroissant_finds_nothing_wrong_with_a_description(config, exported, log):
    dataset = mlcroissant.Dataset(exported[config] / "croissant.json")

    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    assert not [r.getMessage() for r in log.records if r.levelname != "INFO"]


def test_all_splits_are_read_together_without_a_warning(datasets, exported, caplog):
    records = records_of(exported["person"], "people")

    found = [record["people/split"].decode() for record in records]
    assert {split: found.count(split) for split in SPLITS} == {
        split: datasets["person"].info.splits[split].num_examples for split in SPLITS
    }
    assert not caplog.records


def test_the_key_tells_examples_apart(datasets, exported):
    for config, builder in datasets.items():
        name = record_set_of(builder.info.features)
        content = json.loads((exported[config] / "croissant.json").read_text())
        (record_set,) = [r for r in content["recordSet"] if r["@id"] == name]
        names = [column["@id"] for column in record_set["key"]]
        records = records_of(exported[config], name)

        keys = {tuple(record[name] for name in names) for record in records}

        assert len(keys) == len(records) > 40


@pytest.mark.parametrize("config", [config for config, _ in DATASETS])
def test_tables_hold_the_bytes_of_each_jpeg(config, datasets, exported):
    for split in datasets[config].info.splits:
        table = pyarrow.parquet.read_table(exported[config] / split)

        stored = [example["image"] for example in examples_of(datasets[config], split)]
        assert table["image"].to_pylist() == stored


def test_columns_are_sorted_whatever_order_tfds_reads_them_in(exported):
    schema = pyarrow.parquet.read_schema(next(exported["image"].glob("train/*")))

    of_people = [field.name for field in schema.field("people").type.value_type]

    assert schema.names == sorted(schema.names)
    assert of_people == sorted(of_people)


def test_description_has_size_and_checksum_of_each_table(exported):
    folder = exported["person"]
    content = json.loads((folder / "croissant.json").read_text())

    tables = [f for f in content["distribution"] if f["@type"] == "cr:FileObject"]

    assert len(tables) == len(list(folder.rglob("*.parquet"))) == len(SPLITS)
    for table in tables:
        data = (folder / table["contentUrl"]).read_bytes()
        assert table["sha256"] == hashlib.sha256(data).hexdigest()
        assert table["contentSize"] == f"{len(data)} B"


@pytest.fixture
def small_tables(datasets, tmp_path):
    """A folder with several tables of `train`."""
    write_croissant(
        tmp_path / "out",
        {"train": examples_of(datasets["person"], "train")},
        features=datasets["person"].info.features,
        about={"name": "people", "description": "Several tables."},
        table_bytes=200_000,
    )
    return tmp_path / "out"


def test_small_tables_hold_all_examples_in_order(datasets, small_tables):
    tables = sorted((small_tables / "train").iterdir())
    names = [e["image_name"] for e in examples_of(datasets["person"], "train")]

    assert len(tables) > 3
    assert max(table.stat().st_size for table in tables) < 300_000
    records = records_of(small_tables, "people", "train")
    assert [record["people/image_name"] for record in records] == names


def test_a_split_is_read_table_by_table(small_tables):
    first, second, *_ = sorted((small_tables / "train").iterdir())
    expected = pyarrow.parquet.read_metadata(first).num_rows
    second.write_bytes(b"no table")

    dataset = mlcroissant.Dataset(small_tables / "croissant.json")
    records = iter(dataset.records("people", filters={"people/split": "train"}))

    assert len(list(itertools.islice(records, expected))) == expected
    with pytest.raises(mlcroissant.GenerationError):
        next(records)


def test_only_the_splits_that_are_named_are_written(datasets, tmp_path, capsys):
    folder = tmp_path / "out"

    code = export(datasets["image"].data_dir, folder, "--splits", "validation", "train")

    assert code == 0
    assert {path.name for path in folder.iterdir()} == {
        *("croissant.json", "train", "validation")
    }
    printed = capsys.readouterr().out
    assert "validation: 4 examples\ntrain: 27 examples\nWrote" in printed
    assert len(records_of(folder, "images")) == 31


def test_drawn_people_are_not_called_mpiis(exported):
    content = json.loads((exported["image"] / "croissant.json").read_text())

    assert content["name"] == "Drawn people, image"
    assert "none of them is MPII's" in content["description"]
    assert "creator" not in content


def test_description_has_the_terms_and_the_citation_of_the_card(datasets, tmp_path):
    shutil.copytree(datasets["person"].data_dir, tmp_path / "data")
    metadata = json.loads((tmp_path / "data" / "metadata.json").read_text())
    (tmp_path / "data" / "metadata.json").write_text(
        json.dumps(metadata | {"drawn": False})
    )

    assert export(tmp_path / "data", tmp_path / "out") == 0

    content = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert content["name"] == "MPII Human Pose, person"
    assert "free for research" in content["description"]
    assert "freely available for research purposes" in content["license"]
    assert "andriluka14cvpr" in content["citeAs"]
    assert content["version"] == "1.0.0"
    assert content["creator"]["name"] == "Max Planck Institute for Informatics"
    assert content["datePublished"].startswith("2014-06")


def test_a_folder_that_exists_is_left_alone(datasets, tmp_path, capsys):
    (tmp_path / "out").mkdir()

    assert export(datasets["person"].data_dir, tmp_path / "out") == 1

    assert "out exists; name a folder that is not there" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_an_unknown_split_is_named_with_those_there_are(datasets, tmp_path, capsys):
    data_dir = datasets["image"].data_dir

    assert export(data_dir, tmp_path / "out", "--splits", "train", "val") == 1

    error = capsys.readouterr().err
    assert f"{data_dir} has no split val; it has train, validation, test" in error
    assert not list(tmp_path.iterdir())


def test_what_is_no_dataset_of_ours_is_refused(tmp_path, capsys):
    other = tfds.testing.DummyDataset(data_dir=tmp_path / "data")
    other.download_and_prepare()

    assert export(tmp_path, tmp_path / "out") == 1
    assert export(other.data_dir, tmp_path / "out") == 1

    nothing, dummy = capsys.readouterr().err.splitlines()[-2:]
    assert f"{tmp_path} is no dataset that was built" in nothing
    assert "has dummy_dataset/1.0.0, not mpii_pose" in dummy
    assert not (tmp_path / "out").exists()


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def lose_an_example(path):
    records = list(tf.data.TFRecordDataset(str(path)))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records[:-1]:
            writer.write(record.numpy())


@pytest.mark.parametrize("damage", [flip_a_byte, lose_an_example])
def test_a_damaged_dataset_leaves_nothing_behind(damage, datasets, tmp_path, capsys):
    dataset = tmp_path / "data"
    shutil.copytree(datasets["person"].data_dir, dataset)
    damage(next(dataset.glob("*-validation.tfrecord*")))

    assert export(dataset, tmp_path / "out") == 1

    error = capsys.readouterr().err.splitlines()[-1]
    assert f"Split validation of {dataset} has a damaged record or lacks" in error
    assert "build the dataset again" in error
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["person", "image"])
def test_tfds_builds_a_dataset_from_the_description(
    config, datasets, exported, tmp_path
):
    builder = tfds.core.dataset_builders.CroissantBuilder(
        jsonld=exported[config] / "croissant.json", data_dir=tmp_path
    )
    builder.download_and_prepare()

    def by_name(example):
        return example["image_name"], example.get("person_index")

    for split in datasets[config].info.splits:
        examples = sorted(examples_of(datasets[config], split), key=by_name)
        found = sorted(builds.read(builder, split), key=by_name)
        for example, other in zip(examples, found, strict=True):
            with PIL.Image.open(io.BytesIO(example["image"])) as image:
                np.testing.assert_array_equal(np.asarray(image), other["image"])
            for name in set(example) - {"image", "people"}:
                np.testing.assert_array_equal(example[name], other[name])
            if config == "image":
                keypoints = other["people"]["images/people/keypoints"]
                np.testing.assert_array_equal(example["people"]["keypoints"], keypoints)
