"""Checks Python, packages and disk and, with PATH, a copy of MPII or datasets.

Examples:
  python -m mpii_pose doctor
  python -m mpii_pose doctor ~/mpii --data_dir /data/tensorflow_datasets
  python -m mpii_pose doctor ~/tensorflow_datasets

PATH is the folder that you would give to `tfds build --manual_dir`: it may hold the
official archives, what is in them, or a JSON copy of the annotations with images/.
Images are read as a build reads them, or their archive, which takes some minutes.
Or PATH is a dataset that was built, or a folder in which TFDS keeps some: every image
of them is decoded, which takes some minutes for all of MPII. If TensorFlow stops with
"Invalid JPEG data", the doctor names the image.
Exit code: 0 if nothing is wrong, 1 if there is a problem.
"""

import argparse
import concurrent.futures
import enum
import functools
import importlib
import importlib.metadata
import importlib.util
import itertools
import os
import pathlib
import platform
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from etils import epath
from packaging.requirements import Requirement

from mpii_pose import workplace
from mpii_pose.checks import MpiiPoseError
from mpii_pose.person import PersonAnnotation
from mpii_pose.release import archives, download, find, official, split
from mpii_pose.release.release import Sizes, check_sizes, image_names
from mpii_pose.shards import images
from mpii_pose.tools.people import find_datasets, open_dataset, read_examples


class State(enum.Enum):
    """The gravity of a finding, the worst first."""

    PROBLEM = "PROBLEM"  # Something will not work.
    NOTE = "note"  # Worth knowing; nothing has to be done.
    FINE = "ok"


class Diagnosis(NamedTuple):
    """One finding: what was found and, where it is wrong, what to do."""

    state: State
    text: str

    def __str__(self) -> str:
        return f"{self.state.value:8} {self.text}".replace("\n", "\n" + 9 * " ")


# Packages that `requirements-arrays.txt` leaves out, and what needs them.
NOT_FOR_ARRAYS = {
    "tensorflow": "input_pipeline, Keras, tfrecord files and the command tfds",
    "apache-beam": "the command tfds and builds on Beam",
    "mlcroissant": "the command tfds and export croissant",
}

fine = functools.partial(Diagnosis, State.FINE)
note = functools.partial(Diagnosis, State.NOTE)
problem = functools.partial(Diagnosis, State.PROBLEM)


def add_parser(commands: Any) -> None:
    """Adds the command."""
    text = "check the installation, and a copy of MPII"
    parser = commands.add_parser("doctor", help=text, description=__doc__)
    text = "a copy of MPII, a dataset or a folder of datasets"
    parser.add_path("path", "PATH", text, nargs="?")
    text = "where you build (default: PATH, if datasets are in it, or TFDS's)"
    parser.add_path("--data_dir", "DIR", text)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the number of problems, the problems, then everything else."""
    data_dir = args.data_dir or data_dir_of(args.path)
    diagnoses = [*check_environment(data_dir, args.path)]
    if args.path is not None:
        print(f"Reading {args.path} ...", file=sys.stderr)
        diagnoses += check_path(args.path)
    problems = sum(diagnosis.state is State.PROBLEM for diagnosis in diagnoses)
    print(f"{problems or 'No'} problem{'s' * (problems != 1)} found")
    worst_first = sorted(diagnoses, key=lambda each: [*State].index(each.state))
    print(*worst_first, sep="\n")
    return min(problems, 1)


def check_environment(
    data_dir: epath.PathLike | None = None, release: epath.Path | None = None
) -> Iterator[Diagnosis]:
    """Checks Python, the required packages and the disk of `data_dir`.

    The images of a `release`, a copy of MPII, need not be downloaded.
    """
    try:
        metadata = importlib.metadata.metadata("mpii_pose")
    except importlib.metadata.PackageNotFoundError:
        yield note(
            "mpii_pose is not installed and runs from its folder, so the versions it "
            "supports are not known: pip install -e . there"
        )
    else:
        python = f"Python {platform.python_version()}"
        yield fine(f"mpii_pose {metadata['Version']}, {python}")
        supported = f"Python{metadata['Requires-Python'] or ''}"
        requirements = metadata.get_all("Requires-Dist") or []
        yield from check_requirements([supported, *requirements])
    # A broken installation of them shows only when they are imported.
    if importlib.util.find_spec("tensorflow"):
        yield check_import("tensorflow")
    yield check_import("tensorflow_datasets")
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    data_dir = pathlib.Path(data_dir).expanduser()
    yield check_disk(data_dir, release)
    yield from check_leftovers(data_dir)


def check_requirements(requirements: Iterable[str]) -> Iterator[Diagnosis]:
    """Compares installed versions with requirements such as "numpy>=1.26".

    Packages of extras may be missing.
    """
    for requirement in map(Requirement, requirements):
        name, wanted = requirement.name, f"{requirement.name}{requirement.specifier}"
        version = _installed_version(name)
        is_extra = "extra ==" in str(requirement.marker)
        if requirement.marker and not is_extra and not requirement.marker.evaluate():
            continue
        if version is None and name in NOT_FOR_ARRAYS:
            text = f"{name} is not installed; for {NOT_FOR_ARRAYS[name]}"
            yield note(f"{text}: pip install '{wanted}'")
        elif version is None and not is_extra:
            yield problem(f"{name} is not installed: pip install '{wanted}'")
        elif version and not requirement.specifier.contains(version, prereleases=True):
            yield problem(
                f"{name} {version} is not supported: mpii_pose needs "
                f"{requirement.specifier}: pip install '{wanted}'"
            )


def _installed_version(name: str) -> str | None:
    """Returns the version of a package, or of one in its place: tensorflow-cpu."""
    if name == "Python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        packages = importlib.metadata.packages_distributions()
        others = packages.get(name.replace("-", "_"))
        return importlib.metadata.version(others[0]) if others else None


def check_import(name: str) -> Diagnosis:
    """Imports a package."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # Broken packages raise errors of any kind.
        return problem(
            f"import {name} fails: {type(error).__name__}: {error}\nIf its versions do "
            "not fit together: pip install --upgrade tensorflow tensorflow-datasets "
            "tensorflow-metadata protobuf"
        )
    return fine(f"import {name} works, version {getattr(module, '__version__', '?')}")


def check_disk(data_dir: pathlib.Path, release: epath.Path | None = None) -> Diagnosis:
    """Compares what all of MPII still takes on disk with what is free."""
    downloads = data_dir / "downloads"
    built = {folder.parent.name for folder in find_datasets(data_dir)}
    layouts = [name for name in official.DATASET_BYTES if name not in built]
    if not layouts:
        return fine(f"All configs of MPII are built in {data_dir}")
    first, *others = (download.dataset_step(layout, data_dir) for layout in layouts)
    steps = download.release_steps(downloads, downloads / "extracted")
    if release:  # Nothing is downloaded beside it.
        steps = [step for step in steps if step.folder != downloads]
        places = [release / name for name in find.IMAGE_FOLDERS]
        if any(any(place.glob("*.jpg")) for place in places):
            steps = []
    disks = download.by_disk([*steps, first])
    text = f"MPII on disk: {'; '.join(each.text for each in disks)}"
    if others:
        text += f"\nOr {', or '.join(map(str, others))}; synthetic takes some MB"
    if all(each.suffices for each in disks):
        return fine(text)
    return note(f"{text}\nNot enough for all of it: --data_dir names a larger disk")


def check_leftovers(data_dir: pathlib.Path) -> Iterator[Diagnosis]:
    """Names folders of stopped builds, and downloads that are not needed any more."""
    downloads = data_dir / "downloads"
    folders = [downloads / download.OURS, downloads / "extracted" / download.OURS]
    unfinished = [
        folder
        for place in (*folders, *data_dir.glob(f"{download.OURS}/*"))
        for folder in place.glob(workplace.TEMPORARY_FOLDERS)
    ]
    for folder in unfinished:
        written = max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
        yield note(
            f"{folder} ({download.in_gb(download.bytes_in(folder))}, last written "
            f"{(time.time() - written) / 3600:.1f} hours ago) is not finished. If no "
            f"build is running, remove it:\nrm -r {shlex.quote(str(folder))}"
        )
    datasets = [folder.relative_to(data_dir) for folder in find_datasets(data_dir)]
    built = [str(folder) for folder in datasets if folder.parent.name != "synthetic"]
    sizes = {folder: download.bytes_in(folder) for folder in folders}
    used = [folder for folder in folders if sizes[folder]]
    if built and used and not (unfinished or any(folders[0].glob("*.part"))):
        yield note(
            f"{', '.join(built)} can be read without what was downloaded and extracted "
            f"for it. To free {download.in_gb(sum(sizes.values()))}, unless you will "
            f"build another config of MPII:\nrm -r {shlex.join(map(str, used))}"
        )


def check_path(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Checks a dataset, the datasets in a folder, or a copy of MPII."""
    datasets = find_datasets(path)
    if not datasets:
        try:
            yield from check_release(path)
        except (OSError, MpiiPoseError) as error:  # Their messages name the file.
            yield problem(str(error))
    elif check_import("tensorflow_datasets").state is State.PROBLEM:
        yield problem(f"{path} was not read, as import tensorflow_datasets fails")
    else:
        yield from itertools.chain.from_iterable(map(check_dataset, datasets))


def data_dir_of(path: epath.PathLike | None) -> epath.Path | None:
    """Returns the folder in which TFDS keeps the datasets at a path, if any."""
    for folder in find_datasets(path) if path else ():
        if folder.parents[1].name == download.OURS:
            return folder.parents[2]
    return None


def check_dataset(folder: epath.PathLike) -> Iterator[Diagnosis]:
    """Reads every record and decodes every image of a dataset that was built.

    TensorFlow's decoder names no image in its errors, and reads most damaged images
    without one, see `check_pixels`. In the default format the checksums of the records
    show what changed since the build.
    """
    try:
        builder = open_dataset(folder)
    except (OSError, MpiiPoseError) as error:  # The latter of others' datasets.
        yield (problem if isinstance(error, OSError) else note)(str(error))
        return
    for name in builder.info.splits:
        try:
            damaged = list(_damaged_images(read_examples(builder, name)))
        except OSError as error:
            yield problem(str(error))
            continue
        if damaged:
            yield problem(
                f"libjpeg finds damage in {len(damaged):,} images of split {name} of "
                f"{folder}: {_first(damaged)}; fetch them again and build the dataset "
                "again"
            )
        else:
            count = builder.info.splits[name].num_examples
            where = f"{name} of {builder.info.full_name}"
            yield fine(f"libjpeg reads the images of all {count:,} in {where}")


def _damaged_images(examples: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yields the names of images that libjpeg reads with a warning."""
    for example in examples:
        try:
            images.check_pixels(example["image"])
        except ValueError:
            index = f" (index {example['index']})" if "index" in example else ""
            yield example["image_name"].decode() + index


def check_release(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Checks a copy of MPII as a build reads it: whose it is, and what is missing."""
    found = find.find(path)
    people, stated = found.source.read()
    yield fine(f"Found the {found.source}")
    for other in found.sources[1:]:
        yield note(f"The {other} is left aside: it has less")
    yield _check_identity(found.source)
    yield from check_counts(people, is_drawn=found.source.is_drawn)
    yield from _check_images(found, people, stated)


def _check_identity(source: find.Source) -> Diagnosis:
    """Compares the annotations with the original .mat."""
    file = next(iter(source.files.values()))
    if source.kind is not find.SourceKind.MATLAB:
        return note(
            f"{file.name} is a copy that others made: nobody published how to tell it "
            "from another"
        )
    if source.is_drawn:
        return note(
            f"{file.name} is a drawn release, as {split.VALIDATION_PEOPLE_FILE} beside "
            "it says"
        )
    blob = official.git_blob_id(file.read_bytes())
    if blob == official.MATLAB_GIT_BLOB:
        return fine(f"{file.name} is the original (git blob {blob})")
    return problem(
        f"{file}: expected git blob {official.MATLAB_GIT_BLOB}, found {blob}; this is "
        f"not the original: fetch {official.URLS[official.ANNOTATIONS_ARCHIVE]} again"
    )


def check_counts(
    people: Mapping[str, Sequence[PersonAnnotation]], *, is_drawn: bool
) -> Iterator[Diagnosis]:
    """Compares the number of people of each split with MPII's, unless it `is_drawn`."""
    counts = ", ".join(f"{len(group):,} {name}" for name, group in people.items())
    yield fine(f"People: {counts}{' (drawn ones)' if is_drawn else ''}")
    for name, expected in () if is_drawn else official.PEOPLE.items():
        found = len(people.get(name, ()))
        if found != expected:  # JSON copies lack some splits.
            report = problem if found else note
            yield report(
                f"{name} has {found:,} people and MPII's has {expected:,}: the "
                "annotations are not all of the original's"
            )


def _check_images(
    found: find.Found, people: Mapping[str, Sequence[PersonAnnotation]], stated: Sizes
) -> Iterator[Diagnosis]:
    """Reads the images with people, in their folder or their archive."""
    names = image_names(people)
    folder, missing = found.find_images(names)
    if missing and found.images_archive:
        yield _check_archive(found.images_archive, names)
        return
    if folder is None:
        yield problem(
            f"None of the {len(names):,} images with people was found: fetch "
            f"{official.URLS[official.IMAGES_ARCHIVE]}"
        )
        return
    if missing:
        yield problem(_lacks(str(folder), missing, names))
    files = images.find_image_files(folder, names, check_pixels=True)
    sizes = {name: file.size for name, file in files.items() if file.size}
    wrong_sizes = check_sizes(people, stated, sizes)
    yield from map(problem, wrong_sizes)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        errors = [error for error in pool.map(_error_in, files.values()) if error]
    if errors:
        yield problem(
            f"{len(errors):,} images in {folder} are damaged; a build would stop, or "
            f"store wrong pixels. The first: {errors[0]}"
        )
    elif not missing and not wrong_sizes:
        yield fine(f"All {len(names):,} images with people are in {folder}")


def _error_in(file: images.ImageFile) -> str:
    """Returns the error that reading an image raises, or nothing."""
    try:
        file.read()
    except images.ImageError as error:
        return str(error)
    return ""


def _check_archive(archive: epath.Path, names: list[str]) -> Diagnosis:
    """Compares the archive of images with the original, or with the images needed."""
    md5, url = official.md5(archive), official.URLS[archive.name]
    if md5 == official.IMAGES_MD5:
        return fine(f"{archive} is the original (MD5 {md5}); a build extracts it")
    try:
        files = {pathlib.PurePosixPath(name) for name in archives.list_files(archive)}
    except archives.ArchiveError as error:
        return problem(f"{error}: {url}")
    places = map(pathlib.PurePosixPath, find.IMAGE_FOLDERS)
    missing = min(({n for n in names if p / n not in files} for p in places), key=len)
    if missing:
        where = f"{archive}, which is not the original"
        return problem(f"{_lacks(where, missing, names)}; fetch {url}")
    return note(
        f"{archive} is not the original (MD5 {md5}), but whole, and holds all "
        f"{len(names):,} images with people; a build extracts it"
    )


def _lacks(where: str, missing: set[str], names: list[str]) -> str:
    counts = f"{len(missing):,} of {len(names):,}"
    first = _first(sorted(missing))
    return f"{counts} images with people are missing in {where}: {first}"


def _first(names: list[str]) -> str:
    """Returns the first names of a list, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
