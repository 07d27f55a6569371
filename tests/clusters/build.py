"""Starts an engine here, builds the dataset on it, and stops it again.

    python -m tests.clusters.build dask --manual_dir RELEASE --data_dir DATA

Engines are those of `engines.py`; all further options go to `tfds build`. With
`--kill_worker`, one worker is killed in the middle. In a network namespace of its own
(`unshare --net bash -c "ip link set lo up; python ..."`) the bytes counted on the
loopback are the engine's alone.
"""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import signal
import sys
import tempfile
import time
from collections.abc import Sequence

from tests.builds import ROOT
from tests.clusters.engines import ENGINES, Engine
from tests.clusters.processes import loopback_bytes, running

_LIMIT_S = 600


@dataclasses.dataclass(frozen=True)
class Build:
    """How a build went.

    Attributes:
        returncode: 0 if it succeeded.
        output: What it printed.
        seconds: How long it took.
        network_bytes: Bytes sent between processes of this machine meanwhile.
        killed: Id of the worker that was killed in the middle; None if none was.
    """

    returncode: int
    output: str
    seconds: float
    network_bytes: int
    killed: int | None


def build_on(
    engine: Engine | None,
    data_dir: pathlib.Path,
    options: Sequence[str],
    *,
    log: pathlib.Path,
    kill_worker: bool = False,
    signal_build: signal.Signals | None = None,
) -> Build:
    """Runs `tfds build mpii_pose` on an engine, or in process.

    Args:
        engine: The engine; None for no Beam at all.
        data_dir: Where to.
        options: Further options of `tfds build`.
        log: File for what is printed.
        kill_worker: Kill the engine's first worker once the first shard is written.
        signal_build: Sent to `tfds build` once the first shard is written.
    """
    command = [*_TFDS, "build", "mpii_pose", "--config=person"]
    command += [f"--data_dir={data_dir}", *options]
    if engine is not None:
        pairs = (f"{name}={value}" for name, value in engine.options.items())
        command.append(f"--beam_pipeline_options={','.join(pairs)}")
    env = {"PYTHONPATH": str(ROOT)} | dict(engine.env if engine else {})
    start, bytes_before, killed = time.monotonic(), loopback_bytes(), None
    signalled = False
    with running(*command, log=log, env=env) as process:
        while process.poll() is None:
            if kill_worker and killed is None and engine and _shards(data_dir):
                killed = engine.workers()[0]
                os.kill(killed, signal.SIGKILL)
            if signal_build and not signalled and _shards(data_dir):
                process.send_signal(signal_build)
                signalled = True
            if time.monotonic() - start > _LIMIT_S:
                raise TimeoutError(f"{' '.join(command)}\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
    return Build(
        returncode=process.returncode,
        output=log.read_text(),
        seconds=time.monotonic() - start,
        network_bytes=loopback_bytes() - bytes_before,
        killed=killed,
    )


_TFDS = (sys.executable, "-m", "tensorflow_datasets.scripts.cli.main")


def _shards(data_dir: pathlib.Path) -> bool:
    """Whether a build has written a shard and not finished."""
    return any(data_dir.glob("mpii_pose/person/incomplete.*/mpii_pose-*"))


def main() -> int:
    """Builds as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=["none", *ENGINES])
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--kill_worker", action="store_true")
    parser.add_argument("--logs", type=pathlib.Path)
    args, options = parser.parse_known_args()
    folder = args.logs or pathlib.Path(tempfile.mkdtemp(prefix="mpii_pose_"))
    folder.mkdir(parents=True, exist_ok=True)
    start_engine = ENGINES.get(args.engine, lambda folder: contextlib.nullcontext())
    start = time.monotonic()
    with start_engine(folder) as engine:
        print(f"{args.engine} is up after {time.monotonic() - start:.1f} s: {engine}")
        build = build_on(
            engine,
            args.data_dir,
            options,
            log=folder / "build.log",
            kill_worker=args.kill_worker,
        )
    print(build.output[-1500:])
    print(
        f"{args.engine}: exit {build.returncode}, {build.seconds:.1f} s, "
        f"{build.network_bytes:,} bytes sent, killed {build.killed}; logs in {folder}"
    )
    return build.returncode


if __name__ == "__main__":
    sys.exit(main())
