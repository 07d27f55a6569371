"""Renders one person, and finds out which of their keypoints can be seen.

Right limbs have warm colors (red to yellow), left limbs cool ones (green to violet),
whichever way the person faces: real people are told left from right by many small
signs, small networks by this strong one.
"""

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from mpii_pose.synthetic.pose import POINTS

Color = tuple[int, ...]

# Ranges of hue (degrees, 0 to 360 and on), saturation and value (percent). Hair is
# darker than skin: in a mirrored image only the face tells left from right.
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


class Canvas:
    """A picture with the thing that is on top at each pixel."""

    def __init__(self, background: Image.Image) -> None:
        self.image = background.copy()
        self._things: list[Hashable] = [None]
        self._numbers = Image.new("I", background.size, 0)  # Positions in `_things`.

    def fill(
        self, centers: np.ndarray, radii: np.ndarray, color: Color, thing: Hashable
    ) -> None:
        """Fills the convex hull of circles, on top of which `thing` is from now on.

        Centers [N, 2] are (x, y) in px, integers at pixel centers. The rim is darker.
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
        """Returns whether a keypoint is seen, given what is on top at its pixel.

        It is seen if a part of this body that ends there is on top: not an object, not
        another person, not another part. A shirt shows pelvis and thorax only.
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
