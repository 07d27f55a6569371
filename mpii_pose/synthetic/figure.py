"""Draws one person.

Real people are told left from right by many small signs; here one strong sign helps
small networks: right limbs are dressed in warm colors (red to yellow), left limbs in
cool ones (green to violet), whichever way the person faces.
"""

import colorsys
import dataclasses
from collections.abc import Callable

import numpy as np

from mpii_pose import skeleton
from mpii_pose.synthetic.canvas import Canvas, Color, capsule, ellipse, shade
from mpii_pose.synthetic.pose import Body

PARTS = (
    "torso",
    "head",
    "right_upper_arm",
    "right_forearm",
    "left_upper_arm",
    "left_forearm",
    "right_thigh",
    "right_shin",
    "left_thigh",
    "left_shin",
)
# The parts that meet at each keypoint: where one of them is on top, it is seen.
_MEETING_PARTS = {
    "ankle": ("shin",),
    "knee": ("thigh", "shin"),
    "hip": ("thigh",),
    "wrist": ("forearm",),
    "elbow": ("upper_arm", "forearm"),
    "shoulder": ("upper_arm",),
}
# Hips and shoulders farther behind the spine than this are hidden by the torso.
_FAR_SIDE = 0.045
_OUTLINE, _LIGHT = 0.55, 1.25

_SKINS = ((245, 208, 178), (224, 172, 128), (186, 126, 86), (132, 84, 58), (96, 62, 46))
_HAIRS = ((40, 28, 24), (92, 58, 34), (150, 96, 48), (214, 178, 106), (150, 150, 150))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outfit:
    """Colors and cut of what a person wears; "right" is the person's right."""

    skin: Color
    hair: Color
    shirt: Color
    belt: Color
    right_sleeve: Color
    left_sleeve: Color
    right_trouser: Color
    left_trouser: Color
    shoes: Color
    long_sleeves: bool
    long_trousers: bool
    girth: float


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """Draws an outfit."""
    warm, cool = rng.uniform(-0.04, 0.13, 2), rng.uniform(0.36, 0.72, 2)
    return Outfit(
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        shirt=_color(rng.random(), rng.uniform(0, 0.45), rng.uniform(0.35, 0.95)),
        belt=_color(rng.random(), 0.3, 0.3),
        right_sleeve=_color(warm[0], rng.uniform(0.6, 0.95), rng.uniform(0.7, 1)),
        left_sleeve=_color(cool[0], rng.uniform(0.5, 0.95), rng.uniform(0.6, 1)),
        right_trouser=_color(warm[1], rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.8)),
        left_trouser=_color(cool[1], rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.75)),
        shoes=_color(rng.random(), 0.3, rng.uniform(0.15, 0.9)),
        long_sleeves=bool(rng.random() < 0.7),
        long_trousers=bool(rng.random() < 0.7),
        girth=float(rng.uniform(0.9, 1.15)),
    )


def _color(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A body with clothes, put somewhere in an image.

    Attributes:
        body: The posed body.
        outfit: What it wears.
        height: Body height in px.
        pelvis: float [2], where the pelvis is in the image.
        first_label: Its parts are labelled from this number on, as in `PARTS`.
    """

    body: Body
    outfit: Outfit
    height: float
    pelvis: np.ndarray
    first_label: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """Image positions float [..., 2] of points [..., 3] of the body."""
        return self.pelvis + self.height * points[..., :2] * (1, -1)

    def is_seen(self, keypoint: str, label: int) -> bool:
        """Whether a keypoint is seen, given the label on top at its pixel.

        It is seen if one of the parts that meet there is on top: not an object, not
        another person, not another part of the same body.
        """
        part = label - self.first_label
        if not 0 <= part < len(PARTS):
            return False
        name = PARTS[part]
        side, _, joint = keypoint.partition("_")
        if joint not in _MEETING_PARTS:
            return name in ("torso", "head")
        if name == "torso" and joint in ("shoulder", "hip"):
            spine = "thorax" if joint == "shoulder" else "pelvis"
            return bool(self._joint(keypoint)[2] > self._joint(spine)[2] - _FAR_SIDE)
        return name in [f"{side}_{part}" for part in _MEETING_PARTS[joint]]

    def draw(self, canvas: Canvas) -> None:
        """Draws the parts, the farthest first."""
        for _, draw_part in sorted(self._parts(), key=lambda part: part[0]):
            draw_part(canvas)

    def _joint(self, name: str) -> np.ndarray:
        return self.body.joints[skeleton.KEYPOINTS.index(name)]

    def _parts(self) -> list[tuple[float, Callable[[Canvas], None]]]:
        """Each part's depth and how to draw it; limbs lie over a torso as deep."""
        joint, outfit = self._joint, self.outfit
        parts: list[tuple[float, Callable[[Canvas], None]]] = [
            ((joint("thorax")[2] + joint("pelvis")[2]) / 2, self._draw_torso),
            (joint("upper_neck")[2] + 0.05, self._draw_head),
        ]
        for place, side in enumerate(("right", "left")):
            names = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
            shoulder, elbow, wrist, hip, knee, ankle = (
                joint(f"{side}_{name}") for name in names
            )
            sleeve = getattr(outfit, f"{side}_sleeve")
            trouser = getattr(outfit, f"{side}_trouser")
            forearm = sleeve if outfit.long_sleeves else outfit.skin
            shin = trouser if outfit.long_trousers else outfit.skin
            hand, foot = self.body.hands[place], self.body.feet[place]
            parts += [
                self._limb(
                    f"{side}_upper_arm", [(shoulder, elbow, 0.036, 0.03, sleeve)]
                ),
                self._limb(
                    f"{side}_forearm",
                    [
                        (wrist, hand, 0.018, 0.024, outfit.skin),
                        (elbow, wrist, 0.03, 0.023, forearm),
                        (wrist * 0.9 + elbow * 0.1, wrist, 0.024, 0.024, sleeve),
                    ],
                ),
                self._limb(f"{side}_thigh", [(hip, knee, 0.058, 0.042, trouser)]),
                self._limb(
                    f"{side}_shin",
                    [
                        (ankle, foot, 0.03, 0.022, outfit.shoes),
                        (knee, ankle, 0.042, 0.029, shin),
                        (ankle * 0.9 + knee * 0.1, ankle, 0.03, 0.03, trouser),
                    ],
                ),
            ]
        return parts

    def _limb(
        self,
        part: str,
        pieces: list[tuple[np.ndarray, np.ndarray, float, float, Color]],
    ) -> tuple[float, Callable[[Canvas], None]]:
        """Depth and drawing of pieces (start, end, radius, end radius, color)."""
        label = self.first_label + PARTS.index(part)
        depth = float(np.mean([piece[0][2] + piece[1][2] for piece in pieces])) / 2

        def draw(canvas: Canvas) -> None:
            for start, end, radius, end_radius, color in pieces:
                self._draw_piece(canvas, start, end, radius, end_radius, color, label)

        return depth + 0.035, draw

    def _draw_piece(
        self,
        canvas: Canvas,
        start: np.ndarray,
        end: np.ndarray,
        radius: float,
        end_radius: float,
        color: Color,
        label: int,
    ) -> None:
        """A rounded piece: dark rim, body color, a light streak from the upper left."""
        a, b = self.project(start), self.project(end)
        unit = self.height * self.outfit.girth
        ra, rb = radius * unit, end_radius * unit
        canvas.fill(capsule(a, b, ra, rb), shade(color, _OUTLINE), label)
        canvas.fill(capsule(a, b, ra * 0.84, rb * 0.84), color)
        lit = np.array((-0.3, -0.3)) * min(ra, rb)
        streak = shade(color, _LIGHT)
        canvas.fill(capsule(a + lit, b + lit, ra * 0.3, rb * 0.3), streak)

    def _draw_torso(self, canvas: Canvas) -> None:
        outfit, label = self.outfit, self.first_label + PARTS.index("torso")
        names = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
        corners = self.project(np.stack([self._joint(name) for name in names]))
        thorax, pelvis = (self.project(self._joint(n)) for n in ("thorax", "pelvis"))
        unit = self.height * outfit.girth
        for factor, color in (
            (1.0, shade(outfit.shirt, _OUTLINE)),
            (0.86, outfit.shirt),
        ):
            mark = label if factor == 1.0 else None
            canvas.fill(corners, color, mark)
            for start, end, radius in (
                (corners[0], corners[1], 0.04),
                (corners[2], corners[3], 0.056),
                (thorax, pelvis, 0.078),
                (corners[0], corners[3], 0.035),
                (corners[1], corners[2], 0.035),
            ):
                canvas.fill(capsule(start, end, radius * unit * factor), color, mark)
        canvas.fill(capsule(corners[2], corners[3], 0.045 * unit), outfit.belt)
        left, _, forward = self.body.torso_axes
        if forward[2] > 0.1:  # A row of buttons on the chest, none on the back.
            rise = self._joint("thorax") - self._joint("pelvis")
            for part in (0.35, 0.55, 0.75):
                at = self._joint("pelvis") + part * rise + 0.075 * forward + 0.01 * left
                dot = ellipse(self.project(at), np.array((0.014 * unit, 0)), 1)
                canvas.fill(dot, shade(outfit.shirt, 0.4))

    def _draw_head(self, canvas: Canvas) -> None:
        outfit, label = self.outfit, self.first_label + PARTS.index("head")
        neck, top = self._joint("upper_neck"), self._joint("head_top")
        self._draw_piece(
            canvas, self._joint("thorax"), neck, 0.035, 0.033, outfit.skin, label
        )
        left, up, forward = self.body.head_axes
        length = float(np.linalg.norm(top - neck))
        half = 0.46 * length
        center = top - half * up
        across, depth = 0.36 * length, 0.4 * length

        def spot(x: float, y: float, z: float) -> np.ndarray:
            """Where a point of the unit sphere around the head is in the image."""
            at = center + x * across * left + y * half * up + z * depth * forward
            return self.project(at)

        px = self.height
        axis = self.project(top) - self.project(center)
        ratio = across * px / float(np.hypot(*axis))
        middle = self.project(center)
        skull = ellipse(middle, axis, ratio)
        canvas.fill(skull, shade(outfit.hair, _OUTLINE), label)
        canvas.fill(ellipse(middle, axis * 0.93, ratio), outfit.hair)
        if forward[2] > -0.35:
            face = 0.74 * (0.45 + 0.55 * max(0.0, forward[2]))
            canvas.fill(
                ellipse(spot(0, -0.2, 0.42), axis * 0.74, ratio * face / 0.74),
                outfit.skin,
            )
        for x, y, radius, color in (
            (-0.38, 0.05, 0.1, (25, 25, 35)),
            (0.38, 0.05, 0.1, (25, 25, 35)),
            (0, -0.22, 0.09, shade(outfit.skin, 0.75)),
            (-0.12, -0.5, 0.08, (170, 50, 50)),
            (0.12, -0.5, 0.08, (170, 50, 50)),
        ):
            z = 0.98 * (1 - x * x - y * y) ** 0.5
            if (x * left + y * up + z * forward)[2] > 0.15:
                round_axis = np.array((radius * half * px, 0))
                canvas.fill(ellipse(spot(x, y, z), round_axis, 1), color)
