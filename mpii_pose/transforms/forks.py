"""Raises an error in forked processes that would wait for their parent's threads.

A fork copies the memory of a process without its threads. In the copy, TensorFlow and
ArrayRecord wait for their threads for ever, or end the process.
"""

import os
import sys

# Libraries whose threads run in this process, and those whose threads only ran in the
# process that this one was forked from.
_running: set[str] = set()
_lost: set[str] = set()
ARRAY_RECORD_THREADS = 64


def check(library: str) -> None:
    """Raises RuntimeError if a library was in use before this process was forked.

    Args:
        library: "TensorFlow" or "ArrayRecord", which this process uses from now on.
    """
    if library in _lost:
        raise RuntimeError(
            f"process {os.getpid()} was forked from one that had used {library}, which "
            "would hang in it. Start workers by "
            '"spawn" instead: DataLoader(..., multiprocessing_context="spawn") or '
            'multiprocessing.get_context("spawn")'
        )
    _running.add(library)


def _tensorflow_runs() -> bool:
    """Returns whether TensorFlow has started its threads in this process.

    From then on their number cannot be changed, which is the one public sign of it.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    threading = tensorflow.config.threading
    number = threading.get_inter_op_parallelism_threads()
    try:
        threading.set_inter_op_parallelism_threads(number + 1)
    except RuntimeError:
        return True
    threading.set_inter_op_parallelism_threads(number)
    return False


def _array_record_runs() -> bool:
    """Returns whether ArrayRecord has started its threads in this process.

    It starts 64 when anything is first read, also by TFDS alone. They have no name, so
    other threads can be taken for them once the module is loaded.
    """
    if "array_record.python.array_record_data_source" not in sys.modules:
        return False
    try:
        return len(os.listdir("/proc/self/task")) > ARRAY_RECORD_THREADS
    except OSError:  # Linux alone lists them.
        return False


def _note_use() -> None:
    if _tensorflow_runs():
        _running.add("TensorFlow")
    if _array_record_runs():
        _running.add("ArrayRecord")


def _note_fork() -> None:
    _lost.update(_running)


if hasattr(os, "register_at_fork"):  # Windows has no forks.
    os.register_at_fork(before=_note_use, after_in_child=_note_fork)
