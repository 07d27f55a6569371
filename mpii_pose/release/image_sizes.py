"""People with the sizes of their images, as far as these are known.

Sizes come from the heads of the image files where there are any, else from the
annotations: CPM's copy says them.
"""

import concurrent.futures
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import PIL.Image
from etils import epath

from mpii_pose.person import PersonAnnotation
from mpii_pose.release import sources

# Reading the heads of thousands of files is all waiting.
_THREADS = 16
# What Pillow raises for damaged files, of formats it lacks, and of giant sizes.
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, NotImplementedError),
    PIL.Image.DecompressionBombError,
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class SizedPeople:
    """People of a release and what is known of their images.

    Attributes:
        source: The annotation files.
        people: The people of each split, in index order.
        image_folder: The folder with the images; None where there is none.
        image_sizes: (height, width) in px by image name, where they are known.
    """

    source: sources.Source
    people: Mapping[str, Sequence[PersonAnnotation]]
    image_folder: epath.Path | None
    image_sizes: Mapping[str, tuple[int, int]]


def read_sized_people(
    path: epath.PathLike, *, image_folder: epath.PathLike | None = None
) -> SizedPeople:
    """Reads annotations and the sizes of their images.

    Args:
        path: What `read_people` reads: a folder, or an annotation file.
        image_folder: The folder with the images; by default they are looked for in the
            usual places in and beside `path`.

    Raises:
        FileNotFoundError: There are no annotations at `path`, or no `image_folder`.
        AnnotationError: They are damaged.
    """
    source = sources.find_source(path)
    people = source.read()
    names = {person.image_name for group in people.values() for person in group}
    if image_folder is None:
        folder = _find_images(epath.Path(path), names)
    else:
        folder = epath.Path(image_folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of images")
    sizes = dict(source.image_sizes())
    if folder is not None:
        sizes |= read_image_sizes(folder, names)
    return SizedPeople(
        source=source, people=people, image_folder=folder, image_sizes=sizes
    )


def read_image_sizes(
    folder: epath.PathLike, image_names: Iterable[str]
) -> Mapping[str, tuple[int, int]]:
    """Returns (height, width) in px by image name; EXIF is ignored.

    Args:
        folder: The folder that holds the images.
        image_names: Their names. One that is missing, or is no image, is left out.
    """
    folder = epath.Path(folder)

    def read(name: str) -> tuple[str, tuple[int, int] | None]:
        try:
            with (folder / name).open("rb") as file, PIL.Image.open(file) as image:
                return name, (image.height, image.width)
        except _UNREADABLE:
            return name, None

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        sizes = pool.map(read, dict.fromkeys(image_names))
        return {name: size for name, size in sizes if size is not None}


def _find_images(path: epath.Path, names: set[str]) -> epath.Path | None:
    folders = [path] if path.is_dir() else [path.parent, path.parent.parent]
    try:
        return sources.find_images(folders, names)
    except FileNotFoundError:
        return None
