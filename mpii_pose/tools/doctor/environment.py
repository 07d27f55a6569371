"""Looks at Python, the packages and the disk."""

import importlib
import importlib.metadata
import os
import pathlib
import platform
import shutil
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement

from mpii_pose.release import official
from mpii_pose.tools.doctor.diagnosis import Diagnosis, fine, note, problem

# Installed is not enough for these: a broken build of them fails when imported.
_IMPORTED = ("tensorflow", "tensorflow_datasets")


def check_environment(data_dir: str | os.PathLike[str] | None) -> Iterator[Diagnosis]:
    """Looks at Python, the packages that are required, and the disk.

    Args:
        data_dir: Where datasets are built; None for where TFDS builds them.
    """
    try:
        metadata = importlib.metadata.metadata("mpii_pose")
    except importlib.metadata.PackageNotFoundError:
        yield note(
            "mpii_pose is not installed and runs from its folder, so the versions it "
            "supports are not known: pip install -e . there"
        )
    else:
        yield fine(
            f"mpii_pose {metadata['Version']}, Python {platform.python_version()}"
        )
        supported = f"Python{metadata['Requires-Python'] or ''}"
        requirements = metadata.get_all("Requires-Dist") or []
        yield from check_requirements([supported, *requirements])
    yield from map(check_import, _IMPORTED)
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    yield check_disk(data_dir)


def check_requirements(requirements: Iterable[str]) -> Iterator[Diagnosis]:
    """Compares what is installed with what is required; says what is not as it should.

    Args:
        requirements: As in a package's metadata, such as "numpy>=1.26". Those of extras
            are looked at if they are installed.
    """
    for requirement in map(Requirement, requirements):
        name, wanted = requirement.name, f"{requirement.name}{requirement.specifier}"
        version = _installed_version(name)
        is_extra = "extra ==" in str(requirement.marker)
        if requirement.marker and not is_extra and not requirement.marker.evaluate():
            continue
        if version is None and not is_extra:
            yield problem(f"{name} is not installed: pip install '{wanted}'")
        elif version and not requirement.specifier.contains(version, prereleases=True):
            yield problem(
                f"{name} {version} is not supported: mpii_pose needs "
                f"{requirement.specifier}: pip install '{wanted}'"
            )


def _installed_version(name: str) -> str | None:
    """Returns the version of what gives the package, such as tensorflow-cpu."""
    if name == "Python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        packages = importlib.metadata.packages_distributions()
        others = packages.get(name.replace("-", "_"), [])
        return importlib.metadata.version(others[0]) if others else None


def check_import(name: str) -> Diagnosis:
    """Imports a package."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # Broken packages fail in ways of their own.
        return problem(
            f"import {name} fails: {type(error).__name__}: {error}\nIf its versions do "
            "not fit together: pip install --upgrade tensorflow tensorflow-datasets "
            "tensorflow-metadata protobuf"
        )
    return fine(f"import {name} works, version {getattr(module, '__version__', '?')}")


def check_disk(folder: str | os.PathLike[str]) -> Diagnosis:
    """Compares free space with what the real dataset takes.

    Args:
        folder: Where datasets are built; it may not exist yet.
    """
    folder = pathlib.Path(folder).expanduser()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    total = sum(official.DISK_BYTES.values())
    text = f"{free / 1e9:.1f} GB are free for {folder}"
    if free >= total:
        return fine(text)
    steps = ", ".join(f"{k} {v / 1e9:.1f} GB" for k, v in official.DISK_BYTES.items())
    return note(
        f"{text}; all of MPII needs {total / 1e9:.1f} GB ({steps}; name a larger disk "
        "with --data_dir), mpii_pose/synthetic some MB"
    )
