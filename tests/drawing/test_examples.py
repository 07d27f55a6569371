import numpy as np
import pytest
import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose.drawing.poses import LEFT, RIGHT
from tests import builds

PEOPLE = mpii_pose.mpii_pose_dataset_builder.PoseConfig(
    name="few", num_people=20, seed=1
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    return builds.build(tmp_path_factory.mktemp("data"), config=PEOPLE)


def shows(image, color):
    return (np.abs(image.astype(int) - color) <= 2).all(axis=2).sum()


def test_people_without_labels_are_shown_too(builder):
    examples = builder.as_dataset(split="test")

    for example in tfds.as_numpy(examples.take(2).map(mpii_pose.draw_example)):
        assert not shows(example["image"], LEFT)


@pytest.mark.parametrize("decoded", [True, False])
def test_both_sides_are_seen_and_arrays_become_what_tensors_become(builder, decoded):
    decoders = None if decoded else builds.ENCODED
    examples = builder.as_dataset(split="train", decoders=decoders).take(8)

    drawn = tfds.as_numpy(examples.map(mpii_pose.draw_example))

    for example, before in zip(drawn, tfds.as_numpy(examples), strict=True):
        assert example["image"].shape == (256, 256, 3)
        assert shows(example["image"], LEFT) > 50
        assert shows(example["image"], RIGHT) > 50
        found = mpii_pose.draw_example(before)["image"]
        assert type(found) is np.ndarray
        assert np.abs(found.astype(int) - example["image"]).mean() <= 1
        others_stay = before | {"image": example["image"]}
        builds.assert_same_examples([example], [others_stay])


def test_tfds_shows_the_pictures(builder):
    examples = builder.as_dataset(split="train").map(mpii_pose.draw_example)

    figure = tfds.show_examples(examples, builder.info, rows=1, cols=2)
    table = tfds.as_dataframe(examples.take(2), builder.info)._repr_html_()

    shown = figure.axes[0].images[0].get_array()
    assert shows(np.asarray(shown), LEFT) > 50
    assert table.count("<img") == 2
