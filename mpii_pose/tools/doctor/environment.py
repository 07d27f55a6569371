"""Looks at Python, the packages and the disk."""

import importlib
import importlib.metadata
import os
import pathlib
import platform
import shlex
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement

from mpii_pose import workplace
from mpii_pose.release import disk, official
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
    yield from check_leftovers(data_dir)


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


def check_disk(data_dir: str | os.PathLike[str]) -> Diagnosis:
    """Says what is still to be written for all of MPII, and what is free.

    Args:
        data_dir: Where datasets are built; it may not exist yet.
    """
    data_dir = pathlib.Path(data_dir).expanduser()
    downloads = data_dir / "downloads"
    built = {folder.parent.name for folder in _built(data_dir)}
    layouts = [name for name in official.DATASET_BYTES if name not in built]
    if not layouts:
        return fine(f"All configs of MPII are built in {data_dir}")
    first, *others = (disk.dataset_step(layout, data_dir) for layout in layouts)
    steps = disk.release_steps(downloads, downloads / "extracted")
    disks = disk.by_disk([*steps, first])
    text = f"MPII on disk: {'; '.join(map(str, disks))}"
    if others:
        text += f"\nOr {', or '.join(map(str, others))}; synthetic takes some MB"
    if all(each.suffices() for each in disks):
        return fine(text)
    return note(f"{text}\nThat is not enough: name a larger disk with --data_dir")


def check_leftovers(data_dir: str | os.PathLike[str]) -> Iterator[Diagnosis]:
    """Names what killed builds left behind, and downloads that built datasets had.

    Args:
        data_dir: Where datasets are built.
    """
    data_dir = pathlib.Path(data_dir).expanduser()
    built = [str(folder.relative_to(data_dir)) for folder in _built(data_dir)]
    downloads = data_dir / "downloads"
    places = (f"{disk.OURS}/*", f"downloads/extracted/{disk.OURS}")
    names = [f"{place}/{workplace.TEMPORARY_FOLDERS}" for place in places]
    if left := [str(path) for name in names for path in data_dir.glob(name)]:
        yield note(
            "A build that was killed left this behind. Once no build is running, "
            f"remove it:\nrm -r {shlex.join(left)}"
        )
    folders = [downloads / disk.OURS, downloads / "extracted" / disk.OURS]
    sizes = {folder: disk.bytes_in(folder) for folder in folders}
    used = [folder for folder in folders if sizes[folder]]
    if built and used:
        yield note(
            f"{', '.join(built)} can be read without what was downloaded and extracted "
            f"for it. To free {disk.in_gb(sum(sizes.values()))}, unless a build is "
            "running or you will build another config of MPII:\nrm -r "
            f"{shlex.join(map(str, used))}"
        )


def _built(data_dir: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders of MPII's datasets that are built."""
    infos = sorted(data_dir.glob(f"{disk.OURS}/*/*/dataset_info.json"))
    return [info.parent for info in infos if info.parts[-3] != "synthetic"]
