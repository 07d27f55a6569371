"""The drawn release's annotations, as MPII's own formats need them."""

import pytest

import mpii_pose


@pytest.fixture(scope="session")
def matlab_file(drawn_release):
    return drawn_release / "mpii_human_pose_v1_u12_2" / "mpii_human_pose_v1_u12_1.mat"


@pytest.fixture(scope="session")
def people(matlab_file):
    """Those of `test`."""
    return mpii_pose.read_people(matlab_file)["test"]
