"""Looks at Python, the packages and the disk."""

import importlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mpii_pose.tools.doctor.diagnosis import Diagnosis, fine, note, problem

_PACKAGE = "mpii_pose"
# Installed is not enough for these: a broken build of them fails when imported.
_IMPORTED = ("tensorflow", "tensorflow_datasets")
# What the examples take, and so what a build writes: the images as they are.
BUILD_BYTES = 13_000_000_000


def check_environment(
    data_dir: str | os.PathLike[str] | None = None,
) -> list[Diagnosis]:
    """Looks at Python, the packages that are required, and the disk.

    Args:
        data_dir: Where datasets are built; by default where TFDS builds them.
    """
    try:
        metadata = importlib.metadata.metadata(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        installed = [
            note(
                f"{_PACKAGE} runs from its folder and is not installed, so the "
                "versions it supports are not known: pip install -e . there"
            )
        ]
    else:
        installed = [
            fine(f"{_PACKAGE} {metadata['Version']}"),
            check_python(platform.python_version(), metadata["Requires-Python"] or ""),
            *check_requirements(metadata.get_all("Requires-Dist") or ()),
        ]
    imported = [check_import(name) for name in _IMPORTED]
    return [*installed, *imported, check_disk(data_dir or default_data_dir())]


def check_python(version: str, supported: str) -> Diagnosis:
    """Compares the version of Python with those supported, such as ">=3.11"."""
    if SpecifierSet(supported).contains(version, prereleases=True):
        return fine(f"Python {version}")
    return problem(f"Python {version} is not supported: {_PACKAGE} needs {supported}")


def check_requirements(requirements: Iterable[str]) -> Iterator[Diagnosis]:
    """Compares what is installed with what is required.

    Args:
        requirements: As in a package's metadata, such as "numpy>=1.26" or
            'matplotlib; extra == "plot"'.
    """
    for text in requirements:
        requirement = Requirement(text)
        extra = _extra(requirement)
        if extra is None and requirement.marker and not requirement.marker.evaluate():
            continue
        if extra == "test":
            continue
        yield _check_requirement(requirement, extra)


def _check_requirement(requirement: Requirement, extra: str | None) -> Diagnosis:
    name, wanted = requirement.name, f"{requirement.name}{requirement.specifier}"
    version = _installed_version(name)
    if version is None:
        if extra is not None:
            return note(
                f"{name} is not installed; some things need it: pip install "
                f"'{_PACKAGE}[{extra}]'"
            )
        return problem(f"{name} is not installed: pip install '{wanted}'")
    if requirement.specifier.contains(version, prereleases=True):
        return fine(f"{name} {version}")
    return problem(
        f"{name} {version} is not supported: {_PACKAGE} needs {requirement.specifier}: "
        f"pip install '{wanted}'"
    )


def _installed_version(name: str) -> str | None:
    """Returns the version of what gives the package, such as tensorflow-cpu."""
    others = importlib.metadata.packages_distributions().get(name.replace("-", "_"))
    for distribution in (name, *(others or ())):
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _extra(requirement: Requirement) -> str | None:
    """Returns the extra that a requirement belongs to, if any."""
    marker = str(requirement.marker or "")
    if "extra ==" not in marker:
        return None
    return marker.split("extra ==")[1].split('"')[1]


def check_import(name: str) -> Diagnosis:
    """Imports a package."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # Broken packages fail in ways of their own.
        return problem(f"import {name} fails: {type(error).__name__}: {error}")
    return fine(f"import {name} works, version {getattr(module, '__version__', '?')}")


def check_disk(folder: str | os.PathLike[str]) -> Diagnosis:
    """Compares free space with what building the real dataset takes.

    Args:
        folder: Where datasets are built; it may not exist yet.
    """
    folder = pathlib.Path(folder).expanduser()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB are free for {folder}"
    if free >= BUILD_BYTES:
        return fine(text)
    return note(
        f"{text}; building mpii_pose/person takes {BUILD_BYTES / 1e9:.0f} GB (name a "
        "larger disk with --data_dir), mpii_pose/synthetic some MB"
    )


def default_data_dir() -> str:
    """Returns where TFDS builds datasets if it is not told."""
    return os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
