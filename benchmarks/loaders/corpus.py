"""Examples with MPII's image sizes and JPEG bytes, as files and in memory.

People are drawn by `mpii_pose.synthetic`, which compresses well; grain like a camera's
is added until files are about as large as MPII's (516 kB): decoding takes as long
as there are bits. Made once, kept in the folder it is told.
"""

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

import mpii_pose

BATCH_SIZE = 32
# Of each measurement: starting to read costs some milliseconds.
EPOCHS = 4

# Height and width of MPII's images, about as often as they occur there.
IMAGE_SIZES = (
    *[(720, 1280)] * 10,
    *[(1080, 1920)] * 6,
    *[(480, 640)] * 3,
    (480, 854),
)
# Standard deviations of the grain; measured to give 500 kB.
GRAIN_LEVELS = (4.0, 18.5)
JPEG_QUALITY = 92

FEATURES = (
    "image",
    "image_name",
    "index",
    "keypoints",
    "visibility",
    "center",
    "scale",
    "head_size",
)


@dataclasses.dataclass(frozen=True)
class Corpus:
    """People on disk, in the official layout and as a prepared dataset.

    Attributes:
        folder: Where both are.
        num_people: Number of people drawn; 0.8 of them and more are in `train`.
        config: "person", full frames; or "person_crop", stored crops of them.
    """

    folder: pathlib.Path
    num_people: int
    config: str = "person"

    @property
    def images(self) -> pathlib.Path:
        """Folder of the JPEG files of the release."""
        return self.folder / "release" / "images"

    @property
    def crops(self) -> "Corpus":
        """The same people as stored crops."""
        return dataclasses.replace(self, config="person_crop")

    def file(self, example: dict[str, Any]) -> pathlib.Path:
        """Returns the JPEG file of an example: a frame, or a crop."""
        if self.config == "person":
            return self.images / example["image_name"].decode()
        return self.folder / "crops" / f"{example['index']}.jpg"

    @property
    def split(self) -> str:
        """The part of `train` that fills batches."""
        examples = int(0.8 * self.num_people)
        return f"train[:{examples // BATCH_SIZE * BATCH_SIZE}]"

    def builder(self, file_format: str = "tfrecord") -> tfds.core.DatasetBuilder:
        """Returns the builder of the dataset, which is prepared if it is not yet."""
        data_dir = self.folder / ("data" if file_format == "tfrecord" else file_format)
        builder = mpii_pose.Builder(
            config=self.config, data_dir=data_dir, file_format=file_format
        )
        config = tfds.download.DownloadConfig(manual_dir=self.folder / "release")
        builder.download_and_prepare(download_config=config)
        return builder

    def examples(self) -> list[dict[str, Any]]:
        """Returns the examples of `split`, images as JPEG bytes."""
        people = mpii_pose.data_source(self.split, dataset=self.builder("array_record"))
        return [{name: example[name] for name in FEATURES} for example in people]

    def make(self) -> None:
        """Draws the people, unless that was done before."""
        if not self.images.is_dir():
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as unfinished:
                release = pathlib.Path(unfinished) / "release"
                mpii_pose.synthetic.write_release(
                    release, num_people=self.num_people, image_sizes=IMAGE_SIZES
                )
                images = sorted((release / "images").iterdir())
                for number, path in enumerate(images):
                    _add_grain(path, seed=number)
                release.rename(self.folder / "release")
        for file_format in ("tfrecord", "array_record"):
            self.builder(file_format)
        if self.config != "person" and not self.file({"index": 0}).exists():
            (self.folder / "crops").mkdir(exist_ok=True)
            for example in self.examples():
                self.file(example).write_bytes(example["image"])

    def describe(self) -> str:
        """Describes the files that the contestants read."""
        examples = self.examples()
        kilobytes = np.array([len(example["image"]) for example in examples]) / 1000
        scales = np.array([example["scale"] for example in examples])
        return (
            f"{len(examples)} people; JPEG kB mean {kilobytes.mean():.0f}, median "
            f"{np.median(kilobytes):.0f}; scale median {np.median(scales):.2f}"
        )


@dataclasses.dataclass(frozen=True)
class InThisProcess:
    """Reads lists of items as PyTorch's workers do: at once where the items can."""

    items: Any
    keys: Sequence[Any]

    def __iter__(self) -> Iterator[list[Any]]:
        for start in range(0, len(self.keys), BATCH_SIZE):
            keys = self.keys[start : start + BATCH_SIZE]
            if hasattr(self.items, "__getitems__"):
                yield self.items.__getitems__(keys)
            else:
                yield [self.items[key] for key in keys]


def _add_grain(path: pathlib.Path, *, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.asarray(Image.open(path).convert("RGB"), np.float32)
    grain = rng.normal(size=(*pixels.shape[:2], 1)) * rng.uniform(*GRAIN_LEVELS)
    noisy = np.clip(pixels + grain, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path, quality=JPEG_QUALITY)
