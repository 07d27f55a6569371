"""Random changes to a training example: drawn once, then applied without chance.

`Augmentation` has the options. `Augmentation.draw` makes all decisions for one example,
a `Draw`, which the square, the keypoints and the colors follow.
"""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from mpii_pose.checks import check_choice
from mpii_pose.skeleton import MPII
from mpii_pose.transforms.library import library_of

SCALE_LAWS = ("linear", "exponential")
MAX_LEVEL = 255.0
# The numbers of N(0, 1) and of [0, 1) that all decisions for an example take.
DECISIONS = 2, 11

# HRNet, `lib/dataset/JointsDataset.py`: the half body is taken where more than this
# many keypoints are labelled, three of them in the half, with half its extent more.
HALF_BODY_MIN_LABELLED = 8
HALF_BODY_MIN_IN_HALF = 3
HALF_BODY_MARGIN = 1.5
# Our addition: no half is cut out smaller than this part of the whole body's square,
# for people whose labelled keypoints nearly coincide.
HALF_BODY_MIN_SIDE = 0.25
_UPPER = np.isin(MPII.keypoints, MPII.upper_body)


class Draw(NamedTuple):
    """The decisions for one example: tensors for tensors, else NumPy's arrays.

    A decision that the options leave no choice is a NumPy constant in both cases. Draws
    of a batch have a leading axis, constants have none.

    Attributes:
        rotation: float32 [], angle of the square in radians.
        scale: float32 [], factor on the square's side.
        translation: float32 [2], (x, y) shift of the square in parts of its side.
        flip: bool [], whether the crop is mirrored.
        half_body: bool [], whether to show half of the body, where labels allow it.
        upper_body: bool [], which half is preferred.
        gain: float32 [3], factor on each color channel.
        shift: float32 [3], what is added to each channel then, in levels of 255.
    """

    rotation: Any
    scale: Any
    translation: Any
    flip: Any
    half_body: Any
    upper_body: Any
    gain: Any
    shift: Any


def no_change() -> Draw:
    """Returns the draw that leaves an example as it is."""
    return Draw(
        rotation=np.float32(0.0),
        scale=np.float32(1.0),
        translation=np.zeros(2, np.float32),
        flip=np.False_,
        half_body=np.False_,
        upper_body=np.False_,
        gain=np.ones(3, np.float32),
        shift=np.zeros(3, np.float32),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The sizes of random changes to training examples; 0 switches a change off.

    Attributes:
        rotation: Standard deviation in degrees; clipped at twice that.
        rotation_probability: Part of the examples that are rotated at all.
        scale: Standard deviation of the size of what the crop shows: "linear" is
            1 + N(0, scale), clipped at one standard deviation; "exponential" is
            2 ** N(0, scale), clipped at two.
        scale_law: "linear" (HRNet) or "exponential" (Hourglass).
        flip: Part of the examples that are mirrored left to right.
        translation: Largest shift in x and in y, in parts of the crop's side.
        half_body: Part of the examples that show the upper or the lower body alone,
            among those with enough labels.
        channel_gain: Each color channel is multiplied by 1 +- this.
        contrast: Levels are stretched about mid gray by 1 +- this.
        brightness: Levels are moved by +- this part of 255.
    """

    rotation: float = 0.0
    rotation_probability: float = 1.0
    scale: float = 0.0
    scale_law: str = "linear"
    flip: float = 0.0
    translation: float = 0.0
    half_body: float = 0.0
    channel_gain: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0

    def __post_init__(self) -> None:
        check_choice("scale_law", self.scale_law, SCALE_LAWS)
        # A linear law that reaches 1 would show nothing.
        max_scale = 0.99 if self.scale_law == "linear" else 4.0
        limits = {"rotation": 180.0, "scale": max_scale}
        for name in (field.name for field in dataclasses.fields(Augmentation)):
            value, limit = getattr(self, name), limits.get(name, 1.0)
            if name != "scale_law" and not 0.0 <= value <= limit:
                raise ValueError(f"{name} must be in [0, {limit}], got {value!r}")

    @classmethod
    def hrnet(cls) -> "Augmentation":
        """Returns HRNet's for MPII (`experiments/mpii/hrnet/*.yaml`)."""
        return cls(rotation=30.0, rotation_probability=0.6, scale=0.25, flip=0.5)

    @classmethod
    def hourglass(cls) -> "Augmentation":
        """Returns that of Newell et al. 2016 (pose-hg-train, `src/util/pose.lua`)."""
        return cls(
            rotation=30.0,
            rotation_probability=0.4,
            scale=0.25,
            scale_law="exponential",
            flip=0.5,
            channel_gain=0.4,
        )

    @property
    def changes_colors(self) -> bool:
        """Whether any color changes."""
        return bool(self.channel_gain or self.contrast or self.brightness)

    def draw(self, *, seed: Any) -> Draw:
        """Makes all random decisions for one example.

        Each decision has its own place in the stream of the seed, so switching one
        change on or off leaves the others as they were.

        Args:
            seed: integer [2], a tensor as of `tf.random.stateless_uniform`; or
                integers of 0 and more, as of `np.random.SeedSequence`.

        Returns:
            The decisions; the same for the same seed and options.
        """
        library = library_of(seed)
        return self.decide(library.xp, *library.random_numbers(seed, *DECISIONS))

    def decide(self, xp: Any, normal: Any, uniform: Any) -> Draw:
        """Makes decisions from numbers of N(0, 1) [..., 2] and of [0, 1) [..., 11]."""
        signed = 2.0 * uniform - 1.0
        draw = no_change()
        if self.rotation:
            limited = xp.clip(normal[..., 0], -2.0, 2.0)
            angle = np.float32(np.deg2rad(self.rotation)) * limited
            rotated = uniform[..., 0] < self.rotation_probability
            draw = draw._replace(rotation=xp.where(rotated, angle, 0.0))
        if self.scale:
            draw = draw._replace(scale=self._scale_factor(xp, normal[..., 1]))
        if self.flip:
            draw = draw._replace(flip=uniform[..., 1] < self.flip)
        if self.half_body:
            draw = draw._replace(
                half_body=uniform[..., 2] < self.half_body,
                upper_body=uniform[..., 3] < 0.5,
            )
        if self.translation:
            draw = draw._replace(translation=self.translation * signed[..., 4:6])
        if self.changes_colors:
            gain = 1.0 + self.channel_gain * signed[..., 6:9]
            contrast = 1.0 + self.contrast * signed[..., 9:10]
            middle = 0.5 * MAX_LEVEL * (1.0 - contrast)
            brightness = self.brightness * MAX_LEVEL * signed[..., 10:11]
            draw = draw._replace(
                gain=gain * contrast,
                shift=(middle + brightness) * np.ones(3, np.float32),
            )
        return draw

    def _scale_factor(self, xp: Any, normal: Any) -> Any:
        if self.scale_law == "linear":
            return 1.0 + self.scale * xp.clip(normal, -1.0, 1.0)
        return 2.0 ** (self.scale * xp.clip(normal, -2.0, 2.0))


def apply_to_square(
    xp: Any, draw: Draw, center: Any, side: Any, keypoints: Any, visibility: Any
) -> tuple[Any, Any]:
    """Moves and scales the squares of people as was drawn.

    Takes and returns the center float32 [..., 2] and the side float32 [...]. They and
    the keypoints float32 [..., K, 2] are in image pixels; visibility is integer
    [..., K].
    """
    # What is False for all needs no operations.
    if not isinstance(draw.half_body, np.ndarray | np.generic) or draw.half_body.any():
        half_center, half_side = half_body_square(
            xp, keypoints, visibility, draw.upper_body, center, side
        )
        center = xp.where(xp.array(draw.half_body)[..., None], half_center, center)
        side = xp.where(draw.half_body, half_side, side)
    side = side * draw.scale
    return center + side[..., None] * draw.translation, side


def half_body_square(
    xp: Any, keypoints: Any, visibility: Any, upper: Any, center: Any, side: Any
) -> tuple[Any, Any]:
    """Returns the square around one half of the body.

    As in HRNet, whose code for it does not run on MPII. The other half is taken where
    the wanted one (`upper`, bool [...]) has too few labels, and the whole body where
    both have too few. Arguments and results are those of `apply_to_square`.
    """
    labelled = visibility > 0
    upper_half, lower_half = labelled & xp.array(_UPPER), labelled & xp.array(~_UPPER)
    in_upper, in_lower = _count(xp, upper_half), _count(xp, lower_half)
    enough_upper = in_upper >= HALF_BODY_MIN_IN_HALF
    enough_lower = in_lower >= HALF_BODY_MIN_IN_HALF
    chosen = xp.where(
        (enough_upper & (upper | ~enough_lower))[..., None], upper_half, lower_half
    )
    usable = (enough_upper | enough_lower) & (
        in_upper + in_lower > HALF_BODY_MIN_LABELLED
    )

    in_half = chosen[..., None]
    low = xp.min(xp.where(in_half, keypoints, np.inf), axis=-2)
    high = xp.max(xp.where(in_half, keypoints, -np.inf), axis=-2)
    total = xp.sum(xp.where(in_half, keypoints, 0.0), axis=-2)
    mean = total / xp.maximum(_count(xp, chosen), 1.0)[..., None]
    half_side = xp.maximum(
        HALF_BODY_MARGIN * xp.max(high - low, axis=-1), HALF_BODY_MIN_SIDE * side
    )
    return (
        xp.where(usable[..., None], mean, center),
        xp.where(usable, half_side, side),
    )


def _count(xp: Any, flags: Any) -> Any:
    """Returns how many flags are set, as float32."""
    return xp.sum(xp.array(flags, dtype="float32"), axis=-1)
