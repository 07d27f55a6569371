"""Processes that a cluster is made of: started, waited for, and stopped by their id."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping

_STOP_S = 10


@contextlib.contextmanager
def running(
    *command: str | os.PathLike[str],
    log: pathlib.Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen]:
    """Runs a command in the background; on leaving, it and its children are stopped."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # A group of its own, with the id of the process.
            # Where the tests run in the background, they and theirs ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen) -> None:
    """Ends a process that `running` started, and what that started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)


def wait_until(
    condition: Callable[[], object], what: str, *, log: pathlib.Path, seconds: int = 180
) -> None:
    """Waits for a condition; an error while asking means not yet.

    Raises:
        TimeoutError: It does not come true; the message has the end of `log`.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not after {seconds} s\n{log.read_text()[-2000:]}")


def listens(port: int) -> bool:
    """Whether something on this machine listens on a port."""
    with socket.create_connection(("localhost", port), timeout=1):
        return True


def free_port() -> int:
    """Returns the number of a port that nothing listens on."""
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def children(process_id: int) -> list[int]:
    """Returns the ids of the processes that a process started."""
    threads = pathlib.Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(number) for path in threads for number in path.read_text().split()]
