"""Looks at a copy of the release as a build does: whose it is, and what is missing."""

import concurrent.futures
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from etils import epath

from mpii_pose.person import AnnotationError, PersonAnnotation
from mpii_pose.release import archives, find, official, split
from mpii_pose.release.release import image_names
from mpii_pose.shards.images import ImageError, ImageFile, find_image_files
from mpii_pose.tools.doctor.diagnosis import Diagnosis, fine, note, problem, some

# What TFDS names the folder of this dataset, and what it writes into each version.
_DATASET = "mpii_pose"
_INFO_FILE = "dataset_info.json"
_DATASET_FILES = (_INFO_FILE, "features.json")

# People of MPII by split. JSON copies have train and validation only.
MPII_PEOPLE: Mapping[str, int] = {
    split.TRAIN: 22246,
    split.VALIDATION: 2958,
    split.VALIDATION_OTHERS: 3679,
    split.TEST: 11731,
}


def check_path(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Looks at a prepared dataset, at those in a data folder, or at a release."""
    path = epath.Path(path).expanduser()
    datasets = find_datasets(path)
    if not datasets:
        yield from check_files(path)
        return
    try:  # A doctor must get as far as to say that TensorFlow cannot be imported.
        from mpii_pose.tools.doctor import records
    except Exception as error:
        yield problem(f"{path} was not read, which needs TensorFlow: {error}")
        return
    for folder in datasets:
        yield from records.check_records(folder)


def find_datasets(path: epath.Path) -> list[epath.Path]:
    """Returns the folders of prepared datasets: the path itself, or those below it.

    Args:
        path: The folder of a dataset, such as "mpii_pose/person/1.0.0", of its
            versions, of its configs, or of all that TFDS keeps.
    """
    if any((path / name).exists() for name in _DATASET_FILES):
        return [path]
    below = ("*", "*/*") if _DATASET in path.parts else (f"{_DATASET}/*/*",)
    return sorted(
        {file.parent for place in below for file in path.glob(f"{place}/{_INFO_FILE}")}
    )


def data_dir_of(path: epath.PathLike) -> epath.Path | None:
    """Returns the folder in which TFDS keeps the dataset at a path, if there is one."""
    for folder in find_datasets(epath.Path(path).expanduser()):
        if folder.parents[1].name == _DATASET:
            return folder.parents[2]
    return None


def check_files(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Looks at a copy of the release.

    Args:
        path: The folder that `--manual_dir` names, or an annotation file.
    """
    try:
        found = find.find(path)
        people = found.source.read()
    except (FileNotFoundError, AnnotationError, archives.ArchiveError) as error:
        yield problem(str(error))
        return
    yield fine(f"Found the {found.source}")
    for other in found.sources[1:]:
        yield note(f"The {other} is left aside: it says less")
    yield _check_identity(found.source)
    yield from check_counts(people, is_drawn=found.source.is_drawn)
    yield from _check_images(found, image_names(people))


def _check_identity(source: find.Source) -> Diagnosis:
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
    """Compares the number of people of each split with MPII's.

    Args:
        people: As `read_people` returns them.
        is_drawn: Whether they are no people of MPII, but drawn ones.
    """
    counts = ", ".join(f"{len(group):,} {name}" for name, group in people.items())
    yield fine(f"People: {counts}{' (drawn ones)' if is_drawn else ''}")
    for name, expected in () if is_drawn else MPII_PEOPLE.items():
        found = len(people.get(name, ()))
        if not found:
            yield note(f"{name} is not in these annotations (MPII's has {expected:,})")
        elif found != expected:
            yield problem(
                f"{name} has {found:,} people and MPII's has {expected:,}: the "
                "annotations are not the original's"
            )


def _check_images(found: find.Found, names: list[str]) -> Iterator[Diagnosis]:
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
        yield problem(
            f"{len(missing):,} of {len(names):,} images with people are missing in "
            f"{folder}: {some(sorted(missing))}"
        )
    files = find_image_files(folder, names, check_pixels=True).values()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        errors = [error for error in pool.map(_error_in, files) if error]
    if errors:
        yield problem(
            f"{len(errors):,} images in {folder} are damaged; a build would stop, or "
            f"store wrong pixels. The first: {errors[0]}"
        )
    elif not missing:
        yield fine(f"All {len(names):,} images with people are in {folder}")


def _error_in(file: ImageFile) -> str:
    """Returns what a build that checks pixels would say of an image, or nothing."""
    try:
        file.read()
    except ImageError as error:
        return str(error)
    return ""


def _check_archive(archive: epath.Path, names: list[str]) -> Diagnosis:
    md5 = official.md5(archive)
    if md5 == official.IMAGES_MD5:
        return fine(f"{archive} is the original (MD5 {md5}); a build extracts it")
    url = official.URLS[archive.name]
    try:
        files = {pathlib.PurePosixPath(name) for name in archives.list_files(archive)}
    except archives.ArchiveError as error:
        return problem(f"{error}: {url}")
    missing = min(
        (
            [n for n in names if pathlib.PurePosixPath(place, n) not in files]
            for place in find.IMAGE_FOLDERS
        ),
        key=len,
    )
    if missing:
        return problem(
            f"{len(missing):,} of {len(names):,} images with people are missing in "
            f"{archive}, which is not the original: {some(missing)}; fetch {url}"
        )
    return note(
        f"{archive} is not the original (MD5 {md5}), but whole, and holds all "
        f"{len(names):,} images with people; a build extracts it"
    )
