"""What the best possible network scores: true keypoints through heatmaps and back."""

import gzip
import json

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.evaluation.pckh import pckh
from mpii_pose.person import HEAD_SIZE_PER_SCALE, person_square
from mpii_pose.skeleton import Visibility
from mpii_pose.transforms import geometry
from mpii_pose.transforms.decoding import decode_heatmaps
from mpii_pose.transforms.heatmaps import encode_heatmaps

IMAGE_SIZE = (256, 256)
BATCH = 256


@pytest.fixture(scope="module")
def people(real_mpii):
    """Keypoints, visibility, center and scale of the real validation people."""
    with gzip.open(real_mpii / "cpm_annotations.json.gz") as file:
        records = [r for r in json.load(file) if r["isValidation"] == 1]
    points = np.array([r["joint_self"] for r in records], np.float32)
    missing = (points == 0).all(axis=2)
    visibility = np.where(points[..., 2] > 0, Visibility.VISIBLE, Visibility.OCCLUDED)
    return (
        points[..., :2] - 1,
        np.where(missing, Visibility.MISSING, visibility),
        np.array([r["objpos"] for r in records], np.float32) - 1,
        np.array([r["scale_provided"] for r in records], np.float32),
    )


def ceiling(people, *, encoding, method, alignment):
    """Returns predictions of a network that makes exactly the heatmaps it is taught."""
    keypoints, visibility, center, scale = map(tf.constant, people)
    crop_to_image = geometry.crop_to_image_matrix(
        *person_square(center, scale),
        image_size=IMAGE_SIZE,
        alignment=geometry.Alignment.named(alignment),
    )
    in_crop = geometry.apply_affine(geometry.invert_affine(crop_to_image), keypoints)
    found = []
    for start in range(0, len(keypoints), BATCH):
        batch = slice(start, start + BATCH)
        heatmaps, _ = encode_heatmaps(
            in_crop[batch],
            visibility[batch],
            image_size=IMAGE_SIZE,
            alignment=alignment,
            encoding=encoding,
        )
        decoded, _ = decode_heatmaps(
            heatmaps, method=method, alignment=alignment, image_size=IMAGE_SIZE
        )
        found.append(geometry.apply_affine(crop_to_image[batch], decoded))
    return np.concatenate(found)


def totals(people, predicted):
    keypoints, visibility, _, scale = people
    return {
        threshold: pckh(
            predicted,
            keypoints,
            visibility,
            HEAD_SIZE_PER_SCALE * scale,
            threshold=threshold,
        ).total
        for threshold in (0.5, 0.1, 0.05)
    }


def test_all_validation_people_are_scored(people):
    assert people[0].shape == (2958, 16, 2)


@pytest.mark.parametrize("alignment", geometry.ALIGNMENTS)
def test_unbiased_heatmaps_and_dark_lose_next_to_nothing(people, alignment):
    predicted = ceiling(people, encoding="unbiased", method="dark", alignment=alignment)

    scores = totals(people, predicted)
    assert scores[0.5] >= 99.8
    assert scores[0.1] >= 99.5
    assert scores[0.05] >= 99.5


def test_rounded_heatmaps_and_argmax_lose_what_they_are_known_to(people):
    predicted = ceiling(
        people, encoding="msra", method="argmax", alignment="half_pixel"
    )

    scores = totals(people, predicted)
    assert scores[0.5] == pytest.approx(99.86, abs=0.05)
    assert scores[0.1] == pytest.approx(97.70, abs=0.2)
    assert scores[0.05] == pytest.approx(31.9, abs=2.0)


def test_a_quarter_of_a_cell_is_worth_its_offset(people):
    predicted = ceiling(
        people, encoding="unbiased", method="quarter", alignment="half_pixel"
    )

    scores = totals(people, predicted)
    assert scores[0.5] == pytest.approx(99.88, abs=0.05)
    assert scores[0.1] == pytest.approx(99.58, abs=0.1)
    assert scores[0.05] == pytest.approx(97.9, abs=0.5)
