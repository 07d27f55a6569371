"""Builds ever more people and prints time and memory a person, planning and writing.

python benchmarks/planning_growth.py [25000 250000 2500000]

People are made up, and share a few small images: what grows is their number. Each size
is built in a process of its own. Memory is what the peak of the process grows by, so
that of planning leaves out the people themselves, which is printed beside it.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

SIZES = (25_000, 250_000, 2_500_000)
_NUM_IMAGES = 40


def main() -> None:
    """Builds each size in turn."""
    sizes = [int(text) for text in sys.argv[1:]] or SIZES
    print(f"{'people':>9} {'phase':8} {'us/person':>9} {'bytes/person':>12}")
    for size in sizes:
        command = [sys.executable, __file__, "child", str(size)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        for phase, (seconds, num_bytes) in json.loads(output.splitlines()[-1]).items():
            per_person = f"{seconds / size * 1e6:9.1f} {num_bytes / size:12.0f}"
            print(f"{size:9} {phase:8} {per_person}", flush=True)


class Phases:
    """Notes how long each phase takes and by how much it raises the peak of memory."""

    def __init__(self) -> None:
        self.costs: dict[str, tuple[float, int]] = {}
        self._time, self._peak = time.perf_counter(), _peak()

    def end(self, name: str | None) -> None:
        """Ends a phase; without a name it is not noted."""
        now, peak = time.perf_counter(), _peak()
        if name:
            self.costs[name] = now - self._time, peak - self._peak
        self._time, self._peak = now, peak


def _peak() -> int:
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(
        int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")
    )


def child(num_people: int, folder: pathlib.Path) -> None:
    """Builds one size; the last line of output is the cost of each phase."""
    import mpii_pose
    from mpii_pose.shards import images

    mpii_pose.synthetic.write_release(
        folder, num_people=_NUM_IMAGES, image_sizes=[(64, 64)]
    )
    drawn = mpii_pose.read_people(folder)["train"]
    names = {person.image_name for person in drawn}
    files = images.find_image_files(folder / "images", names)

    phases = Phases()

    def build(data_dir: pathlib.Path, num_people: int) -> None:
        def people(dl_manager: Any) -> Any:
            phases.end(None)
            some = [_numbered(drawn[i % len(drawn)], i) for i in range(num_people)]
            phases.end("people")
            return {"train": builder._generate_examples(some, files)}

        builder = mpii_pose.Builder(data_dir=data_dir, config="synthetic")
        builder._split_generators = people
        builder._check_disk_space = lambda num_bytes: phases.end("planning")
        builder.download_and_prepare()
        assert builder.info.splits["train"].num_examples == num_people

    build(folder / "warm_up", 100)
    build(folder / "data", num_people)
    phases.end("writing")
    print(json.dumps(phases.costs))


def _numbered(person: Any, number: int) -> Any:
    return dataclasses.replace(person, index=number, person_index=number)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        with tempfile.TemporaryDirectory() as name:
            child(int(sys.argv[2]), pathlib.Path(name))
    else:
        main()
