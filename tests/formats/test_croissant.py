"""Tables and their Croissant description have what TFDS gives."""

import hashlib
import io
import itertools
import json
import shutil

import mlcroissant
import numpy as np
import PIL.Image
import pyarrow.parquet
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from mpii_pose.formats import croissant
from mpii_pose.formats.croissant import record_set_of
from mpii_pose.tools.main import main
from tests import builds

# Configs and formats of the datasets that are exported.
DATASETS = {"person": None, "person_crop": "array_record", "image": None}


@pytest.fixture(scope="module")
def datasets(drawn_release, tmp_path_factory):
    """Builders by config."""
    folder = tmp_path_factory.mktemp("data")
    return {
        config: builds.build(folder, drawn_release, config=config, file_format=kind)
        for config, kind in DATASETS.items()
    }


@pytest.fixture(scope="module")
def exported(datasets, tmp_path_factory):
    """Folders that the command wrote, by config."""
    folder = tmp_path_factory.mktemp("exported")
    for config, builder in datasets.items():
        assert export(builder.data_dir, folder / config) == 0
    return {config: folder / config for config in datasets}


def export(dataset, folder, *options):
    return main(["export", "croissant", str(dataset), str(folder), *options])


def examples_of(builder, split):
    """Examples as TFDS gives them, with the bytes of JPEGs, in the stored order."""
    if builder.info.file_format.value == "array_record":
        return list(builder.as_data_source(split=split, decoders=builds.ENCODED))
    return builds.read(builder, split, decoders=builds.ENCODED)


def records_of(folder, record_set, split=None):
    """Records as mlcroissant gives them."""
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    filters = {f"{record_set}/split": split} if split else None
    return list(dataset.records(record_set, filters=filters))


def content_of(folder):
    return json.loads((folder / "croissant.json").read_text())


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


@pytest.mark.parametrize("config", DATASETS)
def test_tables_and_records_are_tfdss_examples(config, datasets, exported, log):
    features = datasets[config].info.features
    name = record_set_of(features)
    found = {}

    for split in datasets[config].info.splits:
        examples = examples_of(datasets[config], split)
        table = pyarrow.parquet.read_table(exported[config] / split)
        assert table["image"].to_pylist() == [e["image"] for e in examples]
        # TFDS reads features in an order that changes from run to run.
        assert table.column_names == sorted(table.column_names)
        if "people" in table.column_names:
            of_people = [f.name for f in table.schema.field("people").type.value_type]
            assert of_people == sorted(of_people)
        found[split] = records_of(exported[config], name, split)
        for record, example in zip(found[split], examples, strict=True):
            names = {f"{name}/{feature}" for feature in features}
            assert record.keys() == names | {f"{name}/split"}
            assert record[f"{name}/split"] == split.encode()
            for key, feature in features.items():
                field = f"{name}/{key}"
                assert_same(record[field], example[key], feature, field)

    issues = mlcroissant.Dataset(exported[config] / "croissant.json").metadata.issues
    assert not issues.errors
    assert not issues.warnings
    assert not [r.getMessage() for r in log.records if r.levelname != "INFO"]
    record_sets = content_of(exported[config])["recordSet"]
    (record_set,) = (each for each in record_sets if each["@id"] == name)
    keys = record_set["key"] if config != "image" else [record_set["key"]]
    records = records_of(exported[config], name)
    assert len(records) == sum(map(len, found.values()))
    assert len({tuple(r[k["@id"]] for k in keys) for r in records}) == len(records)


def test_description_is_croissant_1_1_and_stable(datasets, exported, tmp_path):
    assert export(datasets["image"].data_dir, tmp_path / "again") == 0

    folder = exported["image"]
    text = (folder / "croissant.json").read_text()
    assert (tmp_path / "again" / "croissant.json").read_text() == text
    content = json.loads(text)
    assert content["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    images = content["recordSet"][1]
    (people,) = (f for f in images["field"] if f["@id"] == "images/people")
    (keypoints,) = (f for f in people["subField"] if f["name"] == "keypoints")
    assert people["isArray"]
    assert (keypoints["isArray"], keypoints["arrayShape"]) == (True, "16,2")
    assert keypoints["dataType"] == "cr:Float32"
    tables = [file for file in content["distribution"] if "sha256" in file]
    assert len(tables) == len(list(folder.rglob("*.parquet"))) == 3
    for table in tables:
        data = (folder / table["contentUrl"]).read_bytes()
        assert table["sha256"] == hashlib.sha256(data).hexdigest()
        assert table["contentSize"] == f"{len(data)} B"


def test_small_tables_are_read_one_by_one(datasets, tmp_path, monkeypatch):
    monkeypatch.setattr(croissant, "TABLE_BYTES", 200_000)
    assert export(datasets["person"].data_dir, tmp_path / "out") == 0

    tables = sorted((tmp_path / "out" / "train").iterdir())
    names = [e["image_name"] for e in examples_of(datasets["person"], "train")]
    assert len(tables) > 3
    assert max(table.stat().st_size for table in tables) < 300_000
    records = records_of(tmp_path / "out", "people", "train")
    assert [record["people/image_name"] for record in records] == names
    tables[1].write_bytes(b"no table")
    dataset = mlcroissant.Dataset(tmp_path / "out" / "croissant.json")
    records = iter(dataset.records("people", filters={"people/split": "train"}))
    of_first = pyarrow.parquet.read_metadata(tables[0]).num_rows
    assert len(list(itertools.islice(records, of_first))) == of_first
    with pytest.raises(mlcroissant.GenerationError):
        next(records)


def test_only_the_splits_that_are_named_are_written(datasets, tmp_path, capsys):
    folder = tmp_path / "out"

    code = export(datasets["image"].data_dir, folder, "--splits", "validation", "train")

    assert code == 0
    assert {path.name for path in folder.iterdir()} == {
        *("croissant.json", "README.md", "train", "validation")
    }
    # `datasets` of Hugging Face 5.2.0 and 3.6.0 read these splits and images.
    _, head, text = (folder / "README.md").read_text().split("---\n")
    configs, info = (json.loads(line.split(" ", 1)[1]) for line in head.splitlines())
    assert head.startswith('configs: [{"config_name": "default", "data_files": [{')
    splits = "validation", "train"
    places = [{"split": name, "path": f"{name}/*.parquet"} for name in splits]
    assert configs[0]["data_files"] == places
    columns = {feature.pop("name"): feature for feature in info["features"]}
    assert columns["image"] == {"dtype": "image"}
    parts = {feature.pop("name"): feature for feature in columns["people"]["list"]}
    assert parts["visibility"] == {"sequence": "int8", "length": 16}
    inner = {"sequence": "float32", "length": 2}
    assert parts["keypoints"] == {"sequence": inner, "length": 16}
    table = pyarrow.parquet.read_table(folder / "train")
    assert table.column_names == list(columns)
    assert [f.name for f in table.schema.field("people").type.value_type] == list(parts)
    assert text.startswith("# Synthetic people, image\n")
    printed = capsys.readouterr().out
    assert "validation: 4 examples\ntrain: 27 examples\nWrote" in printed
    assert len(records_of(folder, "images")) == 31


def test_description_has_the_terms_of_the_card(datasets, exported, tmp_path):
    shutil.copytree(datasets["person"].data_dir, tmp_path / "data")
    metadata = tmp_path / "data" / "metadata.json"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"drawn": False}))

    assert export(tmp_path / "data", tmp_path / "out") == 0

    content = content_of(tmp_path / "out")
    assert content["name"] == "MPII Human Pose, person"
    assert "free for research" in content["description"]
    assert "freely available for research purposes" in content["license"]
    assert "andriluka14cvpr" in content["citeAs"]
    assert content["version"] == "1.0.0"
    assert content["creator"]["name"] == "Max Planck Institute for Informatics"
    assert content["datePublished"].startswith("2014-06")
    synthetic = content_of(exported["image"])
    assert synthetic["name"] == "Synthetic people, image"
    assert synthetic["license"].startswith("Apache License")
    assert "none of them is MPII's" in synthetic["description"]
    assert "creator" not in synthetic


def test_what_cannot_be_exported_is_refused(datasets, tmp_path, capsys):
    data_dir = datasets["image"].data_dir
    (tmp_path / "mine").mkdir()

    assert export(tmp_path, tmp_path / "out") == 1
    assert export(data_dir, tmp_path / "out", "--splits", "train", "val") == 1
    assert export(data_dir, tmp_path / "mine") == 1

    errors = capsys.readouterr().err.splitlines()[-3:]
    assert f"{tmp_path} is no dataset that was built" in errors[0]
    assert f"{data_dir} has no split val; it has train, validation, test" in errors[1]
    assert "mine exists; name a folder that is not there" in errors[2]
    assert not list((tmp_path / "mine").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["person", "image"])
def test_tfds_builds_from_the_description(config, datasets, exported, tmp_path):
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
