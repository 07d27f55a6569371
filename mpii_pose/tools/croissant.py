"""Writes a dataset that was built in Croissant's form."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import progress
from mpii_pose.formats.croissant import write_croissant
from mpii_pose.tools.people import open_dataset, read_examples

# MPII's: of CVPR 2014, which was in June. The format wants a day.
_PUBLISHED = "2014-06-01"
_CREATOR = {
    "@type": "sc:Organization",
    "name": "Max Planck Institute for Informatics",
    "url": "http://human-pose.mpi-inf.mpg.de",
}


def export_dataset(
    dataset: epath.Path, folder: epath.Path, *, splits: Sequence[str] | None = None
) -> dict[str, int]:
    """Writes a dataset of any layout and file format as `write_croissant` does.

    Args:
        dataset: Its folder, such as `~/tensorflow_datasets/mpii_pose/person/1.0.0`.
        folder: Where to write. It must not exist.
        splits: Those to write; None for all.

    Returns:
        The number of examples of each split.

    Raises:
        FileExistsError: The folder exists.
        FileNotFoundError: There is no dataset of `mpii_pose`, or no such split.
        OSError: A record of the dataset is damaged or missing; nothing was written.
    """
    builder = open_dataset(dataset)
    info = builder.info
    if info.name != "mpii_pose":
        raise FileNotFoundError(f"{dataset} has {info.full_name}, not mpii_pose")
    if unknown := [split for split in splits or () if split not in info.splits]:
        raise FileNotFoundError(
            f"{dataset} has no split {', '.join(unknown)}; it has "
            f"{', '.join(info.splits)}"
        )
    chosen = dict.fromkeys(splits or info.splits)
    total = sum(info.splits[split].num_examples for split in chosen)
    with progress.bar(total=total, desc=f"Writing {folder}", unit=" examples") as bar:
        return write_croissant(
            folder,
            {split: _examples(builder, split, bar) for split in chosen},
            features=info.features,
            about=_about(info, dataset),
        )


def _examples(builder: Any, split: str, bar: Any) -> Iterator[Mapping[str, Any]]:
    for example in read_examples(builder, split):
        yield example
        bar.update()


def _about(info: tfds.core.DatasetInfo, dataset: epath.Path) -> dict[str, Any]:
    """Returns what is said of the dataset as a whole."""
    texts = (info.config_description, info.description)
    about = {
        "name": f"MPII Human Pose, {info.config_name}",
        "description": "\n\n".join(filter(None, texts)),
        "url": info.homepage,
        "license": info.redistribution_info.license,
        "citeAs": info.citation,
        "version": str(info.version),
    }
    if (info.metadata or {}).get("drawn"):
        seconds = (dataset / "dataset_info.json").stat().mtime
        return about | {
            "name": f"Drawn people, {info.config_name}",
            "description": "Drawn people with the features of MPII Human Pose; none of "
            "them is MPII's.",
            "datePublished": datetime.date.fromtimestamp(seconds).isoformat(),
        }
    return about | {"datePublished": _PUBLISHED, "creator": _CREATOR}
