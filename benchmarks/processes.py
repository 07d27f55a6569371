"""Runs a contestant in a process of its own and watches the memory of all it starts."""

import dataclasses
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Time and memory of one run.

    Attributes:
        seconds: Wall time that the contestant reports, without its imports.
        cpu_seconds: CPU time of all its processes, imports included.
        largest_mib: Peak resident memory of its largest process.
        total_mib: Peak of the memory of all its processes, shared pages counted once.
    """

    seconds: float
    cpu_seconds: float
    largest_mib: float
    total_mib: float


def run(script: str, *arguments: str) -> Outcome:
    """Runs `python script arguments`, whose last line of output is {"seconds": ...}."""
    before = _children_seconds()
    process = subprocess.Popen(
        [sys.executable, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    largest, total = {process.pid: 0.0}, 0.0
    while process.poll() is None:
        pids = _family(process.pid)
        for pid in pids:
            largest[pid] = max(largest.get(pid, 0), _memory(pid, "status", "VmHWM"))
        total = max(total, sum(_memory(pid, "smaps_rollup", "Pss") for pid in pids))
        time.sleep(0.1)
    output, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{script} {arguments} failed:\n{errors[-3000:]}")
    return Outcome(
        seconds=json.loads(output.splitlines()[-1])["seconds"],
        cpu_seconds=_children_seconds() - before,
        largest_mib=max(largest.values()),
        total_mib=total,
    )


def _children_seconds() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _family(root: int) -> list[int]:
    """Returns a process and all that it started and that still descend from it."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                todo += [int(child) for child in task.read_text().split()]
            except OSError:  # It has ended.
                continue
    return found


def _memory(pid: int, file: str, field: str) -> float:
    """Returns a field of a process's memory accounts in MiB; 0 once it has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    rows = (line.split() for line in lines)
    return next((int(r[1]) / 1024 for r in rows if r and r[0] == f"{field}:"), 0.0)


def spread(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Returns the median with the least and the greatest value."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{form} [{form}..{form}]".format(middle, low, high)


def describe_machine(*modules: str) -> str:
    """Returns a line on the machine and the versions of some modules."""
    owners = metadata.packages_distributions()  # tensorflow may be tensorflow-cpu.
    names = [owners[module][0] for module in modules]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    cores, python = os.cpu_count(), platform.python_version()
    return f"{platform.machine()}, {cores} cores, Python {python}, {versions}"
