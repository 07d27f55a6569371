"""Peak memory of `input_pipeline` on more and more of a dataset, prepared before.

python benchmarks/build_full_size.py run ours --output /tmp/mpii_full
python benchmarks/reading_memory.py --data_dir /tmp/mpii_full

Each part of the training split is read for one epoch by a process of its own, as for
training with HRNet's augmentation in batches of 32, once with glibc's default of one
memory arena a thread and once with two in all.
"""

import argparse
import json
import os
import pathlib
import time

import processes

import mpii_pose

BATCH_SIZE = 32
# glibc's setting; an empty one is its default.
ARENAS = {"default": "", "2": "2"}


def read(data_dir: pathlib.Path, config: str, split: str) -> float:
    """Reads a split once; returns seconds."""
    dataset = mpii_pose.Builder(data_dir=data_dir, config=config)
    batches = mpii_pose.input_pipeline(
        split, BATCH_SIZE, dataset=dataset, num_epochs=1, training=True, seed=0
    )
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def compare(data_dir: pathlib.Path, config: str) -> None:
    """Prints a row of Markdown for each part and setting."""
    print(processes.describe_machine("tensorflow", "tensorflow_datasets"))
    info = mpii_pose.Builder(data_dir=data_dir, config=config).info
    num_shards = info.splits["train"].num_shards
    print("| people | files | arenas | peak MiB | images/s | CPU ms, with imports |")
    print("|---|---|---|---|---|---|")
    for shards in sorted({max(1, num_shards // part) for part in (16, 4, 1)}):
        split = f"train[:{shards}shard]"
        people = sum(info.splits["train"].shard_lengths[:shards])
        for name, arenas in ARENAS.items():
            os.environ["MALLOC_ARENA_MAX"] = arenas
            arguments = ("--data_dir", str(data_dir), "--config", config)
            outcome = processes.run(__file__, *arguments, "--read", split)
            print(
                f"| {people:,} | {shards} | {name} | {outcome.largest_mib:,.0f} "
                f"| {people / outcome.seconds:.0f} "
                f"| {outcome.cpu_seconds / people * 1e3:.2f} |",
                flush=True,
            )


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--config", default="person", help="or person_crop")
    parser.add_argument("--read", metavar="SPLIT", help="read this, in this process")
    options = parser.parse_args()
    if options.read:
        print(
            json.dumps(
                {"seconds": read(options.data_dir, options.config, options.read)}
            )
        )
    else:
        compare(options.data_dir, options.config)


if __name__ == "__main__":
    main()
