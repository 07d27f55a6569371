"""Starts an engine here, builds the dataset on it, and stops it again.

    python -m tests.clusters.build dask --manual_dir RELEASE --data_dir DATA

Engines are those of `engines.py`; all further options go to `tfds build`. With
`--kill_worker`, one worker is killed in the middle.
"""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from tests.builds import ROOT
from tests.clusters.engines import ENGINES, Engine
from tests.clusters.processes import running

_LIMIT_S = 600
_TFDS = (sys.executable, "-m", "tensorflow_datasets.scripts.cli.main")


def build_on(
    engine: Engine | None,
    data_dir: pathlib.Path,
    options: Sequence[str],
    *,
    log: pathlib.Path,
    midway: Callable[[subprocess.Popen], object] | None = None,
) -> subprocess.CompletedProcess:
    """Runs `tfds build mpii_pose` on an engine, or in process.

    Args:
        engine: The engine; None for no Beam at all.
        data_dir: Where to.
        options: Further options of `tfds build`.
        log: File for what is printed.
        midway: Called with the process of `tfds build` once a shard is written.
    """
    command = [*_TFDS, "build", "mpii_pose", "--config=person"]
    command += [f"--data_dir={data_dir}", *options]
    if engine is not None:
        pairs = (f"{name}={value}" for name, value in engine.options.items())
        command.append(f"--beam_pipeline_options={','.join(pairs)}")
    env = {"PYTHONPATH": str(ROOT)} | dict(engine.env if engine else {})
    start = time.monotonic()
    with running(*command, log=log, env=env) as process:
        while process.poll() is None:
            if midway and _shards(data_dir):
                midway(process)
                midway = None
            if time.monotonic() - start > _LIMIT_S:
                raise TimeoutError(f"{' '.join(command)}\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
    return subprocess.CompletedProcess(command, process.returncode, log.read_text())


def kill_worker(engine: Engine) -> int:
    """Kills a worker of an engine; returns its id."""
    worker = engine.workers()[0]
    os.kill(worker, signal.SIGKILL)
    return worker


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
    with start_engine(folder) as engine:
        print(f"{args.engine} is up: {engine}")
        midway = (lambda _: print("killed", kill_worker(engine))) if engine else None
        build = build_on(
            *(engine, args.data_dir, options),
            log=folder / "build.log",
            midway=midway if args.kill_worker else None,
        )
    print(build.stdout[-1500:])
    print(f"{args.engine}: exit {build.returncode}; logs in {folder}")
    return build.returncode


if __name__ == "__main__":
    sys.exit(main())
