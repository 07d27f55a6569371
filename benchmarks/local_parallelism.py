"""Measures whether a second core makes a build on one machine faster.

python benchmarks/local_parallelism.py [--people 2250] [--rounds 3]

Builds a release of noise in MPII's image sizes (about 0.5 MB an image) in turn: in
process, as the builder does it; with shards in threads; with shards in a pool of
spawned processes; on Beam's local runner with processes. Times leave out the imports of
the main process, and have in them what the others need to start.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import fillers
import processes

# For what tests write releases with.
ROOT = str(pathlib.Path(__file__).parents[1])

NUM_WORKERS = 2


def write_release(folder: pathlib.Path, num_people: int) -> None:
    """Writes people with an image each, of noise."""
    import mpii_pose
    from mpii_pose.synthetic import release

    sys.path.append(ROOT)
    from tests import releases

    mpii_pose.synthetic.write_release(folder / "drawn", num_people=40)
    drawn = mpii_pose.read_people(folder / "drawn")["train"]
    people = [
        dataclasses.replace(drawn[i % len(drawn)], image_name=f"{i:09d}.jpg")
        for i in range(num_people)
    ]
    (folder / "images").mkdir()
    sizes = release.MPII_SIZES
    for i, person in enumerate(people):
        size = sizes[i % len(sizes)]
        num_bytes = int(size[0] * size[1] * release.MPII_BYTES_PER_PIXEL)
        data = fillers.filler_image(size, num_bytes=num_bytes, seed=i)
        (folder / "images" / person.image_name).write_bytes(data)
    releases.write_matlab(folder, {"train": people})


def in_process(builder: Any) -> dict[str, Any]:
    """As the builder does it."""
    return {}


def threads(builder: Any) -> dict[str, Any]:
    """A thread writes a shard."""
    return _in_pool(builder, concurrent.futures.ThreadPoolExecutor(NUM_WORKERS))


def spawned(builder: Any) -> dict[str, Any]:
    """A process of its own, started anew, writes a shard."""
    context = multiprocessing.get_context("spawn")
    executor = concurrent.futures.ProcessPoolExecutor(NUM_WORKERS, mp_context=context)
    return _in_pool(builder, executor)


def beam(builder: Any) -> dict[str, Any]:
    """Beam's local runner, in several processes."""
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    options = {
        "direct_running_mode": "multi_processing",
        "direct_num_workers": NUM_WORKERS,
    }
    return {
        "beam_runner": FnApiRunner(),
        "beam_options": PipelineOptions.from_dictionary(options),
    }


CONTESTANTS = {c.__name__: c for c in (in_process, threads, spawned, beam)}


def _in_pool(builder: Any, executor: concurrent.futures.Executor) -> dict[str, Any]:
    from mpii_pose.shards.plan import ExampleEncoder, Shard

    def write(shards: Sequence[Shard]) -> None:
        encoder = ExampleEncoder(builder.info.features)
        writer = builder._example_writer()
        with executor:
            futures = [executor.submit(Shard.write, s, encoder, writer) for s in shards]
            for future in futures:
                future.result()

    builder._write_in_process = write
    return {}


def build(name: str, release: pathlib.Path, output: pathlib.Path) -> float:
    """Builds as a contestant does; returns the seconds."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    import mpii_pose

    tf.io.TFRecordWriter  # noqa: B018  TensorFlow is imported lazily.
    builder = mpii_pose.Builder(data_dir=output, config="person")
    config = tfds.download.DownloadConfig(
        manual_dir=release, num_shards=16, **CONTESTANTS[name](builder)
    )
    start = time.perf_counter()
    builder.download_and_prepare(download_config=config)
    return time.perf_counter() - start


def main() -> None:
    """Runs the contestants in turn and prints what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=2250)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(processes.describe_machine("tensorflow", "tensorflow_datasets"))
    outcomes: dict[str, list[processes.Outcome]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_release(folder, args.people)
        for _ in range(args.rounds):
            for contestant, runs in outcomes.items():
                command = ("run", contestant, str(folder), str(folder / "data"))
                runs.append(processes.run(__file__, *command))
                shutil.rmtree(folder / "data")
    for contestant, runs in outcomes.items():
        pairs = zip(outcomes["in_process"], runs, strict=True)
        ratios = [base.seconds / run.seconds for base, run in pairs]
        print(
            f"{contestant}: {processes.spread([run.seconds for run in runs])} s, CPU "
            f"{processes.spread([run.cpu_seconds for run in runs])} s, all processes "
            f"{max(run.total_mib for run in runs):.0f} MiB, "
            f"{processes.spread(ratios)} times as fast as in process"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        contestant, release, output = sys.argv[2:]
        seconds = build(contestant, pathlib.Path(release), pathlib.Path(output))
        print(json.dumps({"seconds": seconds}))
    else:
        main()
