"""A TFDS builder that plans its shards and then writes each in one go."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import workplace as unfinished
from mpii_pose.shards.encoding import ExampleEncoder
from mpii_pose.shards.plan import Shard, plan_split


class PlannedShardsBuilder(tfds.core.GeneratorBasedBuilder):
    """Builder of examples that are small until they are encoded.

    `_generate_examples` is a generator, as in any builder, or a sequence that makes
    examples when asked; their images are `ImageFile`s. Shards are written by Beam
    workers if the user chose a runner or pipeline options, and by this process
    otherwise. Should TFDS stop calling `_generate_splits`, its own writers would build
    the same dataset.
    """

    def download_and_prepare(self, **kwargs: Any) -> None:
        """Builds the dataset unless it is built; see the method of TFDS.

        Raises:
            BlockingIOError: Another process is building it.
        """
        try:
            with contextlib.ExitStack() as self._until_built:
                super().download_and_prepare(**kwargs)
        except KeyboardInterrupt:
            raise SystemExit(
                f"Stopped building {self.name}; what was written of it is removed"
            ) from None

    def _generate_splits(
        self,
        dl_manager: tfds.download.DownloadManager,
        download_config: tfds.download.DownloadConfig,
    ) -> Sequence[tfds.core.SplitInfo]:
        # TFDS's folder for this build stands beside those of builds that were killed.
        folder = epath.Path(self.data_dir)
        self._until_built.enter_context(unfinished.alone_in(folder.parent, mine=folder))
        self._check_order(download_config)
        splits: list[tfds.core.SplitInfo] = []
        shards: list[Shard] = []
        for name, examples in self._split_generators(dl_manager).items():
            split, split_shards = plan_split(
                name, examples, self._get_filename_template(name), download_config
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
        if not tfds.core.utils.has_sufficient_disk_space(num_bytes, self.data_dir):
            size = tfds.core.units.Size(num_bytes)
            raise OSError(
                f"Not enough disk space for {self.name}: it needs {size} below "
                f"{self.data_dir_root}. Nothing was written; free some space or choose "
                "another --data_dir"
            )

    def _write_in_process(self, shards: Sequence[Shard]) -> None:
        encoder, writer = ExampleEncoder(self.info.features), self._example_writer()
        with _progress(shards) as on_written:
            for shard in shards:
                shard.write(encoder, writer, on_written)

    def _write_on_beam(
        self, shards: Sequence[Shard], config: tfds.download.DownloadConfig
    ) -> None:
        beam = tfds.core.lazy_imports.apache_beam
        encoder, writer = ExampleEncoder(self.info.features), self._example_writer()
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
            result.cancel()
            raise
        self._process_pipeline_result(result)


@contextlib.contextmanager
def _progress(shards: Sequence[Shard]) -> Iterator[Callable[[int], None]]:
    """Shows images/s, MB/s and the time left; yields a function to call per record."""
    total, written = sum(len(shard.examples) for shard in shards), 0
    start = time.monotonic()
    with tfds.core.utils.tqdm(
        total=total, desc=f"Writing {len(shards)} shards", unit=" images", leave=False
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
