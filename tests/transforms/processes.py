"""Other processes, in which the tests use transforms."""

import os
import signal

import numpy as np


def in_fork(function):
    """Runs a function in a forked process; returns what it raised, as text."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        signal.alarm(20)  # Ends the process where it hangs.
        try:
            function()
            os.write(writer, b"nothing")
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        found = stream.read().decode()
    os.waitpid(process, 0)
    return found


def bytes_of(transform, example):
    """The bytes of all that a transform makes."""
    return {
        name: np.asarray(value).tobytes() for name, value in transform(example).items()
    }
