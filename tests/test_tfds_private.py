"""TFDS's private names are where `tfds_private` takes them from."""

import inspect
import pathlib
import re

import pytest
import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose import tfds_private, workplace

# Imported name -> the parameters that we give it.
PARAMETERS = {
    "ExampleSerializer": ["example_specs"],
    "Hasher": ["salt"],
    "get_dl_fname": ["url"],
    "get_shard_boundaries": ["num_examples", "number_of_shards"],
    "has_sufficient_disk_space": ["needed_bytes", "directory"],
    "incomplete_file": ["path"],
}
# Those of methods of its builder.
METHODS = {
    "_get_filename_template": ["split_name"],
    "_example_writer": [],
    "_process_pipeline_result": ["pipeline_result"],
    "_generate_splits": ["dl_manager", "download_config"],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_function_takes_what_we_give_it(name):
    parameters = list(inspect.signature(getattr(tfds_private, name)).parameters)

    assert parameters[: len(PARAMETERS[name])] == PARAMETERS[name], name


@pytest.mark.parametrize("name", METHODS)
def test_hook_is_there_and_called(name):
    owner = tfds.core.GeneratorBasedBuilder
    method = getattr(owner, name, None)

    assert method is not None, f"TFDS has moved {name}"
    assert list(inspect.signature(method).parameters)[1:] == METHODS[name]
    source = inspect.getsource(inspect.getmodule(owner))
    assert f"self.{name}(" in source, f"TFDS no longer calls {name}"


def test_manager_has_a_folder_for_extracted_archives_and_takes_a_downloader(tmp_path):
    folders = {"download_dir": tmp_path / "a", "extract_dir": tmp_path / "b"}
    manager = tfds.download.DownloadManager(**folders)
    downloader = object()

    tfds_private.use_downloader(manager, downloader)

    assert manager._downloader is downloader
    assert tfds_private.extract_dir(manager) == tmp_path / "b"


def test_temporary_folders_are_named_as_workplace_looks_for_them(tmp_path):
    with tfds.core.utils.incomplete_dir(tmp_path / "1.0.0") as folder:
        (found,) = tmp_path.glob(workplace.TEMPORARY_FOLDERS)

        assert found == pathlib.Path(folder)


def test_hasher_and_boundaries_give_the_order_of_published_builds():
    hasher = tfds_private.Hasher("train")

    assert hasher.hash_key("015601864.jpg/0") == 14415870792610316882968942696285413299
    assert list(tfds_private.get_shard_boundaries(10, 3)) == [3, 7, 10]


def test_no_other_module_uses_private_names():
    private = re.compile(
        r"tensorflow_datasets\.core|tfds\.core\.(utils|units|hashing)|"
        r"\b(builder|self|dl_manager)\._(get_filename_template|example_writer|extract_dir)"
    )
    root = pathlib.Path(mpii_pose.__file__).parent

    found = [path for path in root.rglob("*.py") if private.search(path.read_text())]

    assert [path.name for path in found] == ["tfds_private.py"]
