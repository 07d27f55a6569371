"""One person of the release, whatever file it was read from.

Points are (x, y) in pixels of the full image, 0-based, integers at pixel centers.
MPII counts from 1; `person_from_source` subtracts 1, and nothing else does.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mpii_pose.checks import MpiiPoseError
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS, Visibility

# Head size is 0.6 x the diagonal of the head box, by `getHeadSize.m` of the release's
# toolkit, and equals 25 x scale for everyone: `scale` was made from the head box.
HEAD_SIZE_FACTOR = 0.6
HEAD_SIZE_PER_SCALE = 25.0
# From upper neck to head top it is this share of the head box's diagonal.
NECK_TO_TOP = 0.8

# A person's height, which defines `scale`.
HEIGHT_PER_SCALE = 200.0

# HRNet's crop, `lib/dataset/mpii.py`: a square of 200 x scale x 1.25 px ...
SQUARE_PER_SCALE = 250.0
# ... around a center that is moved down, from the chest to the middle of the body.
CENTER_SHIFT_PER_SCALE = 15.0

# MPII's people have scales of 0.46 to 24.8. Beyond these limits, a person of 10 px or
# of 20,000 px, a crop is no picture any more and its matrix not finite.
MIN_SCALE = 0.05
MAX_SCALE = 100.0

UNKNOWN = -1  # Stands for a number, point or box that the source does not give.


class AnnotationError(MpiiPoseError):
    """An annotation file does not hold what its format promises."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class PersonAnnotation:
    """One person in one image.

    Attributes:
        image_name: Base name of the image file, such as "015601864.jpg".
        keypoints: float32 [16, 2], in the order of `skeleton.KEYPOINTS`; exactly
            (-1, -1) where missing.
        visibility: int8 [16], values of `skeleton.Visibility`.
        center: float32 [2], rough middle of the person (the release's `objpos`).
        scale: Height of the person divided by 200 px.
        head_box: float32 [4], (x1, y1, x2, y2); -1s where the source has none.
        head_size: The unit of PCKh in px: 0.6 x the diagonal of the head box, or 25 x
            scale where there is no box or an empty one.
        index: Position among the people of the same split, ordered as the release
            orders images, then people.
        person_index: 0-based position among the people of the image; -1 if unknown.
        separated: 1 if the person stands clear of others (MPII's `single_person`), 0
            if not, -1 if unknown.
        activity: What the person does, such as "bicycling, mountain"; "" if unknown.
        category: Group of activities, such as "bicycling"; "" if unknown.
        video_id: YouTube id of the video the image is from; "" if unknown.
        frame_sec: Second of that video; -1 if unknown.
    """

    image_name: str
    keypoints: npt.NDArray[np.float32]
    visibility: npt.NDArray[np.int8]
    center: npt.NDArray[np.float32]
    scale: float
    head_box: npt.NDArray[np.float32]
    head_size: float
    index: int = UNKNOWN
    person_index: int = UNKNOWN
    separated: int = UNKNOWN
    activity: str = ""
    category: str = ""
    video_id: str = ""
    frame_sec: int = UNKNOWN

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Bool [16], which keypoints have a place: occluded or visible."""
        return self.visibility != Visibility.MISSING

    @property
    def has_head_box(self) -> bool:
        """Whether the source has the head box."""
        return bool((self.head_box != UNKNOWN).any())


def person_from_source(
    where: str,
    *,
    image_name: Any,
    points: Any = None,
    visibility: Any = None,
    center: Any,
    scale: Any,
    head_box: Any = None,
    **others: Any,
) -> PersonAnnotation:
    """Returns a person from the values in a file, checked and counted from 0.

    Args:
        where: The file and the person's place in it, for messages.
        image_name: Base name of the image file.
        points: [16, 2], 1-based; rows of missing keypoints may hold anything. None
            where the labels are withheld.
        visibility: [16], values of `skeleton.Visibility`; None with `points`. Occluded
            keypoints at (0, 0) or (-1, -1) are missing.
        center: [2], 1-based.
        scale: Height of the person divided by 200 px.
        head_box: [4], 1-based; None where the source has none.
        **others: Further attributes of `PersonAnnotation`, kept as they are.

    Raises:
        AnnotationError: A value has the wrong shape or type, is not finite, or cannot
            be; the message starts with `where`.
    """
    _check_image_name(where, image_name)
    where = f"{where}, image {image_name}"
    if points is None:
        points = np.zeros((NUM_KEYPOINTS, 2))
        visibility = np.zeros(NUM_KEYPOINTS)
    state = _numbers(where, "visibility", visibility, (NUM_KEYPOINTS,))
    if not np.isin(state, list(Visibility)).all():
        raise AnnotationError(
            f"{where}: visibility must be one of {[int(v) for v in Visibility]}, got "
            f"{state.tolist()}"
        )
    missing = state == Visibility.MISSING
    keypoints = _numbers(where, "keypoints", points, (NUM_KEYPOINTS, 2), but=missing)
    nowhere = (keypoints == 0).all(axis=1) | (keypoints == -1).all(axis=1)
    for k in np.flatnonzero(nowhere & (state == Visibility.VISIBLE)):
        raise AnnotationError(
            f"{where}: {MPII.keypoints[k]} is labelled and has the place "
            f"{keypoints[k].tolist()}, which means a missing keypoint: correct either"
        )
    state[nowhere] = Visibility.MISSING
    keypoints[missing | nowhere] = UNKNOWN + 1  # (-1, -1) once 1 is subtracted.
    size = float(_numbers(where, "scale", scale, ()))
    if not MIN_SCALE <= size <= MAX_SCALE:
        raise AnnotationError(
            f"{where}: scale must be {MIN_SCALE} to {MAX_SCALE} (person height / 200 "
            f"px), got {size}"
        )
    box, head_size = np.full(4, UNKNOWN + 1.0), 0.0
    if head_box is not None:
        box = _numbers(where, "head box", head_box, (4,))
        head_size = HEAD_SIZE_FACTOR * float(np.hypot(*(box[2:] - box[:2])))
        if head_size > float(np.finfo(np.float32).max):
            raise AnnotationError(
                f"{where}: head box must have a finite size, got {box.tolist()}; "
                "correct it, or take it out: head size then is 25 x scale"
            )
    return PersonAnnotation(
        image_name=image_name,
        keypoints=(keypoints - 1).astype(np.float32),
        visibility=state.astype(np.int8),
        center=(_numbers(where, "center", center, (2,)) - 1).astype(np.float32),
        scale=size,
        head_box=(box - 1).astype(np.float32),
        head_size=head_size or HEAD_SIZE_PER_SCALE * size,
        **others,
    )


def _check_image_name(where: str, name: Any) -> None:
    """Raises AnnotationError unless `name` can only mean a file in a folder."""
    is_name = isinstance(name, str) and name.isprintable() and name.strip(". ")
    if not is_name or any(separator in name for separator in "/\\:"):
        raise AnnotationError(
            f"{where}: image name must be a file name without a path, got {name!r}"
        )


def _numbers(
    where: str,
    name: str,
    value: Any,
    shape: tuple[int, ...],
    but: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Returns `value` as finite float64 of `shape`; rows in `but` are not looked at."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise AnnotationError(
            f"{where}: {name} must be numbers of shape {shape}, got {value!r:.80}"
        ) from None
    if array.shape != shape:
        raise AnnotationError(
            f"{where}: {name} must have shape {shape}, got {array.shape}"
        )
    checked = array if but is None else array[~but]
    # Stored as float32, so what only float64 can hold is as bad as infinity.
    if not (np.abs(checked) <= np.finfo(np.float32).max).all():
        raise AnnotationError(f"{where}: {name} must be finite, got {array.tolist()}")
    return array


def person_square(center: Any, scale: Any) -> tuple[Any, Any]:
    """Returns center [..., 2] and side [...] of the square that HRNet's crop shows.

    HRNet's own center is one pixel off, as it subtracts the 1 of MPII's 1-based
    pixels from `center` and from the keypoints at different places.

    Args:
        center: float [..., 2], as in `PersonAnnotation`; a tensor or an array.
        scale: float [...], as in `PersonAnnotation`; of the same type.
    """
    shift = np.array([0, CENTER_SHIFT_PER_SCALE], np.float32)
    return center + scale[..., np.newaxis] * shift, SQUARE_PER_SCALE * scale
