import numpy as np
import pytest

from mpii_pose.synthetic import image_plans
from mpii_pose.synthetic.image_plans import LABELLED_KINDS


def make_plan(num_people, seed=0):
    return image_plans.plan_images(num_people, rng=np.random.default_rng(seed))


def split_sizes(plans):
    """People of train, validation, validation_others and test, by the readers' rule."""
    sizes = {"train": 0, "validation": 0, "validation_others": 0, "test": 0}
    for image in plans:
        labelled = [i for i, k in enumerate(image.people) if k in LABELLED_KINDS]
        listed = set(image.validation_people)
        assert listed <= set(labelled)
        if not image.is_train:
            sizes["test"] += image.people.count("without_points")
        elif listed:
            sizes["validation"] += len(listed)
            sizes["validation_others"] += len(set(labelled) - listed)
        else:
            sizes["train"] += len(labelled)
    return sizes


@pytest.mark.parametrize("num_people", [1, 2, 3, 4, 7, 8, 20, 333])
def test_the_number_of_labelled_people_is_exact(num_people):
    for seed in range(5):
        sizes = split_sizes(make_plan(num_people, seed))

        assert sum(sizes.values()) - sizes["test"] == num_people


@pytest.mark.parametrize("num_people", [4, 5, 8])
def test_every_split_has_somebody(num_people):
    for seed in range(20):
        assert min(split_sizes(make_plan(num_people, seed)).values()) >= 1


def test_one_person_is_for_training():
    sizes = split_sizes(make_plan(1))

    assert sizes == {
        "train": 1,
        "validation": 0,
        "validation_others": 0,
        "test": 1,
    }


def test_splits_have_the_proportions_of_mpii():
    sizes = split_sizes(make_plan(3000))

    assert 0.08 < sizes["validation"] / 3000 < 0.13
    assert 0.02 < sizes["validation_others"] / 3000 < 0.15
    assert 0.35 < sizes["test"] / 3000 < 0.45


def test_names_are_nine_digits_that_mpii_never_uses():
    names = [image.name for image in make_plan(500)]

    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) == len("015601864.jpg")
        assert name.removesuffix(".jpg").isdigit()
        assert name[0] != "0"
