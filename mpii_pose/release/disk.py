"""Sums up what a build of MPII has still to write, and what is free for it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Sequence
from typing import Final

from etils import epath

from mpii_pose.release import archives, official

# This dataset's folder in TFDS's folders of downloads, extractions and datasets.
OURS: Final = "mpii_pose"


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of a build, and how much it has still to write.

    Attributes:
        name: What the step does.
        folder: Where it writes; it need not exist yet.
        num_bytes: How much it writes, without what is there already.
        is_estimate: Whether that is known only when it is done.
    """

    name: str
    folder: epath.PathLike
    num_bytes: int
    is_estimate: bool = False

    def __str__(self) -> str:
        return f"{self.name} {'about ' * self.is_estimate}{in_gb(self.num_bytes)}"


@dataclasses.dataclass(frozen=True)
class Disk:
    """A file system, and the steps that write to it.

    Attributes:
        folder: A folder of it.
        free: Bytes that are free.
        steps: What is written.
    """

    folder: pathlib.Path
    free: int
    steps: list[Step]

    def suffices(self, *, for_estimates: bool = True) -> bool:
        """Returns whether all steps fit, or those whose size is known."""
        steps = (s for s in self.steps if for_estimates or not s.is_estimate)
        return sum(step.num_bytes for step in steps) <= self.free

    def __str__(self) -> str:
        text = " + ".join(map(str, self.steps))
        if len(self.steps) > 1:
            text += f" = {in_gb(sum(step.num_bytes for step in self.steps))}"
        return f"{text}; {in_gb(self.free)} are free in {self.folder}"


def release_steps(
    download_dir: epath.PathLike, extract_dir: epath.PathLike
) -> list[Step]:
    """Returns the steps that are left until there are images in a folder.

    Args:
        download_dir: TFDS's folder of downloads.
        extract_dir: TFDS's folder of what is extracted of them.
    """
    downloads = epath.Path(download_dir) / OURS
    extracted = epath.Path(extract_dir) / OURS
    paths: dict[str, epath.Path] = {}
    for note in downloads.glob("*.INFO"):  # TFDS's, beside what it has downloaded.
        path = note.with_name(note.name.removesuffix(".INFO"))
        with contextlib.suppress(OSError, ValueError):  # TFDS reports broken ones.
            urls = json.loads(note.read_text()).get("urls", ())
            if path.exists():
                paths |= {n: path for n, url in official.URLS.items() if url in urls}
    missing = sum(
        max(0, num_bytes - bytes_in(downloads / f"{name}.part"))
        for name, num_bytes in official.ARCHIVE_BYTES.items()
        if name not in paths
    )
    steps = [Step("downloading the archives", downloads, missing)] if missing else []
    images = paths.get(official.IMAGES_ARCHIVE)
    if not (images and archives.folder_of(images, extracted).exists()):
        steps.append(Step("extracting the images", extracted, official.IMAGES_BYTES))
    return steps


def dataset_step(
    layout: str, data_dir: epath.PathLike, *, max_examples: int | None = None
) -> Step:
    """Returns the step that writes a dataset with all splits.

    Args:
        layout: Name of the layout; one of the user's own is taken for the largest.
        data_dir: TFDS's folder of datasets.
        max_examples: How many examples a split has at most; None for all.
    """
    counts = official.PEOPLE.values()
    most = max(counts) if max_examples is None else max_examples
    share = sum(min(count, most) for count in counts) / sum(counts)
    whole = official.DATASET_BYTES.get(layout, max(official.DATASET_BYTES.values()))
    num_bytes = round(whole * share)
    return Step(f"building {OURS}/{layout}", data_dir, num_bytes, is_estimate=True)


def by_disk(steps: Sequence[Step]) -> list[Disk]:
    """Returns the file systems that steps write to; without others' (`gs://`)."""
    disks: dict[int, Disk] = {}
    for step in steps:
        if "://" in os.fspath(step.folder):
            continue
        folder = pathlib.Path(step.folder).expanduser().absolute()
        folder = next(place for place in (folder, *folder.parents) if place.exists())
        device = folder.stat().st_dev
        if device not in disks:
            disks[device] = Disk(folder, shutil.disk_usage(folder).free, [])
        disks[device].steps.append(step)
    return list(disks.values())


def bytes_in(path: epath.PathLike) -> int:
    """Returns the size of a file, or of all files in a folder; 0 if there is none."""
    path = pathlib.Path(path)
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())


def in_gb(num_bytes: int) -> str:
    """Returns a number of bytes in words, such as "12.9 GB"."""
    return f"{num_bytes / 1e9:.1f} GB"
