"""Reads a release that was found: people, and where their images are."""

import concurrent.futures
import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import PIL.Image
from absl import logging
from etils import epath, epy

from mpii_pose.files import user_path
from mpii_pose.person import PersonAnnotation
from mpii_pose.pictures import UNREADABLE
from mpii_pose.release import archives, split
from mpii_pose.release.find import Found, find

with epy.lazy_imports():  # Reading people needs no TFDS.
    from mpii_pose import progress

# Reading the heads of thousands of files is all waiting.
_THREADS = 16
# Of MPII's keypoints, 0.1 % lie outside of their images; if these are made smaller by a
# fifth, 16 %, by a half, 74 %.
_MAX_OUTSIDE = 0.1

Sizes = Mapping[str, tuple[int, int]]  # (height, width) in px by image name.


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Release:
    """A release on disk, or a dataset that was built of one."""

    source: Any  # The `Source` that was read; of a dataset, its description.
    people: Mapping[str, Sequence[PersonAnnotation]]  # By split, in index order.
    image_folder: epath.Path | None
    image_sizes: Sizes = dataclasses.field(default_factory=dict)  # Known ones.
    stated_sizes: Sizes = dataclasses.field(default_factory=dict)  # In annotations.

    @property
    def everybody(self) -> list[PersonAnnotation]:
        """The people of all splits."""
        return list(itertools.chain.from_iterable(self.people.values()))

    @property
    def image_names(self) -> list[str]:
        """Names of the images with people in them, each once."""
        return image_names(self.people)

    def with_images(self, folder: epath.PathLike) -> "Release":
        """Returns the release with the images in a folder, and their sizes."""
        folder = user_path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder of images")
        sizes = {**self.image_sizes, **read_image_sizes(folder, self.image_names)}
        return dataclasses.replace(self, image_folder=folder, image_sizes=sizes)


def image_names(people: Mapping[str, Iterable[PersonAnnotation]]) -> list[str]:
    """Returns the names of the images of people by split, each once."""
    everybody = itertools.chain.from_iterable(people.values())
    return list(dict.fromkeys(person.image_name for person in everybody))


def read_people(path: epath.PathLike) -> split.People:
    """Reads the people of a release, whatever shape its annotations have.

    Args:
        path: A folder that holds the official .mat or its archive, CPM's
            `mpii_annotations.json` or HRNet's `train.json` and `valid.json` (the
            richest is read, in this order), or one such file.

    Returns:
        {split name: people in index order}. Splits are "train", "validation",
        "validation_others" (people of validation images who are not on Tompson's list)
        and "test" (people without labels); one that the source cannot give is absent.

    Raises:
        OSError: Nothing is there, or it may not be read.
        AnnotationError: A file is damaged or of another format than its name.
        ArchiveError: The annotations are in an archive that is damaged.
    """
    people, _ = find(path).source.read()
    return people


def read_release(found: Found, *, extract_dir: epath.PathLike | None = None) -> Release:
    """Reads the people of a release and finds their images.

    If some are missing, the archive of images, if there is one, goes to `extract_dir`.
    """
    logging.info("Reading people from the %s", found.source)
    for other in found.sources[1:]:
        logging.info("Leaving the %s aside: it has less", other)
    with progress.step(f"Reading people from the {found.source}"):
        people, stated = found.source.read()
    names = image_names(people)
    folder, missing = found.find_images(names)
    if missing and found.images_archive and extract_dir:
        extracted = archives.extract(found.images_archive, extract_dir)
        folder, missing = found.find_images(names, extracted=extracted)
    if folder is None:
        raise FileNotFoundError(
            f"None of the {len(names)} annotated images was found: looked for "
            f"{names[0]} and the others in {', '.join(map(str, found.image_places))}"
        )
    return Release(
        source=found.source, people=people, image_folder=folder, stated_sizes=stated
    )


def read_sized_people(
    path: epath.PathLike, *, image_folder: epath.PathLike | None = None
) -> Release:
    """Reads annotations and the sizes of their images, extracting nothing.

    Sizes come from the heads of the image files where there are any, else from the
    annotations: CPM's copy has them. `path` is what `read_people` reads. By default,
    the images are looked for in the usual places in and beside it.
    """
    found = find(path)
    people, stated = found.source.read()
    sizes = {"image_sizes": stated, "stated_sizes": stated}
    release = Release(source=found.source, people=people, image_folder=None, **sizes)
    if image_folder is None:
        with contextlib.suppress(PermissionError):  # The annotations may suffice.
            image_folder, _ = found.find_images(release.image_names)
    if image_folder is not None:
        release = release.with_images(image_folder)
    for text in check_sizes(people, stated, release.image_sizes):
        logging.warning("%s", text)
    return release


def check_sizes(
    people: Mapping[str, Iterable[PersonAnnotation]], stated: Sizes, found: Sizes
) -> list[str]:
    """Describes images of another size than the annotated ones, in up to two texts.

    Sizes are compared with the `stated` ones. Where none is stated, many keypoints
    outside of their images show that these were made smaller.
    """

    def px(size: tuple[int, int]) -> str:
        return f"{size[1]} x {size[0]}"

    names = image_names(people)
    texts, known = [], [name for name in names if name in found]
    wrong = [name for name in known if stated.get(name, found[name]) != found[name]]
    advice = "keypoints are in pixels of the original images: fetch these"
    if wrong:
        texts.append(
            f"{len(wrong):,} of {len(names):,} images have another size than the "
            f"annotations state: {wrong[0]} has {px(found[wrong[0]])} px, stated are "
            f"{px(stated[wrong[0]])}; {advice}"
        )
    num_labelled, outside = 0, []
    for person in itertools.chain.from_iterable(people.values()):
        if person.image_name in found and person.image_name not in stated:
            points = person.keypoints[person.labelled] + 0.5  # Edges are at 0 and size.
            beyond = (points < 0) | (points > found[person.image_name][::-1])
            num_labelled += len(points)
            outside += [person.image_name] * int(beyond.any(axis=1).sum())
    if len(outside) > _MAX_OUTSIDE * num_labelled:
        texts.append(
            f"{len(outside) / num_labelled:.0%} of the keypoints lie outside of their "
            f"images, as in {outside[0]} of {px(found[outside[0]])} px; {advice}"
        )
    return texts


def read_image_sizes(folder: epath.PathLike, image_names: Iterable[str]) -> Sizes:
    """Returns (height, width) in px by image name; EXIF is ignored.

    An image that is missing, or cannot be read, is left out.
    """
    folder = epath.Path(folder)

    def read(name: str) -> tuple[str, tuple[int, int] | None]:
        try:
            with (folder / name).open("rb") as file, PIL.Image.open(file) as image:
                return name, (image.height, image.width)
        except UNREADABLE:
            return name, None

    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
        sizes = pool.map(read, dict.fromkeys(image_names))
        return {name: size for name, size in sizes if size is not None}
