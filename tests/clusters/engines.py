"""Engines on this machine that run Beam pipelines, each with two workers.

Everything that `with ENGINES[name](folder) as engine:` starts is stopped on leaving, by
process id. `folder` gets the logs.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager

from tests.builds import ROOT
from tests.clusters import parts
from tests.clusters.processes import children, free_port, listens, running, wait_until

NUM_WORKERS = 2
# Workers run this Python and import the package.
_ENV = {
    "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
}


@dataclasses.dataclass(frozen=True)
class Engine:
    """An engine that is running.

    Attributes:
        options: What it needs as `--beam_pipeline_options`.
        workers: Returns the ids of the processes that do the work now.
        env: Environment variables that the build needs.
    """

    options: Mapping[str, object]
    workers: Callable[[], list[int]]
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def dask(folder: pathlib.Path) -> Iterator[Engine]:
    """Dask: a scheduler and workers that nobody restarts."""
    parts.need_packages("dask", "distributed")
    port, log = free_port(), folder / "scheduler.log"
    address = f"tcp://localhost:{port}"
    with contextlib.ExitStack() as stack:
        start = _starter(stack, folder)
        start("scheduler", *_python("distributed.cli.dask_scheduler"), f"--port={port}")
        wait_until(lambda: listens(port), "Dask scheduler", log=log)
        options = ("--no-nanny", "--nthreads=1", "--no-dashboard")
        worker = (*_python("distributed.cli.dask_worker"), address, *options)
        workers = [start(f"worker_{i}", *worker) for i in range(NUM_WORKERS)]
        _wait_for_text(log, "Register worker", NUM_WORKERS)
        # A partition is a shard: Dask's own guess makes partitions of many.
        yield Engine(
            {
                "runner": "apache_beam.runners.dask.dask_runner.DaskRunner",
                "dask_client_address": address,
                "dask_partition_size": 1,
            },
            lambda: [worker.pid for worker in workers],
        )


@contextlib.contextmanager
def spark(folder: pathlib.Path) -> Iterator[Engine]:
    """Spark standalone, and Beam's job server for it."""
    # slf4j of another version than Spark's would log nothing.
    runner = ("-Drunner=beam-runners-spark-3", "-DexcludeGroupIds=org.slf4j")
    job_server = parts.job_server("spark", *runner)
    home = parts.spark_home()
    with contextlib.ExitStack() as stack:
        url, workers = start_spark(stack, folder, home)
        # Spark's own way to start a program brings its jars and what Java 17 asks for.
        options = _job_server(
            stack,
            folder,
            *(home / "bin" / "spark-submit", "--master", url),
            *("--driver-class-path", f"{job_server}/*"),
            *("--conf", f"spark.executor.extraClassPath={job_server}/*"),
            *("--class", "org.apache.beam.runners.spark.SparkJobServerDriver"),
            job_server / f"beam-runners-spark-3-{parts.JOB_SERVER_VERSION}.jar",
            env=_spark_env(home),
        )
        yield Engine(options, workers)


@contextlib.contextmanager
def pyspark(folder: pathlib.Path) -> Iterator[Engine]:
    """Spark standalone, by the third-party package beam-pyspark-runner."""
    parts.need_packages("pyspark", "beam_pyspark_runner")
    parts.need_commands("java")
    import pyspark

    home = pathlib.Path(pyspark.__file__).parent
    with contextlib.ExitStack() as stack:
        url, workers = start_spark(stack, folder, home)
        env = _spark_env(home) | {
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": f"--master {url} --conf spark.eventLog.enabled=true "
            f"--conf spark.eventLog.dir={folder} pyspark-shell",
        }
        runner = "beam_pyspark_runner.pyspark_runner.PySparkRunner"
        yield Engine({"runner": runner}, workers, env)


def start_spark(
    stack: contextlib.ExitStack, folder: pathlib.Path, home: pathlib.Path
) -> tuple[str, Callable[[], list[int]]]:
    """Starts a Spark cluster; returns the master's address and the workers at work."""
    port, log = free_port(), folder / "master.log"
    url = f"spark://localhost:{port}"
    spark_class = (home / "bin" / "spark-class", "org.apache.spark.deploy")
    start = _starter(stack, folder, _spark_env(home))
    options = ("--host", "localhost", "--webui-port", "0")
    start(
        *("master", spark_class[0], f"{spark_class[1]}.master.Master"),
        *(*options, "--port", str(port)),
    )
    wait_until(lambda: listens(port), "Spark master", log=log)
    workers = [
        start(
            *(f"worker_{i}", spark_class[0], f"{spark_class[1]}.worker.Worker"),
            *(*options, "--cores", "1", "--work-dir", folder / f"work_{i}", url),
        )
        for i in range(NUM_WORKERS)
    ]
    _wait_for_text(log, "Registering worker", NUM_WORKERS)
    # A driver that was told of no master does all the work itself, without a word.
    return url, lambda: [worker.pid for worker in workers if children(worker.pid)]


def _spark_env(home: pathlib.Path) -> Mapping[str, str]:
    return {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}


@contextlib.contextmanager
def prism(folder: pathlib.Path) -> Iterator[Engine]:
    """Beam's own engine, with workers in a pool as Flink and Spark have them."""
    binary = parts.prism()
    with contextlib.ExitStack() as stack:
        pool, port = _worker_pool(stack, folder)
        yield Engine(
            {
                "runner": "PrismRunner",
                "prism_location": binary,
                "environment_type": "EXTERNAL",
                "environment_config": f"localhost:{port}",
            },
            lambda: children(pool.pid),
        )


@contextlib.contextmanager
def flink(folder: pathlib.Path) -> Iterator[Engine]:
    """Flink: a job manager, task managers, and Beam's job server for them."""
    job_server = parts.job_server("flink", "-Drunner=beam-runners-flink-1.19")
    home, config, port = parts.flink_home(), folder / "conf", free_port()
    settings = {
        "rest.port": port,
        "rest.bind-port": port,
        "jobmanager.rpc.port": free_port(),
        # A lost task manager's work fits on the others.
        "taskmanager.numberOfTaskSlots": NUM_WORKERS,
        "restart-strategy.type": "fixed-delay",
        "jobmanager.memory.process.size": "1g",
        "taskmanager.memory.process.size": "1g",
    }
    shutil.copytree(home / "conf", config)
    with (config / "config.yaml").open("a") as file:
        file.writelines(f"\n{name}: {value}" for name, value in settings.items())
    log_folder = {"FLINK_CONF_DIR": str(config), "FLINK_LOG_DIR": str(folder)}

    def has_all_slots() -> bool:
        url = f"http://localhost:{port}/overview"
        with urllib.request.urlopen(url, timeout=5) as reply:
            # A task manager is known a moment before its slots are.
            return json.load(reply)["slots-available"] == NUM_WORKERS**2

    with contextlib.ExitStack() as stack:
        start = _starter(stack, folder, log_folder)
        start("job_manager", "bash", home / "bin/jobmanager.sh", "start-foreground")
        managers = [
            start(f"task_{i}", "bash", home / "bin/taskmanager.sh", "start-foreground")
            for i in range(NUM_WORKERS)
        ]
        log = folder / "job_manager.log"
        wait_until(has_all_slots, "Flink's task managers", log=log)
        options = _job_server(
            stack,
            folder,
            *("java", "-cp", f"{job_server}/*"),
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            f"--flink-master=localhost:{port}",
        )
        options = options | {"parallelism": NUM_WORKERS}
        yield Engine(options, lambda: [manager.pid for manager in managers])


ENGINES: Mapping[str, Callable[[pathlib.Path], AbstractContextManager[Engine]]] = {
    "dask": dask,
    "spark": spark,
    "pyspark": pyspark,
    "prism": prism,
    "flink": flink,
}


def _python(module: str) -> tuple[str, ...]:
    return sys.executable, "-m", module


def _starter(
    stack: contextlib.ExitStack,
    folder: pathlib.Path,
    env: Mapping[str, str] | None = None,
) -> Callable[..., subprocess.Popen]:
    def start(name: str, *command: str | os.PathLike[str]) -> subprocess.Popen:
        log = folder / f"{name}.log"
        environment = _ENV | (env or {})
        return stack.enter_context(running(*command, log=log, env=environment))

    return start


def _job_server(
    stack: contextlib.ExitStack,
    folder: pathlib.Path,
    *command: str | os.PathLike[str],
    env: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Starts Beam's job server and a pool of workers; returns options to use them."""
    _, pool_port = _worker_pool(stack, folder)
    port = free_port()
    _starter(stack, folder, env)(
        *("job_server", *command, f"--job-port={port}"),
        f"--artifact-port={free_port()}",
        f"--expansion-port={free_port()}",
        f"--artifacts-dir={folder / 'artifacts'}",
    )
    wait_until(lambda: listens(port), "job server", log=folder / "job_server.log")
    return {
        "runner": "PortableRunner",
        "job_endpoint": f"localhost:{port}",
        "environment_type": "EXTERNAL",
        "environment_config": f"localhost:{pool_port}",
    }


def _worker_pool(
    stack: contextlib.ExitStack, folder: pathlib.Path
) -> tuple[subprocess.Popen, int]:
    port = free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    start = _starter(stack, folder)
    pool = start("pool", *_python(module), f"--service_port={port}")
    wait_until(lambda: listens(port), "Beam workers", log=folder / "pool.log")
    return pool, port


def _wait_for_text(log: pathlib.Path, text: str, times: int) -> None:
    wait_until(lambda: log.read_text().count(text) >= times, text, log=log)
