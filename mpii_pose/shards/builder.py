"""A TFDS builder that plans its shards and then writes each in one go."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from mpii_pose import progress, tfds_private, workplace
from mpii_pose.shards.plan import ExampleEncoder, Shard, plan_split


class PlannedShardsBuilder(tfds.core.GeneratorBasedBuilder):
    """Builder of examples that are small until they are encoded.

    `_generate_examples` is a generator, as in any builder, or returns
    `plan.Examples`; their images are `StoredImage`s. Shards are written by Beam workers
    if the user chose a runner or pipeline options, and by this process otherwise. If
    TFDS stopped calling `_generate_splits`, its own writers would build the same
    dataset.
    """

    # The user's options, for `_split_generators`.
    _asked = tfds.download.DownloadConfig()

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
        except OSError as error:
            # Another host, whose locks are not seen here, may have built it meanwhile.
            if not (workplace.is_there_already(error) and self.is_prepared()):
                raise
            logging.warning("Another process has built %s: taking it", self.data_dir)
            self.info.read_from_directory(self.data_dir)
        except KeyboardInterrupt as error:
            end = "what was written of it is removed"
            if self.is_prepared():
                end = f"the dataset in {self.data_dir} is whole"
            text = f"Stopped building {self.name}; {end}"
            raise KeyboardInterrupt(". ".join([text, *map(str, error.args)])) from None
        if not self.info.splits and self.is_prepared():
            self.info.read_from_directory(self.data_dir)

    def _generate_splits(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> Sequence[tfds.core.SplitInfo]:
        self._check_order(download_config)
        splits: list[tfds.core.SplitInfo] = []
        shards: list[Shard] = []
        self._asked = download_config
        for name, examples in self._split_generators(dl_manager).items():
            split, split_shards = plan_split(
                name,
                examples,
                tfds_private.filename_template(self, name),
                download_config,
            )
            splits.append(split)
            shards += split_shards
        self._check_disk_space(sum(split.num_bytes for split in splits))
        if download_config.beam_runner or download_config.beam_options:
            self._write_on_beam(shards, download_config)
        else:
            self._write_in_process(shards)
        return [split.replace(num_bytes=_num_bytes(split)) for split in splits]

    def _check_order(self, config: tfds.download.DownloadConfig) -> None:
        if config.nondeterministic_order:
            raise ValueError(
                f"{self.name} is always built in the same order, which costs nothing: "
                "leave --nondeterministic_order out"
            )
        if self.info.disable_shuffling:
            raise ValueError(
                f"{self.name} cannot be built with disable_shuffling: its shards are "
                "planned in TFDS's shuffled order. Sort by `index` when reading"
            )

    def _check_disk_space(self, num_bytes: int) -> None:
        if not tfds_private.has_sufficient_disk_space(num_bytes, self.data_dir):
            size = tfds_private.Size(num_bytes)
            raise OSError(
                f"Not enough disk space for {self.name}: it needs {size} below "
                f"{self.data_dir_root}. Nothing was written; free some space or choose "
                "another --data_dir"
            )

    def _write_in_process(self, shards: Sequence[Shard]) -> None:
        encoder = ExampleEncoder(self.info.features)
        writer = tfds_private.example_writer(self)
        with _progress(shards) as on_written:
            for shard in shards:
                shard.write(encoder, writer, on_written, self._num_threads())

    def _num_threads(self) -> int:
        """Returns the number of threads that read images here: one for each core."""
        if hasattr(os, "sched_getaffinity"):  # Linux: the cores of this process.
            return max(2, len(os.sched_getaffinity(0)))
        return max(2, os.cpu_count() or 1)

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
        result = pipeline.run()
        try:
            result.wait_until_finish()
        except KeyboardInterrupt:
            try:
                result.cancel()
            except Exception as error:  # Each runner has errors of its own.
                logging.warning("The job may go on, as it is not cancelled: %s", error)
            raise
        tfds_private.process_pipeline_result(self, result)


@contextlib.contextmanager
def _progress(shards: Sequence[Shard]) -> Iterator[Callable[[int], None]]:
    """Shows images/s, MB/s and the time left.

    Yields a function to call with the size of each record.
    """
    total, written = sum(len(shard.examples) for shard in shards), 0
    start = time.monotonic()
    with progress.bar(
        total=total, desc=f"Writing {len(shards)} shards", unit=" images"
    ) as bar:

        def on_written(num_bytes: int) -> None:
            nonlocal written
            written += num_bytes
            rate = written / (time.monotonic() - start + 1e-9) / 1e6
            bar.set_postfix_str(f"{rate:.0f} MB/s", refresh=False)
            bar.update()

        yield on_written


def _num_bytes(split: tfds.core.SplitInfo) -> int:
    paths = (epath.Path(os.fspath(path)) for path in split.filepaths)
    return sum(path.stat().length for path in paths)
