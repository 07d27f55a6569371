"""Builds and reads datasets as users do."""

import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

import mpii_pose

ROOT = pathlib.Path(__file__).parents[1]
SPLITS = ["train", "validation", "validation_others", "test"]
# Leaves images as they are stored.
ENCODED = {"image": tfds.decode.SkipDecoding()}
# Takes away what Python has on Linux alone, or not on Windows.
ELSEWHERE = """
import os, sys
for name in ("sched_getaffinity", "register_at_fork", "fork"):
    vars(os).pop(name, None)
os.process_cpu_count = os.cpu_count  # From Python 3.13 on, the first one's on Linux.
sys.modules["fcntl"] = None
"""


def build(
    data_dir: pathlib.Path,
    manual_dir: pathlib.Path | None = None,
    *,
    config: Any = "person",
    file_format: str | None = None,
    **options: Any,
) -> mpii_pose.Builder:
    """Builds a dataset; `options` are those of `tfds.download.DownloadConfig`."""
    how = {"config": config, "file_format": file_format}
    builder = mpii_pose.Builder(data_dir=data_dir, **how)
    download_config = tfds.download.DownloadConfig(manual_dir=manual_dir, **options)
    builder.download_and_prepare(download_config=download_config)
    return builder


def read(builder: Any, split: str, **options: Any) -> list[dict[str, Any]]:
    """Returns the examples of a split in the order they are stored, as NumPy."""
    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    dataset = builder.as_dataset(split=split, read_config=config, **options)
    return list(tfds.as_numpy(dataset))


def assert_same_examples(
    found: list[dict[str, Any]], expected: list[dict[str, Any]]
) -> None:
    """Asserts that two lists hold the same examples in the same order."""
    assert len(found) == len(expected)
    for example, other in zip(found, expected, strict=True):
        assert example.keys() == other.keys()
        for name, value in example.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def prepared(data_dir: pathlib.Path) -> list[pathlib.Path]:
    """Returns what stands below `data_dir` and looks like records or a dataset."""
    folder = data_dir / "mpii_pose"
    return [*folder.rglob("*tfrecord*"), *folder.rglob("dataset_info.json")]


def output_of(code: str, *arguments: object, **env: str) -> str:
    """Returns what a Python program prints; a failure shows its standard error."""
    ended = run("python", "-c", code, *map(str, arguments), **env)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run(
    *command: str, cwd: pathlib.Path = ROOT, **env: str
) -> subprocess.CompletedProcess:
    """Runs a command of this Python environment; its output is text."""
    path = pathlib.Path(sys.executable).parent
    return subprocess.run(
        [path / command[0], *command[1:]],
        cwd=cwd,
        env=os.environ | {"PATH": f"{path}:{os.environ['PATH']}"} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
