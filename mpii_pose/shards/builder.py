"""A TFDS builder that plans its shards and then writes each in one go."""

import contextlib
import errno
import os
import pathlib
import sys
import threading
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from mpii_pose import progress, tfds_private, workplace
from mpii_pose.checks import MpiiPoseError
from mpii_pose.files import user_path
from mpii_pose.shards.plan import ExampleEncoder, Shard, plan_split

# For how long a job may take to end once it is cancelled.
_CANCEL_S = 60


class PlannedShardsBuilder(tfds.core.GeneratorBasedBuilder):
    """Builder of examples that are small until they are encoded.

    `_generate_examples` is a generator, as in any builder, or returns
    `plan.Examples`; their images are `StoredImage`s. Shards are written by Beam workers
    if the user chose a runner or pipeline options, and by this process otherwise.
    """

    # The user's options, for `_split_generators`.
    _asked = tfds.download.DownloadConfig()

    def __init__(self, *, data_dir: epath.PathLike | None = None, **kwargs: Any):
        # TFDS expands the `~` of all other folders.
        data_dir = user_path(data_dir) if data_dir else None
        super().__init__(data_dir=data_dir, **kwargs)

    def is_prepared(self) -> bool:
        """Returns whether the dataset is there; TFDS warns of a missing folder."""
        return self.data_path.exists() and super().is_prepared()

    def download_and_prepare(
        self,
        *,
        download_config: tfds.download.DownloadConfig | None = None,
        **kwargs: Any,
    ) -> None:
        """Builds the dataset unless it is built; see the method of TFDS.

        Waits while another process or thread builds it, and takes that dataset.
        """
        config = download_config or tfds.download.DownloadConfig()
        kwargs["download_config"] = config
        if self.is_prepared() and not config.download_mode.overwrite_dataset:
            super().download_and_prepare(**kwargs)  # Logs that it is built.
            return
        folder = epath.Path(self.data_dir).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with workplace.lock(folder):
                super().download_and_prepare(**kwargs)
        except (MpiiPoseError, OSError) as error:
            taken = isinstance(error, OSError) and workplace.is_there_already(error)
            # Another host, whose locks are not seen here, may have built it meanwhile.
            if not (taken and self.is_prepared()):
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    error.filename = error.filename or str(folder)
                # The message has all that the steps up to here would say.
                raise _told_alone(error) from None
            logging.warning("Another process has built %s: taking it", self.data_dir)
            self.info.read_from_directory(self.data_dir)
        except KeyboardInterrupt as error:
            end = "what was written of it is removed"
            if self.is_prepared():
                end = f"the dataset in {self.data_dir} is whole"
            text = f"Stopped building {self.name}; {end}"
            stopped = KeyboardInterrupt(". ".join([text, *map(str, error.args)]))
            raise _told_alone(stopped) from None
        if not self.info.splits and self.is_prepared():
            self.info.read_from_directory(self.data_dir)

    def _generate_splits(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> Sequence[tfds.core.SplitInfo]:
        if download_config.nondeterministic_order:
            raise MpiiPoseError(
                f"{self.name} is always built in the same order, which costs nothing: "
                "leave --nondeterministic_order out"
            )
        splits: list[tfds.core.SplitInfo] = []
        shards: list[Shard] = []
        self._asked = download_config
        for name, examples in self._split_generators(dl_manager).items():
            template = tfds_private.filename_template(self, name)
            split, its_shards = plan_split(name, examples, template, download_config)
            splits.append(split)
            shards += its_shards
        num_bytes = sum(split.num_bytes for split in splits)
        if not tfds_private.has_sufficient_disk_space(num_bytes, self.data_dir):
            raise OSError(
                f"Not enough disk space for {self.name}: it needs "
                f"{tfds_private.Size(num_bytes)} below {self.data_dir_root}. Nothing "
                "was written; free some space or choose another --data_dir"
            )
        if download_config.beam_runner or download_config.beam_options:
            self._write_on_beam(shards, download_config)
        else:
            self._write_in_process(shards)
        sizes = [sum(path.stat().length for path in s.filepaths) for s in splits]
        return [s.replace(num_bytes=n) for s, n in zip(splits, sizes, strict=True)]

    def _write_in_process(self, shards: Sequence[Shard]) -> None:
        encoder = ExampleEncoder(self.info.features)
        writer = tfds_private.example_writer(self)
        total = sum(len(shard.examples) for shard in shards)
        text = f"Writing {len(shards)} shards"
        with progress.bar(total=total, desc=text, unit=" examples") as bar:
            for shard in shards:
                shard.write(encoder, writer, bar.update, _num_threads())

    def _write_on_beam(
        self, shards: Sequence[Shard], config: tfds.download.DownloadConfig
    ) -> None:
        beam = tfds.core.lazy_imports.apache_beam
        encoder = ExampleEncoder(self.info.features)
        writer = tfds_private.example_writer(self)
        pipeline = beam.Pipeline(config.beam_runner, config.beam_options)
        _ = (
            pipeline
            | "PlannedShards" >> beam.Create(shards)
            | "WriteShard" >> beam.Map(Shard.write, encoder, writer)
        )
        try:
            result = pipeline.run()
            _wait_for(result)
        except BaseException as error:
            # Workers may go on, where one has failed or none can be stopped.
            with contextlib.suppress(OSError):  # Windows keeps files that are open.
                workplace.remove_in_use(self.data_dir)
            # What Beam makes of Ctrl-C where it runs the steps in this process.
            if str(error).startswith("KeyboardInterrupt "):
                raise KeyboardInterrupt from None
            raise
        tfds_private.process_pipeline_result(self, result)


def _wait_for(result: Any) -> None:
    """Waits for the end of a job on Beam; Ctrl-C cancels it.

    A thread waits, also after Ctrl-C: until it ends, a job writes and logs.
    """
    ended: futures.Future[object] = futures.Future()

    def wait() -> None:
        try:
            ended.set_result(result.wait_until_finish())
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    try:
        while not ended.done():
            futures.wait([ended], timeout=1)  # Windows hears Ctrl-C in between.
        ended.result()
    except KeyboardInterrupt:
        try:
            result.cancel()
        except Exception as error:  # Each runner has errors of its own.
            logging.warning("The job may go on, as it is not cancelled: %s", error)
        else:
            futures.wait([ended], _CANCEL_S)
        raise


def _told_alone(error: BaseException) -> BaseException:
    """Returns an error that the command `tfds` prints without the calls it came by."""
    if pathlib.Path(sys.argv[0]).stem == "tfds":
        usual = sys.excepthook

        def tell(kind: Any, value: BaseException, traceback: Any) -> None:
            alone = value.with_traceback(None) if value is error else value
            usual(kind, alone, alone.__traceback__)

        sys.excepthook = tell
    return error.with_traceback(None)


def _num_threads() -> int:
    """Returns the number of threads that read images here: one for each core."""
    if hasattr(os, "sched_getaffinity"):  # Linux: the cores of this process.
        return max(2, len(os.sched_getaffinity(0)))
    return max(2, os.cpu_count() or 1)
