"""Compares loaders of MPII examples: CPU time for each image, all threads and workers.

    python benchmarks/compare_loaders.py --folder /tmp/mpii_pose_benchmark

Each contestant runs in a process of its own; they take turns in one run, in an order
that is reversed every other round, so that whatever else the machine does meets all of
them alike. CPU time is that of the process and its workers, from rest to rest.
README.md explains the contestants, `--help` lists the options.
"""

import argparse
import dataclasses
import importlib
import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil
from loaders.corpus import BATCH_SIZE, Corpus

# Name: module and function, and its flags; "crops" reads stored crops.
CONTESTANTS = {
    "training, from memory": {
        "cv2, 2 workers": "with_opencv.training_in_memory",
        "HRNet's, PyTorch": "with_torch.loader train",
        "grain + cv2": "with_opencv.training_with_grain",
        "tutorial's Preprocessor": "with_tensorflow.tutorial",
        "full decode + projective transform": "with_tensorflow.projective_transform",
        "mpii_pose": "with_mpii_pose.training_in_memory",
        "limit: decoding those windows": "with_mpii_pose.training_windows_only",
    },
    "training, from memory, float32 images": {
        "cv2, 2 workers": "with_opencv.training_in_memory_float",
        "HRNet's, PyTorch": "with_torch.loader train",
        "mpii_pose": "with_mpii_pose.training_in_memory_float",
    },
    "training, from files": {
        "cv2, 2 workers": "with_opencv.training_from_files",
        "HRNet's, PyTorch": "with_torch.loader from_files train",
        "mpii_pose.input_pipeline": "with_mpii_pose.training_from_files",
    },
    "training, in grain, from files": {
        "grain + cv2": "with_opencv.training_with_grain_from_files",
        "data_source, grain": "with_sources.training_in_grain",
    },
    "evaluation, from memory": {
        "cv2, 2 workers": "with_opencv.evaluation_in_memory",
        "HRNet's, PyTorch": "with_torch.loader",
        "mpii_pose": "with_mpii_pose.evaluation_in_memory",
        "limit: decoding those windows": "with_mpii_pose.evaluation_windows_only",
    },
}
# Of files, images as float32 but for the class that is not normalized.
FROM_FILES = {
    "HRNet's, PyTorch": "with_torch.loader from_files",
    "HRNet's dataset alone": "with_torch.alone normalize",
    "the same, not normalized": "with_torch.alone",
    "data_source, PyTorch": "with_sources.loader",
    "data_source alone": "with_sources.alone",
    "input_pipeline": "with_mpii_pose.from_files",
}
for flags in ("train", "train crops", "", "crops"):
    group = "training" if "train" in flags else "evaluation"
    group += ", stored crops" if "crops" in flags else ", frames"
    CONTESTANTS[group] = {n: f"{f} {flags}".strip() for n, f in FROM_FILES.items()}
# Those that the others are compared with.
BASES = (
    "cv2, 2 workers",
    "HRNet's, PyTorch",
    "the same, not normalized",
    "grain + cv2",
)
MEBIBYTE = 2**20
# PyTorch is large: its contestant is left out where it is not installed.
HAS_TORCH = importlib.util.find_spec("torchvision") is not None
# A process is at rest when it takes less than this part of a core ...
REST_LOAD = 0.1
# ... for so many seconds.
REST_SECONDS = 0.3


@dataclasses.dataclass
class Contestant:
    """One loader in its own process, which waits to be told to read batches."""

    function: str
    process: subprocess.Popen
    milliseconds_cpu: list[float] = dataclasses.field(default_factory=list)
    milliseconds_wall: list[float] = dataclasses.field(default_factory=list)
    mebibytes: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def start(cls, function: str, corpus: Corpus) -> "Contestant":
        """Starts the process and lets it read everything once, to warm up."""
        arguments = [str(corpus.folder), str(corpus.num_people), function]
        process = subprocess.Popen(
            [sys.executable, __file__, "--serve", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        contestant = cls(function, process)
        contestant.read()
        return contestant

    def read(self) -> dict[str, float]:
        """Lets the process read all; returns images and seconds."""
        self.process.stdin.write("read\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.function} ended: see its message above")
        return json.loads(answer)

    def measure(self) -> None:
        """Adds one measurement."""
        before = self.cpu_seconds_at_rest()
        answer = self.read()
        cpu = self.cpu_seconds_at_rest() - before
        self.milliseconds_cpu.append(1000 * cpu / answer["images"])
        self.milliseconds_wall.append(1000 * answer["seconds"] / answer["images"])

    def cpu_seconds_at_rest(self) -> float:
        """Waits until all work ahead is done; returns the CPU time taken so far."""
        seconds = self._cpu_seconds()
        while True:
            time.sleep(REST_SECONDS)
            now = self._cpu_seconds()
            if now - seconds < REST_LOAD * REST_SECONDS:
                return now
            seconds = now

    def stop(self) -> None:
        """Ends the process, which ends its workers, once their memory is known."""
        processes = self._processes()
        # The largest child is a worker. Pages that it shares with others count in part.
        pss = max(p.memory_full_info().pss for p in processes[1:] or processes)
        peak = max(_peak_bytes(p.pid) for p in processes[1:] or processes)
        self.mebibytes = pss / MEBIBYTE, peak / MEBIBYTE
        self.process.stdin.close()
        self.process.wait()

    def _cpu_seconds(self) -> float:
        times = [process.cpu_times() for process in self._processes()]
        return sum(t.user + t.system for t in times)

    def _processes(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


def _peak_bytes(pid: int) -> int:
    """Returns the most memory that a process has ever had, as Linux knows it."""
    status = pathlib.Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(1024 * int(x.split()[1]) for x in lines if x.startswith("VmHWM:"))


def serve(folder: str, num_people: str, function: str) -> None:
    """Is what a contestant's process does: reads all whenever it is told."""
    (module, name), *flags = (word.split(".") for word in function.split())
    corpus = Corpus(pathlib.Path(folder), int(num_people))
    options = {flag: True for (flag,) in flags}
    if options.pop("crops", False):
        corpus = corpus.crops
    module = importlib.import_module(f"loaders.{module}")
    batches = getattr(module, name)(corpus, **options)
    for _ in sys.stdin:
        start = time.perf_counter()
        iterator = iter(batches)
        num_batches = sum(1 for _ in iterator)
        seconds = time.perf_counter() - start
        # TensorFlow takes up to 1.6 s to end its tuning thread, which is not reading.
        del iterator
        answer = {
            "images": num_batches * BATCH_SIZE,
            "seconds": seconds,
        }
        print(json.dumps(answer), flush=True)
    for worker in multiprocessing.active_children():
        worker.terminate()
    os._exit(0)  # Threads of grain and TensorFlow would keep it from ending.


def compare(
    functions: dict[str, str], corpus: Corpus, *, rounds: int
) -> dict[str, Contestant]:
    """Measures contestants in turns."""
    contestants = {
        name: Contestant.start(function, corpus)
        for name, function in functions.items()
        if HAS_TORCH or "torch" not in function
    }
    for number in range(rounds):
        order = list(contestants.values())
        for contestant in order if number % 2 == 0 else order[::-1]:
            contestant.measure()
    for contestant in contestants.values():
        contestant.stop()
    return contestants


def table(contestants: dict[str, Contestant]) -> list[str]:
    """Returns rows of Markdown: cost, spread, memory, cost of the bases over its own.

    Ratios are those of single rounds: their median, the lowest and the highest.
    """
    bases = [name for name in BASES if name in contestants]
    rows = [
        "| | CPU ms an image | lowest to highest | wall ms | MiB a worker, peak |"
        + "".join(f" {name} / its |" for name in bases),
        "|---" * (5 + len(bases)) + "|",
    ]
    for name, contestant in contestants.items():
        cpu = np.array(contestant.milliseconds_cpu)
        ratios = (np.array(contestants[base].milliseconds_cpu) / cpu for base in bases)
        memory, peak = contestant.mebibytes
        rows.append(
            f"| {name} | {np.median(cpu):.2f} | {cpu.min():.2f} to {cpu.max():.2f} "
            f"| {np.median(contestant.milliseconds_wall):.2f} "
            f"| {memory:.0f}, {peak:.0f} |"
            + "".join(
                f" {np.median(r):.2f} ({r.min():.2f} to {r.max():.2f}) |"
                for r in ratios
            )
        )
    return rows


def machine() -> str:
    """Prints machine and versions."""
    versions = [
        f"{name} {importlib.import_module(name).__version__}"
        for name in ("tensorflow", "numpy", "cv2")
    ]
    others = ("grain", "torch") if HAS_TORCH else ("grain",)
    versions += [f"{name} {importlib.metadata.version(name)}" for name in others]
    cpu = platform.processor() or platform.machine()
    if pathlib.Path("/proc/cpuinfo").exists():
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    python = f"Python {platform.python_version()}"
    return "; ".join([f"{cpu}, {os.cpu_count()} cores", python, *versions])


def main(arguments: Sequence[str]) -> None:
    """Makes the corpus, compares, prints tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--num_people", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", help="groups whose name contains this")
    parser.add_argument("--contestants", nargs="+", help="those of them, by name")
    options = parser.parse_args(arguments)

    corpus = Corpus(options.folder / str(options.num_people), options.num_people)
    corpus.make()
    corpus.crops.make()
    print(machine())
    print(f"frames: {corpus.describe()}")
    print(f"crops: {corpus.crops.describe()}", flush=True)
    for group, functions in CONTESTANTS.items():
        if options.only is None or options.only in group:
            if options.contestants:
                functions = {name: functions[name] for name in options.contestants}
            contestants = compare(functions, corpus, rounds=options.rounds)
            print("", f"**{group}**", "", *table(contestants), sep="\n", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
    else:
        main(sys.argv[1:])
