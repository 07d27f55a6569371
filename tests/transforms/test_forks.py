import pytest
import tensorflow as tf

from mpii_pose.transforms import forks
from mpii_pose.transforms.pose_transform import PoseTransform
from mpii_pose.transforms.preprocessor import Preprocessor
from tests import builds
from tests.transforms import processes, scenes


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("transform", [PoseTransform(), Preprocessor()])
def test_fork_of_a_process_that_used_tensorflow_is_told_to_spawn(transform):
    example = scenes.tensors(scenes.encoded(scenes.example(scenes.noise(20, 30))))
    transform(example)

    found = processes.in_fork(lambda: transform(example))

    assert found.startswith("RuntimeError: ")
    assert "would hang" in found
    assert '"spawn"' in found
    transform(example)  # The parent goes on.


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fork_of_a_process_that_used_tensorflow_and_opencv_transforms_arrays():
    transform = PoseTransform(image_size=(700, 700), heatmap_size=None)  # for threads
    example = scenes.encoded(scenes.example(scenes.noise(20, 30)))
    transform(scenes.tensors(example))
    transform(example)

    found = processes.in_fork(lambda: transform(example))

    assert found == "nothing"


@pytest.mark.slow
def test_fork_of_a_process_that_only_imported_tensorflow_works():
    program = """
from tests import builds
from tests.transforms import processes, scenes
from mpii_pose.transforms.pose_transform import PoseTransform
example = scenes.encoded(scenes.example(scenes.noise(20, 30)))
print("raised", processes.in_fork(
    lambda: PoseTransform()(scenes.tensors(example))))
"""
    found = builds.run("python", "-c", program)

    assert found.stdout.strip() == "raised nothing", found.stderr


def test_asking_whether_tensorflow_runs_changes_nothing():
    tf.constant(1.0)
    before = tf.config.threading.get_inter_op_parallelism_threads()

    assert forks._tensorflow_runs()
    assert tf.config.threading.get_inter_op_parallelism_threads() == before
