"""Engines' parts that Python packages do not bring, fetched once and kept."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

import apache_beam

CACHE = pathlib.Path(
    os.environ.get("MPII_POSE_CLUSTER_CACHE", "~/.cache/mpii_pose_clusters")
).expanduser()
FLINK_VERSION = "1.19.1"
# Stands in the pom too. A newer Beam of Python works with it.
JOB_SERVER_VERSION = "2.62.0"
JOB_SERVER_POM = pathlib.Path(__file__).with_name("flink_job_server.xml")


class PartMissingError(Exception):
    """A part cannot be had here; the message says which and why."""


def need_packages(*names: str) -> None:
    """Raises `PartMissingError` unless Python packages are installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise PartMissingError(f"Python package {name} is not installed")


def need_commands(*names: str) -> None:
    """Raises `PartMissingError` unless commands are on the PATH."""
    for name in names:
        if shutil.which(name) is None:
            raise PartMissingError(f"no command {name}")


def flink_home() -> pathlib.Path:
    """Returns the folder of a Flink distribution, that of PyPI's wheels."""
    folder = CACHE / f"flink-{FLINK_VERSION}"
    packages = [f"apache-flink{x}=={FLINK_VERSION}" for x in ("", "-libraries")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    if not folder.exists():
        _fetch(*pip, f"{folder}.part", *packages)
        pathlib.Path(f"{folder}.part").rename(folder)
    return folder / "pyflink"


def flink_job_server() -> str:
    """Returns the class path of Beam's job server for Flink, from Maven Central.

    Its one jar with everything in it is not everywhere to be had; its parts are.
    """
    need_commands("java", "mvn")
    folder = CACHE / f"flink-job-server-{JOB_SERVER_VERSION}"
    if not folder.exists():
        _fetch(
            *("mvn", "--quiet", "--batch-mode", "--update-snapshots"),
            *("--file", str(JOB_SERVER_POM)),
            *("dependency:copy-dependencies", "-DincludeScope=runtime"),
            f"-DoutputDirectory={folder}.part",
        )
        pathlib.Path(f"{folder}.part").rename(folder)
    return f"{folder}/*"


def prism() -> pathlib.Path:
    """Returns Beam's own engine, compiled from its Go module."""
    binary = CACHE / "bin" / "prism"
    if not binary.exists():
        need_commands("go")
        module = "github.com/apache/beam/sdks/v2/go/cmd/prism"
        command = ["go", "install", f"{module}@v{apache_beam.__version__}"]
        _fetch("env", f"GOBIN={binary.parent}", *command)
    return binary


def _fetch(*command: str) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        lines = (result.stderr + result.stdout).splitlines()
        reasons = [line for line in lines if "rror" in line.lower() or "not" in line]
        raise PartMissingError(f"{' '.join(command)}: {' '.join(reasons[:1])}")
