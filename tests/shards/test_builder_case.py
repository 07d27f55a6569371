"""TFDS's own test of a dataset builder."""

import pathlib
import tempfile

import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose import synthetic


class MpiiPoseTest(tfds.testing.DatasetBuilderTestCase):
    """Declares what TFDS checks by itself."""

    DATASET_CLASS = mpii_pose.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["person"]
    NUM_PEOPLE = 16
    SPLITS = {"train": 13, "validation": 2, "validation_others": 1, "test": 6}
    # Two people in one image are in two splits.
    OVERLAPPING_SPLITS = ["validation_others"]
    # The files are opened outside the builder's module.
    MOCK_OUT_FORBIDDEN_OS_FUNCTIONS = False

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = pathlib.Path(folder.name)
        synthetic.write_release(cls.EXAMPLE_DIR, num_people=cls.NUM_PEOPLE, seed=1)
        super().setUpClass()


class MpiiPoseSyntheticTest(MpiiPoseTest):
    BUILDER_CONFIG_NAMES_TO_TEST = [
        mpii_pose.mpii_pose_dataset_builder.PoseConfig(
            name="small", num_people=MpiiPoseTest.NUM_PEOPLE, seed=1
        )
    ]
