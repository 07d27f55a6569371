"""Compares layouts: bytes, time to build, fidelity and CPU time to load, in one run.

    python benchmarks/compare_layouts.py --release ~/mpii --count 256
    python benchmarks/compare_layouts.py --layouts 320,95,4:4:4 384,90,4:2:0

`--release` is a copy of MPII, or of a few of its images: people of missing images are
left out. Without it, people of MPII's image sizes are drawn. Crops are told as pixels,
quality, subsampling. Everything is measured on the same people:

* KB: of images, for each person.
* build: CPU ms to read, and to decode, crop and encode, for each person.
* fidelity: of crops that a network is trained with (256 px, HRNet's augmentation, the
  same draws for all), in dB against the frame averaged over each crop pixel's area.
* load: CPU ms an image of `PoseTransform` from memory, in training and in evaluation,
  in rounds that take turns, median and range.
* HRNet: of HRNet's dataset class as published, on the same stored images, without
  batches and without PyTorch's loader (needs opencv-python-headless).

Of the layout `image`, whose examples hold all people of an image, only bytes and the
time to build are told.
"""

import argparse
import importlib.util
import io
import itertools
import pathlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import processes
import tensorflow as tf
from PIL import Image

import mpii_pose
from mpii_pose import synthetic
from mpii_pose.shards.images import ImageFile, find_image_files
from mpii_pose.shards.layouts import FullFrame, Layout, layout_from
from mpii_pose.synthetic import release as drawn
from mpii_pose.transforms import library

LAYOUTS = (
    "256,90,4:2:0",
    "320,90,4:2:0",
    "384,90,4:2:0",
    "320,95,4:2:0",
    "320,95,4:4:4",
)
KINDS = ("train", "eval", "HRNet train", "HRNet eval")
SIZE = 256
BATCH_SIZE = 32
NEEDED = ("image", *library.SPECS, library.IMAGE_TO_FRAME)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--release", type=pathlib.Path, help="a copy of MPII (default: drawn people)")
    add("--images", type=pathlib.Path, help="its images, if not in the usual place")
    add("--count", type=int, default=128, help="people")
    add("--fidelity_count", type=int, default=64, help="people compared with frames")
    add("--draws", type=int, default=1, help="crops compared, of each of these people")
    add("--rounds", type=int, default=3)
    add("--layouts", nargs="+", default=LAYOUTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        compare(*read_people(options, pathlib.Path(scratch)), options)


def compare(
    people: Sequence[mpii_pose.PersonAnnotation],
    files: Mapping[str, ImageFile],
    options: argparse.Namespace,
) -> None:
    """Measures and prints a table."""
    tf.get_logger().setLevel("ERROR")  # Of shapes that are traced one by one.
    print(processes.describe_machine("tensorflow", "PIL"))
    print(f"{len(people)} people in {len(files)} images")
    layouts: dict[str, Layout] = {"full frame": FullFrame()}
    for text in options.layouts:
        pixels, quality, subsampling = text.split(",")
        layouts[text] = layout_from(
            {
                "name": "person_crop",
                "pixels": int(pixels),
                "quality": int(quality),
                "subsampling": subsampling,
            }
        )
    stored = {name: build(layout, people, files) for name, layout in layouts.items()}
    times = load_times({name: s[0] for name, s in stored.items()}, options.rounds)
    compared = stored["full frame"][0][: options.fidelity_count]
    crops = [transform(training=True, seed=seed) for seed in range(options.draws)]
    references = [[reference(example, crop) for example in compared] for crop in crops]
    of_frames = fidelity(compared, crops, references)
    titles = ["stored", "KB", "build, ms", "dB median, lowest tenth", "against frames"]
    titles += [f"{kind}, ms" for kind in KINDS]
    print(f"| {' | '.join(titles)} |\n{'|---' * len(titles)}|")
    stored["image"] = build(layout_from("image"), people, files)
    for name, (examples, seconds) in stored.items():
        kilobytes = sum(len(e["image"]) for e in examples) / len(people) / 1e3
        columns = [f"{kilobytes:.0f}", f"{seconds / len(people) * 1e3:.1f}"]
        if name in layouts:
            levels = fidelity(examples, crops, references)
            columns += [
                f"{np.median(levels):.1f}, {np.percentile(levels, 10):.1f}",
                f"{np.median(levels - of_frames):+.1f}",
                *(
                    processes.spread(times[name, kind]) if (name, kind) in times else ""
                    for kind in KINDS
                ),
            ]
        else:
            columns += [""] * (len(titles) - 3)
        print(f"| {name} | {' | '.join(columns)} |", flush=True)


def read_people(
    options: argparse.Namespace, scratch: pathlib.Path
) -> tuple[list[mpii_pose.PersonAnnotation], Mapping[str, ImageFile]]:
    """Returns people of images that are there, and the images."""
    path = options.release or scratch
    if options.release is None:
        synthetic.write_release(
            scratch,
            num_people=options.count,
            image_sizes=drawn.MPII_SIZES,
            bytes_per_pixel=drawn.MPII_BYTES_PER_PIXEL,
        )
    by_split = mpii_pose.read_people(path)
    people = [p for split in ("train", "validation") for p in by_split[split]]
    images = options.images or path / "images"
    there = {image.name for image in images.iterdir()}
    people = [p for p in people if p.image_name in there][: options.count]
    names = [person.image_name for person in people]
    return people, find_image_files(images, names)


def build(
    layout: Layout,
    people: Sequence[mpii_pose.PersonAnnotation],
    files: Mapping[str, ImageFile],
) -> tuple[list[dict[str, Any]], float]:
    """Returns examples with the bytes of their images, and the CPU seconds it took."""
    items = layout.splits({"train": people})["train"]
    start = time.process_time()
    examples = [
        {**example, "image": example["image"].read()}
        for _, example in layout.examples(items, files)
    ]
    return examples, time.process_time() - start


def transform(*, training: bool, seed: int = 1) -> mpii_pose.PoseTransform:
    """Returns the transform that is measured."""
    augmentation = mpii_pose.Augmentation.hrnet() if training else None
    return mpii_pose.PoseTransform(
        augmentation=augmentation, image_dtype="uint8", seed=seed
    )


def needed(example: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Returns the features that the transform uses, as tensors."""
    dtypes = {"scale": tf.float32, "head_size": tf.float32, "index": tf.int64}
    names = [name for name in NEEDED if name in example]
    return {name: tf.constant(example[name], dtypes.get(name)) for name in names}


def reference(example: Mapping[str, Any], crop: mpii_pose.PoseTransform) -> np.ndarray:
    """Returns the training crop of a full frame, each pixel an average of its area."""
    matrix = crop(needed(example))["crop_to_image"].numpy()
    frame = Image.open(io.BytesIO(example["image"]))
    samples = max(4, int(np.ceil(2 * np.linalg.norm(matrix[:, 0]))))
    # Pillow takes edges to edges: the crop's pixel 0 reaches from 0 to 1.
    linear = matrix[:, :2].astype(float)
    offset = matrix[:, 2] + 0.5 - linear @ [0.5, 0.5]
    affine = np.column_stack([linear / samples, offset])
    fine = frame.convert("RGB").transform(
        (SIZE * samples, SIZE * samples),
        Image.Transform.AFFINE,
        affine.ravel().tolist(),
        Image.Resampling.BILINEAR,
    )
    blocks = np.asarray(fine).reshape(SIZE, samples, SIZE, samples, 3)
    return blocks.mean(axis=(1, 3))


def fidelity(
    examples: Sequence[Mapping[str, Any]],
    crops: Iterable[mpii_pose.PoseTransform],
    references: Iterable[Sequence[np.ndarray]],
) -> np.ndarray:
    """Returns the PSNR in dB of the training crops of each draw."""
    found = []
    for crop, expected in zip(crops, references, strict=True):
        for example, frame in zip(examples, expected, strict=False):
            pixels = crop(needed(example))["image"].numpy().astype(float)
            squared = ((pixels - frame) ** 2).mean()
            found.append(10 * np.log10(255**2 / squared))
    return np.array(found)


def hrnet(
    examples: Sequence[Mapping[str, Any]], *, training: bool
) -> Iterator[list[Any]]:
    """Yields batches of what HRNet's dataset class makes of examples."""
    from loaders.hrnet_recipe import read_example

    rng = np.random.default_rng(0) if training else None
    people = itertools.cycle(examples)
    while True:
        yield [
            read_example(np.frombuffer(person["image"], np.uint8), person, rng=rng)
            for person in itertools.islice(people, BATCH_SIZE)
        ]


def cpu_seconds_at_rest() -> float:
    """Returns this process's CPU time once nothing is prefetched any more."""
    before = -1.0
    while (now := time.process_time()) - before > 5e-3:
        before = now
        time.sleep(0.1)
    return now


def load_times(
    stored: Mapping[str, Sequence[Mapping[str, Any]]], rounds: int
) -> dict[tuple[str, str], list[float]]:
    """Returns CPU ms an image, by layout and "train" or "eval", of each round."""
    batches: dict[tuple[str, str], Iterator[Any]] = {}
    for name, examples in stored.items():
        tensors = [needed(example) for example in examples]
        columns = {key: tf.stack([t[key] for t in tensors]) for key in tensors[0]}
        repeated = tf.data.Dataset.from_tensor_slices(columns).repeat()
        for kind in ("train", "eval"):
            batches[name, kind] = iter(
                repeated.map(
                    transform(training=kind == "train"),
                    num_parallel_calls=tf.data.AUTOTUNE,
                )
                .batch(BATCH_SIZE)
                .prefetch(2)
            )
            if importlib.util.find_spec("cv2"):
                batches[name, f"HRNet {kind}"] = hrnet(
                    examples, training=kind == "train"
                )
    times: dict[tuple[str, str], list[float]] = {key: [] for key in batches}
    for _ in range(rounds + 1):
        for key, iterator in batches.items():
            count, start = 10, cpu_seconds_at_rest()
            for _ in range(count):
                next(iterator)
            seconds = cpu_seconds_at_rest() - start
            times[key].append(seconds / count / BATCH_SIZE * 1e3)
    return {key: values[1:] for key, values in times.items()}


if __name__ == "__main__":
    main()
