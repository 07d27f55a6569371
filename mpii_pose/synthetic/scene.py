"""Renders an image with people, and annotates them as MPII's annotators would.

Visibility is read from the finished picture: a keypoint is visible if a part of the
body that ends there is on top at its pixel, and occluded if something else is. The
upper neck and the head top always count as visible: MPII computes them and has no flag
for them.
"""

import dataclasses
import math

import numpy as np
from PIL import Image

from mpii_pose.person import HEAD_SIZE_FACTOR, HEAD_SIZE_PER_SCALE, NECK_TO_TOP
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility
from mpii_pose.synthetic import pose
from mpii_pose.synthetic.figure import COLORS, Canvas, Figure, sample_color
from mpii_pose.synthetic.matlab import ReleasePerson

# MPII's centers lie around the mean of the keypoints with this standard deviation,
# relative to body height: measured on the 16,992 people with all keypoints.
CENTER_SPREAD = 0.043
# The share of images with an occluder before one of the people.
OCCLUDER_SHARE = 0.35
# How far outside the image, relative to its size, a keypoint may still be labelled ...
_OUTSIDE_MARGIN = 0.03
# ... and how often it is.
_OUTSIDE_SHARE = 0.15

_NECK, _TOP = MPII.indices("upper_neck", "head_top")


def render_scene(
    rng: np.random.Generator,
    *,
    action: str,
    size: tuple[int, int],
    num_people: int,
    grain: int,
) -> tuple[Image.Image, list[ReleasePerson]]:
    """Renders people in one place, all in the middle of the same action.

    Args:
        rng: Source of chance.
        action: A key of `pose.ACTIONS`.
        size: (height, width) of the image in px.
        num_people: How many people.
        grain: Strength of the noise: each value changes by at most so many levels.

    Returns:
        The image, and its people from left to right with everything known.
    """
    height, width = size
    canvas = Canvas(_background(rng, size=size))
    for at in rng.uniform((0, 0.3), (1, 0.7), (4, 2)) * (width, height):
        _fill_thing(canvas, rng, at=at, length=rng.uniform(0.05, 0.2) * height)
    figures = [
        _place_figure(rng, action, size, place, num_people)
        for place in range(num_people)
    ]
    for person in sorted(figures, key=lambda person: person.height):
        person.render(canvas)
    if figures and rng.random() < OCCLUDER_SHARE:
        hidden = figures[rng.integers(num_people)]
        at = hidden.points[rng.integers(NUM_KEYPOINTS), :2]
        _fill_thing(canvas, rng, at=at, length=rng.uniform(0.08, 0.16) * hidden.height)
    boxes = [_box_around(person) for person in figures]
    people = [
        dataclasses.replace(
            _annotate(person, canvas, rng),
            separated=all(other is box or not _overlap(box, other) for other in boxes),
        )
        for person, box in zip(figures, boxes, strict=True)
    ]
    noise = rng.integers(-grain, grain, (height, width, 3), np.int8, endpoint=True)
    pixels = (np.asarray(canvas.image, np.int16) + noise).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8)), people


def _background(rng: np.random.Generator, *, size: tuple[int, int]) -> Image.Image:
    """Returns a wall and a floor with soft patches."""
    height, width = size
    wall, floor = (np.array(sample_color(rng, "thing")) for _ in range(2))
    is_wall = np.arange(12).reshape(12, 1, 1) < rng.integers(5, 9)
    colors = np.where(is_wall, wall, floor) + rng.normal(0, 12, (12, 8, 1))
    small = Image.fromarray(colors.clip(0, 255).astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def _fill_thing(
    canvas: Canvas, rng: np.random.Generator, *, at: np.ndarray, length: float
) -> None:
    """Puts a thing over a point [2]; it reaches about `length` px far."""
    centers = at + length * np.array(((0, 0), rng.normal(0, 0.5, 2)))
    radii = length * rng.uniform(0.3, 0.8, 2)
    canvas.fill(centers, radii, sample_color(rng, "thing"), "thing")


def _place_figure(
    rng: np.random.Generator, action: str, size: tuple[int, int], place: int, of: int
) -> Figure:
    """Puts a person in column `place` of so many; the head stays in the image."""
    height, width = size
    column = width / of
    tallness = np.clip(np.exp(rng.normal(np.log(0.72), 0.28)), 0.3, 1.35)
    body_height = min(tallness * height, 2.2 * column if of > 1 else math.inf)
    points = body_height * pose.sample_body(rng, action=action)
    colors = {kind: sample_color(rng, kind) for kind in COLORS}
    person = Figure(points=points, height=body_height, colors=colors)
    left, top, right, bottom = _box_around(person)
    room = max(0.1 * height, height - (bottom - top))
    x = (place + 0.5 + rng.uniform(-0.3, 0.3)) * column - (left + right) / 2
    shift = np.array((x, rng.uniform(0.2, 0.95) * room - top))
    head = points[_TOP, :2] + shift
    shift += head.clip(0.06 * height, (width - 0.06 * height, 0.94 * height)) - head
    return dataclasses.replace(person, points=points + np.append(shift, 0))


def _box_around(person: Figure) -> np.ndarray:
    """Returns the box (x1, y1, x2, y2) around the whole person."""
    points, margin = person.points[:, :2], 0.1 * person.height
    return np.concatenate((points.min(axis=0) - margin, points.max(axis=0) + margin))


def _overlap(box: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(box[:2] < other[2:]) and np.all(other[:2] < box[2:]))


def _annotate(
    person: Figure, canvas: Canvas, rng: np.random.Generator
) -> ReleasePerson:
    """Returns the annotation of a person in the finished picture."""
    exact = person.points[:NUM_KEYPOINTS, :2]
    keypoints = exact.round()
    head_box, keypoints[[_NECK, _TOP]] = _annotate_head(exact[_NECK], exact[_TOP])
    visibility = np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)
    size = np.array(canvas.image.size)
    for index, (name, point) in enumerate(zip(MPII.keypoints, keypoints, strict=True)):
        outside = np.max(np.maximum(-point, point - (size - 1)) / size)
        if index in (_NECK, _TOP):
            visibility[index] = Visibility.VISIBLE
        elif outside <= 0:
            seen = person.shows(name, canvas.thing_at(point))
            visibility[index] = Visibility.VISIBLE if seen else Visibility.OCCLUDED
        elif outside < _OUTSIDE_MARGIN and rng.random() < _OUTSIDE_SHARE:
            visibility[index] = Visibility.OCCLUDED
    keypoints[visibility == Visibility.MISSING] = -1
    middle = keypoints[visibility != Visibility.MISSING].mean(axis=0)
    head_size = HEAD_SIZE_FACTOR * float(np.hypot(*(head_box[2:] - head_box[:2])))
    return ReleasePerson(
        keypoints=keypoints,
        visibility=visibility,
        center=(middle + rng.normal(0, CENTER_SPREAD * person.height, 2)).round(),
        scale=head_size / HEAD_SIZE_PER_SCALE,
        head_box=head_box,
    )


def _annotate_head(neck: np.ndarray, top: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the head box, and neck and head top moved to fit it, by a pixel or less.

    The box has whole numbers for corners. It is 0.6 x 0.8 of its diagonal around an
    upright head, 0.8 x 0.6 around a lying one.
    """
    middle, length = (neck + top) / 2, np.hypot(*(top - neck))
    direction = (top - neck) / length
    across = np.sqrt(0.36 + 0.28 * direction**2) * length / NECK_TO_TOP
    corners = np.concatenate((middle - across / 2, middle + across / 2)).round()
    middle = (corners[:2] + corners[2:]) / 2
    half = NECK_TO_TOP * np.hypot(*(corners[2:] - corners[:2])) / 2
    return corners, np.stack((middle - half * direction, middle + half * direction))
