"""Renders an image with people, and annotates them as MPII's annotators would.

Right limbs have warm colors (red to yellow), left limbs cool ones (green to violet),
whichever way the person faces: real people are told left from right by many small
signs, small networks by this strong one.

Visibility is read from the finished picture: a keypoint is visible if a part of the
body that ends there is on top at its pixel, and occluded if something else is. The
upper neck and the head top always count as visible: MPII computes them and has no flag
for them.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from mpii_pose.person import HEAD_SIZE_FACTOR, HEAD_SIZE_PER_SCALE, NECK_TO_TOP
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility
from mpii_pose.synthetic import pose
from mpii_pose.synthetic.matlab import ReleasePerson
from mpii_pose.synthetic.pose import POINTS

Color = tuple[int, ...]

# Ranges of hue (degrees, 0 to 360 and on), saturation and value (percent). Hair is
# darker than skin: in a mirrored image the face alone shows left and right.
COLORS = {
    "right_arm": ((345, 405), (60, 95), (70, 100)),
    "right_leg": ((345, 405), (60, 95), (60, 90)),
    "left_arm": ((130, 260), (60, 95), (70, 100)),
    "left_leg": ((130, 260), (60, 95), (60, 90)),
    "shirt": ((0, 360), (0, 45), (35, 95)),
    "skin": ((18, 28), (25, 60), (50, 95)),
    "hair": ((15, 45), (0, 60), (5, 30)),
    "thing": ((0, 360), (5, 35), (35, 90)),
}
_LIMBS = {
    "arm_above": {"shoulder": 0.036, "elbow": 0.03},
    "arm_below": {"elbow": 0.03, "wrist": 0.023},
    "leg_above": {"hip": 0.055, "knee": 0.042},
    "leg_below": {"knee": 0.042, "ankle": 0.028},
}
# Each part is the hull of circles around points, whose radii are shares of body height.
# Its name, without the last word, is that of its color.
PARTS = {
    "shirt_front": {
        "right_shoulder": 0.04,
        "left_shoulder": 0.04,
        "thorax": 0.07,
        "right_hip": 0.055,
        "left_hip": 0.055,
        "pelvis": 0.055,
    },
    "skin_neck": {"thorax": 0.033, "upper_neck": 0.033},
    "skin_face": {"chin": 0.041, "brow": 0.038},
    "hair_cap": {"skull": 0.052, "crown": 0.057},
}
for _side in ("right", "left"):
    for _limb, _joints in _LIMBS.items():
        PARTS[f"{_side}_{_limb}"] = {f"{_side}_{j}": r for j, r in _joints.items()}
# A shirt that is nearer than another part by less lies behind it.
_SHIRT_SETBACK = 0.07
# Shapes have a dark rim around a smaller inside.
_RIM_SHADE, _INSIDE = 0.55, 0.84

_ANGLES = np.linspace(0, 2 * math.pi, 24, endpoint=False)
_DIRECTIONS = np.stack((np.cos(_ANGLES), np.sin(_ANGLES)))

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


class Canvas:
    """A picture with the thing that is on top at each pixel."""

    def __init__(self, background: Image.Image) -> None:
        self.image = background.copy()
        self._things: list[Hashable] = [None]
        self._numbers = Image.new("I", background.size, 0)  # Positions in `_things`.

    def fill(
        self, centers: np.ndarray, radii: np.ndarray, color: Color, thing: Hashable
    ) -> None:
        """Fills the hull of circles around `centers` [N, 2], (x, y) in px.

        `thing` is on top there from now on. The rim is darker.
        """
        self._things.append(thing)
        rim = tuple(round(_RIM_SHADE * channel) for channel in color)
        outline, inside = (_hull(centers, share * radii) for share in (1, _INSIDE))
        ImageDraw.Draw(self._numbers).polygon(outline, fill=len(self._things) - 1)
        ImageDraw.Draw(self.image).polygon(outline, fill=rim)
        ImageDraw.Draw(self.image).polygon(inside, fill=color)

    def thing_at(self, point: Sequence[float] | np.ndarray) -> Hashable:
        """Returns what is on top at a point in the picture; None is the background."""
        x, y = point
        number = self._numbers.getpixel((round(x), round(y)))
        assert isinstance(number, int)
        return self._things[number]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A body with colors, somewhere in an image."""

    points: np.ndarray  # float64 [20, 3], `POINTS`: (x, y) in px and the nearness.
    height: float  # Of the body in px.
    colors: Mapping[str, Color]  # Keys are those of `COLORS`.

    def shows(self, keypoint: str, thing: Hashable) -> bool:
        """Returns whether a keypoint is seen if `thing` is on top at its pixel.

        So it is if `thing` is a part of this body that ends there; a shirt shows pelvis
        and thorax only.
        """
        return any(
            thing == (self, part) and keypoint in points
            for part, points in PARTS.items()
            if part != "shirt_front" or keypoint in ("pelvis", "thorax")
        )

    def render(self, canvas: Canvas) -> None:
        """Renders the parts, the farthest first."""
        shapes = []
        for part, points in PARTS.items():
            centers = self.points[[POINTS.index(name) for name in points]]
            setback = _SHIRT_SETBACK * self.height if part == "shirt_front" else 0
            shapes.append((centers[:, 2].mean() - setback, part, centers[:, :2]))
        for _, part, centers in sorted(shapes, key=lambda shape: shape[0]):
            radii = self.height * np.array(list(PARTS[part].values()))
            color = self.colors[part.rpartition("_")[0]]
            canvas.fill(centers, radii, color, (self, part))


def sample_color(rng: np.random.Generator, kind: str) -> Color:
    """Returns an RGB color for a key of `COLORS`."""
    hue, saturation, value = (rng.uniform(*limits) for limits in COLORS[kind])
    return ImageColor.getrgb(f"hsv({hue:.0f}, {saturation:.0f}%, {value:.0f}%)")


def _hull(centers: np.ndarray, radii: np.ndarray) -> list[float]:
    """Returns the outline of the convex hull of circles: x, y, x, y, ..."""
    reach = centers @ _DIRECTIONS + radii[:, np.newaxis]
    farthest = reach.argmax(axis=0)
    outline = centers[farthest] + radii[farthest, np.newaxis] * _DIRECTIONS.T
    return outline.round().ravel().tolist()


def render_scene(
    rng: np.random.Generator,
    *,
    action: str,
    size: tuple[int, int],
    num_people: int,
    grain: int,
) -> tuple[Image.Image, list[ReleasePerson]]:
    """Returns an image of people in an action, and them from left to right.

    Each value of the image, of `size` (height, width), is changed by noise of at most
    `grain` levels. `action` is a key of `pose.ACTIONS`.
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

    Its corners are whole numbers; around an upright head it is 0.6 x 0.8 of its
    diagonal, around a lying one 0.8 x 0.6.
    """
    middle, length = (neck + top) / 2, np.hypot(*(top - neck))
    direction = (top - neck) / length
    across = np.sqrt(0.36 + 0.28 * direction**2) * length / NECK_TO_TOP
    corners = np.concatenate((middle - across / 2, middle + across / 2)).round()
    middle = (corners[:2] + corners[2:]) / 2
    half = NECK_TO_TOP * np.hypot(*(corners[2:] - corners[:2])) / 2
    return corners, np.stack((middle - half * direction, middle + half * direction))
