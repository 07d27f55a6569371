"""Builds the dataset at MPII's size, beside loops that do less.

python benchmarks/build_full_size.py mirror --annotations mpii_annotations.json.gz
python benchmarks/build_full_size.py compare

`mirror` writes a release with the real annotations, given as CPM's JSON, and noise of
the real image sizes: about 20 GB of free disk and a few minutes. `compare` then builds
it with each contestant in turn, several rounds in one run, each in a process of its
own, and prints times and ratios with their spread, and peak memory:

* bare: reads each file, wraps it in tf.train.Example, writes TFRecords; one process.
* ray: how a tutorial does it, a Ray task a shard on two workers (pip install ray).
* ours: `mpii_pose.Builder` with its defaults.
* beam: `mpii_pose.Builder` on Beam's local runner.
* crops, images: the configs `person_crop` and `image`.

Times leave out imports, and Ray's start; ours include reading the .mat, planning and
checking each image.
"""

import argparse
import concurrent.futures
import json
import pathlib
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence

import fillers
import processes

# For what tests write releases with.
ROOT = str(pathlib.Path(__file__).parents[1])

CONTESTANTS = ("bare", "ray", "ours", "beam", "crops", "images")
BASES = ("bare", "ray")


def write_mirror(folder: pathlib.Path, annotations: pathlib.Path, count: int) -> None:
    """Writes a release with real annotations and noise for images."""
    import mpii_pose
    from mpii_pose.release import json_copies

    sys.path.append(ROOT)
    from tests import releases

    people = mpii_pose.read_people(annotations)
    if count:
        people = {name: some[:count] for name, some in people.items()}
    sizes = {
        record["img_paths"]: (int(record["img_height"]), int(record["img_width"]))
        for record in json_copies.load_records(annotations)
    }
    (folder / "images").mkdir(parents=True)
    releases.write_matlab(folder, people)
    names = dict.fromkeys(p.image_name for some in people.values() for p in some)
    tasks = [(folder / "images" / name, sizes[name], k) for k, name in enumerate(names)]
    with concurrent.futures.ProcessPoolExecutor() as pool:
        total = sum(pool.map(_write_image, tasks, chunksize=64))
    print(f"{len(tasks)} images, {total / 1e9:.2f} GB in {folder}")


def _write_image(task: tuple[pathlib.Path, tuple[int, int], int]) -> int:
    from mpii_pose.synthetic.release import MPII_BYTES_PER_PIXEL

    path, size, seed = task
    num_bytes = int(size[0] * size[1] * MPII_BYTES_PER_PIXEL)
    path.write_bytes(fillers.filler_image(size, num_bytes=num_bytes, seed=seed))
    return num_bytes


def _shards(mirror: pathlib.Path) -> list[list[dict]]:
    """Returns what the loops that know nothing of MPII write: 72 shards of people."""
    import mpii_pose

    people = mpii_pose.read_people(mirror)
    shards = []
    for split, count in (("train", 64), ("validation", 8)):
        rows = [
            {
                "path": str(mirror / "images" / p.image_name),
                "points": p.keypoints.ravel(),
            }
            for p in people[split]
        ]
        shards += [rows[k::count] for k in range(count)]
    return shards


def _write_shard(path: str, rows: Sequence[dict], check: bool) -> None:
    import tensorflow as tf
    from PIL import Image

    with tf.io.TFRecordWriter(path) as writer:
        for row in rows:
            data = pathlib.Path(row["path"]).read_bytes()
            if check:
                with Image.open(row["path"]) as image:
                    assert image.format == "JPEG"
                    assert image.mode == "RGB"
            image_feature = tf.train.BytesList(value=[data])
            points_feature = tf.train.FloatList(value=row["points"])
            feature = {
                "image": tf.train.Feature(bytes_list=image_feature),
                "keypoints": tf.train.Feature(float_list=points_feature),
            }
            features = tf.train.Features(feature=feature)
            writer.write(tf.train.Example(features=features).SerializeToString())


def bare(mirror: pathlib.Path, output: pathlib.Path) -> float:
    """The least that can be done."""
    import tensorflow as tf

    output.mkdir()
    tf.io.TFRecordWriter  # noqa: B018  TensorFlow is imported lazily.
    shards = _shards(mirror)
    start = time.perf_counter()
    for k, rows in enumerate(shards):
        _write_shard(str(output / f"{k}.tfrecord"), rows, check=False)
    return time.perf_counter() - start


def ray(mirror: pathlib.Path, output: pathlib.Path) -> float:
    """A task a shard on two workers."""
    import ray as ray_lib

    output.mkdir()
    shards = _shards(mirror)
    ray_lib.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    task = ray_lib.remote(_write_shard)
    warm = output / "warm"
    ray_lib.get([task.remote(f"{warm}{k}", [], True) for k in range(2)])
    start = time.perf_counter()
    ray_lib.get(
        [
            task.remote(str(output / f"{k}.tfrecord"), rows, True)
            for k, rows in enumerate(shards)
        ]
    )
    return time.perf_counter() - start


def ours(
    mirror: pathlib.Path,
    output: pathlib.Path,
    config_name: str = "person",
    **options: object,
) -> float:
    """The builder."""
    import scipy.io  # noqa: F401
    import tensorflow as tf
    import tensorflow_datasets as tfds

    import mpii_pose

    tf.io.TFRecordWriter  # noqa: B018
    builder = mpii_pose.Builder(data_dir=output, config=config_name)
    config = tfds.download.DownloadConfig(manual_dir=mirror, **options)
    start = time.perf_counter()
    builder.download_and_prepare(download_config=config)
    return time.perf_counter() - start


def beam(mirror: pathlib.Path, output: pathlib.Path) -> float:
    """The builder on Beam's local runner."""
    from apache_beam.runners.direct import direct_runner

    return ours(mirror, output, beam_runner=direct_runner.BundleBasedDirectRunner())


def crops(mirror: pathlib.Path, output: pathlib.Path) -> float:
    """The builder's stored crops."""
    return ours(mirror, output, config_name="person_crop")


def images(mirror: pathlib.Path, output: pathlib.Path) -> float:
    """The builder's whole images."""
    return ours(mirror, output, config_name="image")


def compare(
    mirror: pathlib.Path, scratch: pathlib.Path, rounds: int, names: Iterable[str]
) -> None:
    """Runs the contestants in turn and prints what they took."""
    print(processes.describe_machine("tensorflow", "tensorflow_datasets"))
    outcomes: dict[str, list[processes.Outcome]] = {name: [] for name in names}
    for k in range(rounds):
        for name in list(outcomes)[:: 1 if k % 2 == 0 else -1]:
            output = scratch / f"{name}_{k}"
            arguments = (name, "--mirror", str(mirror), "--output", str(output))
            outcomes[name].append(processes.run(__file__, "run", *arguments))
            shutil.rmtree(output)
            print(f"round {k}: {name}: {outcomes[name][-1]}", flush=True)
    for name, runs in outcomes.items():
        ratios = [
            f"{processes.spread([r.seconds / b.seconds for r, b in pairs])} x {base}"
            for base in BASES
            if base in outcomes and base != name
            for pairs in [list(zip(runs, outcomes[base], strict=True))]
        ]
        print(
            f"{name}: {processes.spread([r.seconds for r in runs], '{:.1f}')} s, "
            f"CPU {statistics.median(r.cpu_seconds for r in runs):.0f} s, largest "
            f"process {max(r.largest_mib for r in runs):.0f} MiB, all "
            f"{max(r.total_mib for r in runs):.0f} MiB; {'; '.join(ratios)}"
        )


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    default = pathlib.Path("/tmp/mpii_mirror")
    one = commands.add_parser("mirror", help="write the release to build")
    one.add_argument("--annotations", type=pathlib.Path, required=True)
    one.add_argument("--count", type=int, default=0, help="people a split; 0: all")
    two = commands.add_parser("compare", help="build it with every contestant")
    two.add_argument("--rounds", type=int, default=3)
    two.add_argument(
        "--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS[:4]
    )
    two.add_argument("--scratch", type=pathlib.Path, default=pathlib.Path("/tmp"))
    three = commands.add_parser("run", help="build it with one contestant, once")
    three.add_argument("contestant", choices=CONTESTANTS)
    three.add_argument("--output", type=pathlib.Path, required=True)
    for command in (one, two, three):
        command.add_argument("--mirror", type=pathlib.Path, default=default)
    options = parser.parse_args()
    if options.command == "mirror":
        write_mirror(options.mirror, options.annotations, options.count)
    elif options.command == "compare":
        compare(options.mirror, options.scratch, options.rounds, options.contestants)
    else:
        contestant: Callable = globals()[options.contestant]
        print(json.dumps({"seconds": contestant(options.mirror, options.output)}))


if __name__ == "__main__":
    main()
