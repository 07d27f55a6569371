"""TFDS's names that are not in its documented API, each with what it is used for.

Other modules take them from here. `tests/test_tfds_private.py` names the one that moved
when a new TFDS has moved one. Two more are hooks, by which TFDS calls our builder:

* `GeneratorBasedBuilder._generate_splits(dl_manager, download_config)` returns the
  splits. Were it no longer called, TFDS's own writers would build the same dataset,
  with a second copy of it on disk and without a plan of the disk space.
* `download_and_prepare` makes the dataset as `incomplete.<letters>_<version>` and sets
  `data_dir` to that folder meanwhile. With another name, `workplace` would not name
  what killed builds leave behind.
"""

from typing import Any

import promise
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download.checksums import compute_url_info
from tensorflow_datasets.core.download.downloader import DownloadResult
from tensorflow_datasets.core.download.resource import get_dl_fname
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.core.hashing import Hasher
from tensorflow_datasets.core.units import Size
from tensorflow_datasets.core.utils import (
    has_sufficient_disk_space,
    incomplete_file,
    tqdm,
)
from tensorflow_datasets.core.utils.shard_utils import (
    DEFAULT_MIN_SHARD_SIZE,
    get_shard_boundaries,
)
from tensorflow_datasets.proto import tf_example_pb2

__all__ = [
    # The smallest shard by default. Else: a given --min_shard_size is not noticed.
    "DEFAULT_MIN_SHARD_SIZE",
    # The message that a record holds. Else: examples by number cannot be read.
    "Example",
    # Features to a `tf.train.Example`. Else: examples cannot be encoded.
    "ExampleSerializer",
    # The order of the examples of a split. Else: datasets of two versions differ.
    "Hasher",
    # Shows a number of bytes.
    "Size",
    # The name of a download on disk. Else: what is downloaded is asked for again.
    "get_dl_fname",
    # Which examples stand in which shard. Else: datasets of two versions differ.
    "get_shard_boundaries",
    # Else: a full disk is noticed late.
    "has_sufficient_disk_space",
    # A file that appears once it is whole. Else: a lost worker's file stays.
    "incomplete_file",
    # A progress bar that `tfds.disable_progress_bar` switches off.
    "tqdm",
]

Example = tf_example_pb2.Example


def filename_template(builder: Any, split: str) -> tfds.core.ShardedFileTemplate:
    """Returns how the files of a split are named. Else: nothing can be written."""
    return builder._get_filename_template(split)


def example_writer(builder: Any) -> Any:
    """Returns the writer of the file format. Else: nothing can be written."""
    return builder._example_writer()


def process_pipeline_result(builder: Any, result: Any) -> None:
    """Hands a Beam result to the builder's hook. Else: nobody sees Beam's counters."""
    builder._process_pipeline_result(result)


def use_downloader(dl_manager: Any, downloader: Any) -> None:
    """Lets a manager download by another. Else: a download that is cut starts anew."""
    dl_manager._DownloadManager__downloader = downloader


def downloaded(path: epath.Path) -> Any:
    """Returns a downloader's answer about a file. Else: no file can be downloaded."""
    result = DownloadResult(path=path, url_info=compute_url_info(path))
    return promise.Promise.resolve(result)


def extract_dir(dl_manager: Any) -> epath.Path:
    """Returns the folder for extracted archives. Else: it is TFDS's default one."""
    default = epath.Path(dl_manager.download_dir) / "extracted"
    return epath.Path(getattr(dl_manager, "_extract_dir", default))
