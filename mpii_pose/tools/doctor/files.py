"""Looks at a copy of the release: which files, whose, and whether all is there."""

from collections.abc import Iterator, Mapping, Sequence

from etils import epath

from mpii_pose.person import AnnotationError, PersonAnnotation
from mpii_pose.release import download, sources, split
from mpii_pose.shards.images import ImageFile, find_image_files
from mpii_pose.tools.doctor.diagnosis import Diagnosis, fine, note, problem

# People of MPII by split. JSON copies have train and validation only.
MPII_PEOPLE: Mapping[str, int] = {
    split.TRAIN: 22246,
    split.VALIDATION: 2958,
    split.VALIDATION_OTHERS: 3679,
    split.TEST: 11731,
}
_JPEG_END = b"\xff\xd9"
_SHOWN = 5


def check_path(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Looks at a prepared dataset, or at a copy of the release."""
    path = epath.Path(path).expanduser()
    if not (path / "dataset_info.json").exists():
        yield from check_files(path)
        return
    # A doctor must get as far as to say that TensorFlow cannot be imported.
    from mpii_pose.tools.doctor import records

    yield from records.check_records(path)


def check_files(path: epath.PathLike) -> Iterator[Diagnosis]:
    """Looks at a copy of the release.

    Args:
        path: The folder that `--manual_dir` names, or an annotation file.
    """
    path = epath.Path(path).expanduser()
    if not path.exists():
        yield problem(f"{path} does not exist")
        return
    folder = path if path.is_dir() else path.parent
    yield from _check_archives(folder)
    try:
        source = sources.find_source(path)
    except (FileNotFoundError, AnnotationError) as error:
        if (folder / download.ANNOTATIONS_ARCHIVE).exists():
            yield note(
                "The annotations are still in their archive; a build extracts it"
            )
        else:
            yield problem(f"{error}.\n{download.HOW_TO_GET_IT}")
        return
    yield fine(f"Found the {source}")
    for file in source.files.values():
        yield from _check_identity(source.kind, file)
    try:
        people = source.read()
    except AnnotationError as error:
        yield problem(str(error))
        return
    yield from check_counts(people, is_drawn=_is_drawn(source))
    yield from _check_images([folder, folder.parent], people)


def check_counts(
    people: Mapping[str, Sequence[PersonAnnotation]], *, is_drawn: bool
) -> Iterator[Diagnosis]:
    """Compares the number of people of each split with MPII's.

    Args:
        people: As `read_people` returns them.
        is_drawn: Whether they are no people of MPII, but drawn ones.
    """
    for name, expected in MPII_PEOPLE.items():
        found = len(people.get(name, ()))
        if is_drawn:
            yield fine(f"{name} has {found:,} people, drawn ones")
        elif found == expected:
            yield fine(f"{name} has {found:,} people, as MPII has")
        elif not found:
            yield note(f"{name} is not in these annotations (MPII's has {expected:,})")
        else:
            yield problem(
                f"{name} has {found:,} people and MPII's has {expected:,}: the "
                "annotations are not the original's"
            )


def _check_archives(folder: epath.Path) -> Iterator[Diagnosis]:
    archive = folder / download.IMAGES_ARCHIVE
    if not archive.exists():
        return
    found = download.md5(archive)
    if found == download.IMAGES_MD5:
        yield fine(f"{archive} is the original (MD5 {found})")
    else:
        yield problem(
            f"{archive}: expected MD5 {download.IMAGES_MD5}, found {found}; the "
            f"download is damaged: fetch {download.URLS[archive.name]} again"
        )


def _check_identity(kind: sources.SourceKind, file: epath.Path) -> Iterator[Diagnosis]:
    if kind is not sources.SourceKind.MATLAB:
        yield note(
            f"{file.name} is a copy that others made: nobody published how to tell it "
            "from another"
        )
        return
    if (file.parent / split.VALIDATION_PEOPLE_FILE).exists():
        yield note(
            f"{file.name} is a drawn release, as {split.VALIDATION_PEOPLE_FILE} beside "
            "it says"
        )
        return
    found = download.git_blob_id(file)
    if found == download.MATLAB_GIT_BLOB:
        yield fine(f"{file.name} is the original (git blob {found})")
    else:
        yield problem(
            f"{file}: expected git blob {download.MATLAB_GIT_BLOB}, found {found}; "
            "this is not the original: fetch "
            f"{download.URLS[download.ANNOTATIONS_ARCHIVE]} again"
        )


def _is_drawn(source: sources.Source) -> bool:
    return any(
        (file.parent / split.VALIDATION_PEOPLE_FILE).exists()
        for file in source.files.values()
    )


def _check_images(
    folders: Sequence[epath.Path], people: Mapping[str, Sequence[PersonAnnotation]]
) -> Iterator[Diagnosis]:
    names = list(
        dict.fromkeys(p.image_name for group in people.values() for p in group)
    )
    try:
        folder = sources.find_images(folders, names)
    except FileNotFoundError as error:
        archive = folders[0] / download.IMAGES_ARCHIVE
        if archive.exists():
            yield note("The images are still in their archive; a build extracts it")
        else:
            yield problem(f"{error}; fetch {download.URLS[archive.name]}")
        return
    files = find_image_files(folder, names)
    missing = [name for name in names if name not in files]
    if missing:
        yield problem(
            f"{len(missing):,} of {len(names):,} images with people are missing in "
            f"{folder}: {_first(missing)}"
        )
    else:
        yield fine(f"All {len(names):,} images with people are in {folder}")
    damaged = [name for name, file in files.items() if not _is_whole(file)]
    if damaged:
        yield problem(
            f"{len(damaged):,} images in {folder} do not end as a JPEG does and may be "
            f"truncated: {_first(damaged)}; extract them again"
        )


def _is_whole(file: ImageFile) -> bool:
    """Whether a file ends as a JPEG; others are decoded when they are built."""
    if not file.path.lower().endswith((".jpg", ".jpeg")):
        return file.num_bytes > 0
    with epath.Path(file.path).open("rb") as stream:
        stream.seek(max(0, file.num_bytes - len(_JPEG_END)))
        return stream.read() == _JPEG_END


def _first(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
