"""TensorFlow in forked processes, where it hangs: noticed, and said.

A fork takes the parent's memory along, but none of its threads. Where TensorFlow has
started its threads before, whatever the child asks of them waits for ever.
"""

import os

import tensorflow as tf

_forked_too_late = False


def check() -> None:
    """Raises RuntimeError in a process forked after TensorFlow had started."""
    if _forked_too_late:
        raise RuntimeError(
            f"process {os.getpid()} was forked from one that had used TensorFlow, "
            "which cannot run in it and would hang. Start workers by "
            '"spawn" instead: DataLoader(..., multiprocessing_context="spawn") or '
            'multiprocessing.get_context("spawn")'
        )


def _started() -> bool:
    """Returns whether TensorFlow has started its threads in this process.

    Their number cannot be changed any more then: the one sign of it that is public.
    """
    threading = tf.config.threading
    number = threading.get_inter_op_parallelism_threads()
    try:
        threading.set_inter_op_parallelism_threads(number + 1)
    except RuntimeError:
        return True
    threading.set_inter_op_parallelism_threads(number)
    return False


def _note_fork() -> None:
    global _forked_too_late
    _forked_too_late = _forked_too_late or _started()


os.register_at_fork(after_in_child=_note_fork)
