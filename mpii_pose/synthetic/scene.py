"""Draws an image with people and says where their keypoints are.

Visibility is read from the finished drawing: a keypoint is visible if one of the
body parts that meet there is on top at its pixel, and occluded if something else is.
The upper neck and the head top always count as visible: MPII computes them and has no
flag for them.
"""

import dataclasses

import numpy as np
from PIL import Image

from mpii_pose.person import HEAD_SIZE_FACTOR, HEAD_SIZE_PER_SCALE, NECK_TO_TOP
from mpii_pose.skeleton import MPII, Visibility
from mpii_pose.synthetic import background, figure, outfit, pose
from mpii_pose.synthetic.annotations import ReleasePerson
from mpii_pose.synthetic.canvas import Canvas
from mpii_pose.synthetic.figure import Figure

# MPII's centers lie around the mean of the keypoints with this standard deviation,
# relative to body height: measured on the 16,992 people with all keypoints.
CENTER_SPREAD = 0.043

_NECK, _TOP = MPII.indices("upper_neck", "head_top")
# Keypoints that things are put before.
_HIDDEN = [
    index
    for index, name in enumerate(MPII.keypoints)
    if name.endswith(("wrist", "hip", "knee", "ankle"))
]
# Labels fit in a byte; the background and the occluders have one each.
MAX_PEOPLE = 254 // len(figure.PARTS)
# Images of more pixels are drawn without smoothing: theirs are small enough.
_LARGE_PX = 500_000
_OCCLUDER_SHARE = 0.35
# How far outside the image, relative to its size, a keypoint may still be labelled ...
_OUTSIDE_MARGIN = 0.03
# ... and how often it is.
_OUTSIDE_SHARE = 0.15


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A drawn image and its people, in the order they were asked for."""

    image: Image.Image
    people: list[ReleasePerson]
    category: str
    activity: str


def draw_scene(
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    num_people: int,
    grain: int = 5,
    occluders: bool = True,
) -> Scene:
    """Draws people who do the same thing in the same place, with everything known.

    Args:
        rng: Source of chance.
        size: (height, width) of the image in px.
        num_people: How many people, at most `MAX_PEOPLE`.
        grain: Strength of the noise in levels.
        occluders: Whether things may stand in front of people.
    """
    if not 0 <= num_people <= MAX_PEOPLE:
        raise ValueError(f"num_people must be 0 to {MAX_PEOPLE}, got {num_people}")
    activity = pose.sample_action(rng)
    canvas = Canvas(
        background.draw_background(rng, size=size),
        oversampling=2 if size[0] * size[1] < _LARGE_PX else 1,
    )
    figures = [
        _place_figure(rng, activity, size=size, place=place, num_people=num_people)
        for place in range(num_people)
    ]
    for person in sorted(figures, key=lambda person: person.height):
        if pose.ACTIONS[activity].needs_seat:
            _draw_seat(person, canvas, rng)
        person.draw(canvas)
    if figures and occluders and rng.random() < _OCCLUDER_SHARE:
        _hide_something(figures[int(rng.integers(len(figures)))], canvas, rng)
    boxes = [_extent(person) for person in figures]
    people = [
        dataclasses.replace(
            _annotate(person, canvas, rng),
            separated=all(other is box or not _overlap(box, other) for other in boxes),
        )
        for person, box in zip(figures, boxes, strict=True)
    ]
    return Scene(
        image=background.add_grain(canvas.image(), rng, strength=grain),
        people=people,
        category=pose.ACTIONS[activity].category,
        activity=activity,
    )


def _draw_seat(person: Figure, canvas: Canvas, rng: np.random.Generator) -> None:
    """A stool under the hips, as high as the feet are low."""
    _, below_hips = person.project(np.array((0, -0.09, 0)))
    _, floor = person.project(person.body.feet).max(axis=0)
    seat = np.array((person.pelvis[0], below_hips))
    background.draw_stool(
        canvas, rng, seat=seat, height=max(floor - below_hips, 0.15 * person.height)
    )


def _hide_something(person: Figure, canvas: Canvas, rng: np.random.Generator) -> None:
    """Puts a thing before a wrist, a hip, or part of a leg."""
    joints = person.project(person.body.joints)[_HIDDEN]
    background.draw_occluder(
        canvas,
        rng,
        at=joints[rng.integers(len(joints))],
        length=person.height * rng.uniform(0.15, 0.4),
    )


def _place_figure(
    rng: np.random.Generator,
    activity: str,
    *,
    size: tuple[int, int],
    place: int,
    num_people: int,
) -> Figure:
    """Puts a person in column `place` of `num_people`; the head stays in the image."""
    height, width = size
    column = width / num_people
    tallness = np.exp(rng.normal(np.log(0.72), 0.28))
    body_height = float(np.clip(tallness * height, 0.3 * height, 1.35 * height))
    if num_people > 1:
        body_height = min(body_height, 2.2 * column)
    person = Figure(
        body=pose.sample_body(rng, action=activity),
        outfit=outfit.sample_outfit(rng),
        height=body_height,
        pelvis=np.zeros(2),
        first_label=1 + place * len(figure.PARTS),
    )
    left, top, right, bottom = _extent(person)
    x = (place + 0.5 + rng.uniform(-0.2, 0.2)) * column - (left + right) / 2
    if bottom - top < 0.92 * height:
        y = height * rng.uniform(0.88, 0.99) - bottom
        y -= rng.uniform(0, 0.6) * (height - (bottom - top)) * 0.5
    else:
        y = height * rng.uniform(0.02, 0.12) - top
    pelvis = np.array((x, y))
    head = pelvis + person.project(person.body.joints[[_NECK, _TOP]]).mean(axis=0)
    inside = np.clip(head, 0.06 * height, (width - 0.06 * height, 0.94 * height))
    return dataclasses.replace(person, pelvis=pelvis + inside - head)


def _extent(person: Figure) -> np.ndarray:
    """Box (x1, y1, x2, y2) around the whole person."""
    points = person.project(
        np.concatenate((person.body.joints, person.body.hands, person.body.feet))
    )
    margin = 0.05 * person.height
    return np.concatenate((points.min(axis=0) - margin, points.max(axis=0) + margin))


def _overlap(box: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.all(box[:2] < other[2:]) and np.all(other[:2] < box[2:]))


def _annotate(
    person: Figure, canvas: Canvas, rng: np.random.Generator
) -> ReleasePerson:
    """What MPII's annotators would have said of a person."""
    exact = person.project(person.body.joints)
    keypoints = exact.round()
    head_box, keypoints[[_NECK, _TOP]] = _annotate_head(exact[_NECK], exact[_TOP])
    visibility = np.full(MPII.num_keypoints, Visibility.MISSING, np.int8)
    size = np.array((canvas.width, canvas.height))
    for index, (name, point) in enumerate(zip(MPII.keypoints, keypoints, strict=True)):
        outside = np.max(np.maximum(-point, point - (size - 1)) / size)
        if index in (_NECK, _TOP):
            visibility[index] = Visibility.VISIBLE
        elif outside <= 0:
            seen = person.is_seen(name, canvas.label_at(point))
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
    """The head box, and neck and head top moved by a pixel or less to fit it.

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
