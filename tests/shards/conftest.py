"""The drawn release built in each layout."""

import pytest

from mpii_pose.mpii_pose_dataset_builder import PoseConfig
from mpii_pose.shards.layouts import PersonCrop
from tests import builds


@pytest.fixture(scope="session")
def frames(drawn_release, tmp_path_factory):
    """The config `person`; not to be changed."""
    return builds.build(tmp_path_factory.mktemp("frames"), drawn_release)


@pytest.fixture(scope="session")
def crops(drawn_release, tmp_path_factory):
    """Crops so small that every drawn frame is reduced; not to be changed."""
    config = PoseConfig(name="small_crop", layout=PersonCrop(pixels=64))
    folder = tmp_path_factory.mktemp("crops")
    return builds.build(folder, drawn_release, config=config)


@pytest.fixture(scope="session")
def images(drawn_release, tmp_path_factory):
    """The config `image`; not to be changed."""
    folder = tmp_path_factory.mktemp("images")
    return builds.build(folder, drawn_release, config="image")
