"""The builder of a dataset that a user names."""

import os

import tensorflow_datasets as tfds

from mpii_pose.files import user_path


def open_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Returns `tfds.builder` of a folder whose `~` is the user's home."""
    folder = None if data_dir is None else os.fspath(user_path(data_dir))
    return tfds.builder(name, data_dir=folder)
