"""Engines' parts that Python packages do not bring, fetched once and kept."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

import apache_beam

from mpii_pose import workplace

CACHE = pathlib.Path(
    os.environ.get("MPII_POSE_CLUSTER_CACHE", "~/.cache/mpii_pose_clusters")
).expanduser()
FLINK_VERSION = "1.19.1"
SPARK_VERSION = "3.5.9"
# Stands in the pom too. A newer Beam of Python works with it.
JOB_SERVER_VERSION = "2.62.0"
JOB_SERVER_POM = pathlib.Path(__file__).with_name("job_server.xml")


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
    packages = [f"apache-flink{x}=={FLINK_VERSION}" for x in ("", "-libraries")]
    return _installed(f"flink-{FLINK_VERSION}", *packages) / "pyflink"


def spark_home() -> pathlib.Path:
    """Returns the folder of a Spark distribution, that of PyPI's package."""
    name = f"spark-{SPARK_VERSION}"
    return _installed(name, f"pyspark=={SPARK_VERSION}") / "pyspark"


def _installed(name: str, *packages: str) -> pathlib.Path:
    """Returns a folder with Python packages and nothing that they depend on."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    return _made_once(name, lambda partial: _fetch(*pip, str(partial), *packages))


def job_server(engine: str, *options: str) -> pathlib.Path:
    """Returns a folder with Beam's job server for an engine, from Maven Central.

    Its one jar with everything in it is not everywhere to be had; its parts are.
    Options are Maven's.
    """
    need_commands("java", "mvn")
    command = ["mvn", "--quiet", "--batch-mode", "--update-snapshots"]
    command += ["--file", str(JOB_SERVER_POM), *options]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    return _made_once(
        f"{engine}-job-server-{JOB_SERVER_VERSION}",
        lambda partial: _fetch(*command, f"-DoutputDirectory={partial}"),
    )


def _made_once(name: str, make: Callable[[object], None]) -> pathlib.Path:
    """Returns a folder of the cache; tests that run at once do not make it twice."""
    return pathlib.Path(workplace.make_once(CACHE / name, make))


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
