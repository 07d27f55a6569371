"""What a build has still to write is known step by step, and what is free for it."""

import json
import os
import pathlib
import shutil
import types

import pytest

from mpii_pose.release import archives, disk, official
from mpii_pose.shards.layouts import LAYOUTS

GB = 10**9


def names_and_sizes(steps):
    return [(step.name.split()[0], disk.in_gb(step.num_bytes)) for step in steps]


def downloaded(folder, name):
    """Puts an archive where TFDS keeps it, with TFDS's note of whose it is."""
    path = folder / "mpii_pose" / f"as_tfds_calls_it_{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"archive")
    note = {"urls": [official.URLS[name]], "dataset_names": ["mpii_pose"]}
    path.with_name(f"{path.name}.INFO").write_text(json.dumps(note))
    return path


def test_from_nothing_archives_are_downloaded_and_extracted(tmp_path):
    steps = disk.release_steps(tmp_path / "downloads", tmp_path / "extracted")

    assert names_and_sizes(steps) == [
        ("downloading", "12.9 GB"),
        ("extracting", "12.9 GB"),
    ]


def test_what_is_there_is_not_written_again(tmp_path):
    part = tmp_path / "mpii_pose" / f"{official.IMAGES_ARCHIVE}.part"
    part.parent.mkdir()
    with part.open("wb") as file:
        file.truncate(9 * GB)
    assert names_and_sizes(disk.release_steps(tmp_path, tmp_path / "extracted")) == [
        ("downloading", "3.9 GB"),
        ("extracting", "12.9 GB"),
    ]

    part.unlink()
    for name in official.URLS:
        downloaded(tmp_path, name)
    steps = disk.release_steps(tmp_path, tmp_path / "extracted")
    assert names_and_sizes(steps) == [("extracting", "12.9 GB")]

    archive = downloaded(tmp_path, official.IMAGES_ARCHIVE)
    archives.folder_of(archive, tmp_path / "extracted" / "mpii_pose").mkdir(
        parents=True
    )
    assert not disk.release_steps(tmp_path, tmp_path / "extracted")


@pytest.mark.parametrize("note", ["", "{", '{"urls": ["https://else.where/x.tar"]}'])
def test_a_note_that_names_no_archive_counts_for_nothing(tmp_path, note):
    path = downloaded(tmp_path, official.IMAGES_ARCHIVE)
    path.with_name(f"{path.name}.INFO").write_text(note)

    download, _ = disk.release_steps(tmp_path, tmp_path / "extracted")

    assert disk.in_gb(download.num_bytes) == "12.9 GB"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_has_a_figure_of_which_a_few_examples_take_a_part(layout):
    whole = disk.dataset_step(layout, "data")
    some = disk.dataset_step(layout, "data", max_examples=10)

    assert f"mpii_pose/{layout} about " in str(whole)
    assert 0 < some.num_bytes < whole.num_bytes / 500


def test_steps_on_one_file_system_are_summed_and_on_others_not(tmp_path, monkeypatch):
    other = pathlib.Path("/proc")
    if not other.exists() or other.stat().st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("needs two file systems")
    free = {tmp_path: 3 * GB, other: GB}
    usage = lambda path: types.SimpleNamespace(free=free[path])  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)

    here, there = disk.by_disk(
        [
            disk.Step("downloading", tmp_path / "not" / "yet", GB),
            disk.Step("extracting", other / "nor_this", 2 * GB),
            disk.Step("building", tmp_path, 2 * GB, is_estimate=True),
            disk.Step("storing", "gs://bucket/data", 9 * GB),
        ]
    )

    assert str(here) == (
        "downloading 1.0 GB + building about 2.0 GB = 3.0 GB; 3.0 GB are free in "
        f"{tmp_path}"
    )
    assert here.suffices()
    assert not there.suffices()


def test_an_estimate_alone_is_no_certain_shortage(tmp_path, monkeypatch):
    usage = types.SimpleNamespace(free=2 * GB)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    steps = [
        disk.Step("extracting", tmp_path, 2 * GB),
        disk.Step("building", tmp_path, 1, is_estimate=True),
    ]

    (found,) = disk.by_disk(steps)

    assert found.suffices(for_estimates=False)
    assert not found.suffices()
