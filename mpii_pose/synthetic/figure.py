"""Draws one person, part by part, and knows which parts show which keypoint."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mpii_pose import skeleton
from mpii_pose.synthetic.canvas import Canvas, Color, capsule, ellipse, shade
from mpii_pose.synthetic.outfit import Outfit
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
# Shades of a piece's rim and of the light that falls on it.
_RIM, _LIGHT = 0.55, 1.25
# On the front of a unit sphere around the head: (x to the left, y up), radius, color.
_EYE, _MOUTH = (25, 25, 35), (170, 50, 50)
_FACE = (
    (-0.38, 0.05, 0.1, _EYE),
    (0.38, 0.05, 0.1, _EYE),
    (-0.12, -0.5, 0.08, _MOUTH),
    (0.12, -0.5, 0.08, _MOUTH),
)


class _Piece(NamedTuple):
    """A rounded piece of a limb; radii are parts of body height."""

    start: np.ndarray
    end: np.ndarray
    radius: float
    end_radius: float
    color: Color


class _Part(NamedTuple):
    """Something to draw, and how near it is."""

    depth: float
    draw: Callable[[Canvas], None]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A body with clothes, put somewhere in an image."""

    body: Body
    outfit: Outfit
    height: float  # Body height in px.
    pelvis: np.ndarray  # float [2], where the pelvis is in the image
    first_label: int  # Its parts are labelled from this number on, as in `PARTS`.

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
        for part in sorted(self._parts(), key=lambda part: part.depth):
            part.draw(canvas)

    def _joint(self, name: str) -> np.ndarray:
        return self.body.joints[skeleton.KEYPOINTS.index(name)]

    def _parts(self) -> list[_Part]:
        """All parts; a head and limbs lie over a torso that is as near."""
        torso_depth = (self._joint("thorax")[2] + self._joint("pelvis")[2]) / 2
        parts = [
            _Part(torso_depth, self._draw_torso),
            _Part(self._joint("upper_neck")[2] + 0.05, self._draw_head),
        ]
        for place, side in enumerate(("right", "left")):
            parts += self._arm_and_leg(
                side, self.body.hands[place], self.body.feet[place]
            )
        return parts

    def _arm_and_leg(
        self, side: str, hand: np.ndarray, foot: np.ndarray
    ) -> list[_Part]:
        """Limbs of one side; a cuff or bare skin shows how long the clothes are."""
        shoulder, elbow, wrist, hip, knee, ankle = (
            self._joint(f"{side}_{part}") for part in skeleton.LIMB_PARTS
        )
        outfit, skin = self.outfit, self.outfit.skin
        sleeve = getattr(outfit, f"{side}_sleeve")
        trouser = getattr(outfit, f"{side}_trouser")
        forearm = sleeve if outfit.long_sleeves else skin
        shin = trouser if outfit.long_trousers else skin
        return [
            self._limb(
                f"{side}_upper_arm", _Piece(shoulder, elbow, 0.036, 0.03, sleeve)
            ),
            self._limb(
                f"{side}_forearm",
                _Piece(wrist, hand, 0.018, 0.024, skin),
                _Piece(elbow, wrist, 0.03, 0.023, forearm),
                _Piece(0.9 * wrist + 0.1 * elbow, wrist, 0.024, 0.024, sleeve),
            ),
            self._limb(f"{side}_thigh", _Piece(hip, knee, 0.058, 0.042, trouser)),
            self._limb(
                f"{side}_shin",
                _Piece(ankle, foot, 0.03, 0.022, outfit.shoes),
                _Piece(knee, ankle, 0.042, 0.029, shin),
                _Piece(0.9 * ankle + 0.1 * knee, ankle, 0.03, 0.03, trouser),
            ),
        ]

    def _limb(self, part: str, *pieces: _Piece) -> _Part:
        label = self.first_label + PARTS.index(part)
        depth = float(np.mean([(piece.start + piece.end)[2] / 2 for piece in pieces]))

        def draw(canvas: Canvas) -> None:
            for piece in pieces:
                self._draw_piece(canvas, piece, label)

        return _Part(depth + 0.035, draw)

    def _draw_piece(self, canvas: Canvas, piece: _Piece, label: int) -> None:
        """A dark rim, the color, and a streak of light from the upper left."""
        start, end = self.project(piece.start), self.project(piece.end)
        unit = self.height * self.outfit.girth
        radii = np.array((piece.radius, piece.end_radius)) * unit
        canvas.fill(capsule(start, end, *radii), shade(piece.color, _RIM), label)
        canvas.fill(capsule(start, end, *(0.84 * radii)), piece.color)
        lit = -0.3 * radii.min()
        streak = capsule(start + lit, end + lit, *(0.3 * radii))
        canvas.fill(streak, shade(piece.color, _LIGHT))

    def _draw_torso(self, canvas: Canvas) -> None:
        """A shirt with buttons in front and none on the back, and trousers' top."""
        outfit, label = self.outfit, self.first_label + PARTS.index("torso")
        names = ("right_shoulder", "left_shoulder", "left_hip", "right_hip")
        corners = self.project(np.stack([self._joint(name) for name in names]))
        thorax, pelvis = self._joint("thorax"), self._joint("pelvis")
        unit = self.height * outfit.girth
        for factor, color in ((1.0, shade(outfit.shirt, _RIM)), (0.86, outfit.shirt)):
            canvas.fill(corners, color, label)
            for start, end, radius, end_radius in (
                (corners[0], corners[1], 0.04, 0.04),
                (corners[0], corners[3], 0.035, 0.035),
                (corners[1], corners[2], 0.035, 0.035),
                (self.project(thorax), self.project(pelvis), 0.078, 0.058),
            ):
                px = factor * unit
                canvas.fill(
                    capsule(start, end, radius * px, end_radius * px), color, label
                )
        for radius, color in ((0.06, shade(outfit.hips, _RIM)), (0.051, outfit.hips)):
            canvas.fill(capsule(corners[2], corners[3], radius * unit), color, label)
        forward = self.body.torso_axes[2]
        if forward[2] > 0.1:
            for height in (0.35, 0.55, 0.75):
                button = (1 - height) * pelvis + height * thorax + 0.075 * forward
                self._draw_dot(canvas, button, 0.014, shade(outfit.shirt, 0.4))

    def _draw_head(self, canvas: Canvas) -> None:
        """A neck, a head of hair, and a face where it is turned to the camera."""
        outfit, label = self.outfit, self.first_label + PARTS.index("head")
        neck, top = self._joint("upper_neck"), self._joint("head_top")
        throat = _Piece(self._joint("thorax"), neck, 0.035, 0.033, outfit.skin)
        self._draw_piece(canvas, throat, label)
        forward = self.body.head_axes[2]
        length = float(np.linalg.norm(top - neck))
        # Columns: from the head's middle to its left side, its top and its front.
        to_surface = self.body.head_axes.T * length * (0.36, 0.46, 0.4)
        middle = top - to_surface[:, 1]
        axis = self.project(top) - self.project(middle)
        ratio = 0.36 * length * self.height / float(np.hypot(*axis))
        skull = self.project(middle)
        canvas.fill(ellipse(skull, axis, ratio), shade(outfit.hair, _RIM), label)
        canvas.fill(ellipse(skull, 0.93 * axis, ratio), outfit.hair)
        if forward[2] > -0.35:
            face = self.project(middle + to_surface @ (0, -0.2, 0.42))
            turned = 0.45 + 0.55 * max(0.0, float(forward[2]))
            canvas.fill(ellipse(face, 0.74 * axis, turned * ratio), outfit.skin)
        nose = (0.0, -0.22, 0.09, shade(outfit.skin, 0.75))
        for x, y, radius, color in (*_FACE, nose):
            on_sphere = np.array((x, y, np.sqrt(1 - x**2 - y**2)))
            if (self.body.head_axes.T @ on_sphere)[2] > 0.3:
                at = middle + to_surface @ on_sphere
                self._draw_dot(canvas, at, 0.46 * length * radius, color)

    def _draw_dot(
        self, canvas: Canvas, at: np.ndarray, radius: float, color: Color
    ) -> None:
        axis = np.array((radius * self.height, 0))
        canvas.fill(ellipse(self.project(at), axis, 1), color)
