"""What an annotation file of the release says, in memory.

Points are (x, y) in pixels of the full image, 0-based, integers at pixel centers; a
missing keypoint is (-1, -1).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mpii_pose.person import PersonAnnotation
from mpii_pose.skeleton import NUM_KEYPOINTS, Visibility


def _no_keypoints() -> np.ndarray:
    return np.full((NUM_KEYPOINTS, 2), -1.0)


def _no_visibility() -> np.ndarray:
    return np.full(NUM_KEYPOINTS, Visibility.MISSING, np.int8)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleasePerson:
    """One entry of an image's `annorect`; everything may be unknown.

    Attributes:
        keypoints: float [16, 2], (-1, -1) where missing.
        visibility: int8 [16], values of `skeleton.Visibility`.
        center: float [2], rough middle (`objpos`).
        scale: Height of the person divided by 200 px.
        head_box: float [4], (x1, y1, x2, y2).
        separated: Whether the person stands clear of others (`single_person`).
        extra_fields: Further numbers, such as {"head_r11": 0.5, "part_occ1": 1}.
    """

    keypoints: np.ndarray = dataclasses.field(default_factory=_no_keypoints)
    visibility: np.ndarray = dataclasses.field(default_factory=_no_visibility)
    center: np.ndarray | None = None
    scale: float | None = None
    head_box: np.ndarray | None = None
    separated: bool = False
    extra_fields: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, shape in (
            ("keypoints", (NUM_KEYPOINTS, 2)),
            ("visibility", (NUM_KEYPOINTS,)),
            ("center", (2,)),
            ("head_box", (4,)),
        ):
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise ValueError(
                    f"ReleasePerson: {name} must have shape {shape}, "
                    f"got {np.shape(value)}"
                )

    @property
    def is_labelled(self) -> bool:
        """Whether the person is of use: has points, a center and a scale."""
        return (
            bool(np.any(self.visibility != Visibility.MISSING))
            and self.center is not None
            and self.scale is not None
        )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class ReleaseImage:
    """One entry of `annolist` with what `img_train` and `act` say of it.

    Attributes:
        name: Base name of the image file.
        people: In the order of `annorect`.
        is_train: False for the images whose points MPII keeps.
        video_id: Id of the video the image is from; "" if unknown.
        frame_sec: Second of that video; None if unknown.
        category: Group of activities; "" if unknown.
        activity: What the people do; "" if unknown.
        activity_id: MPII's number of that activity; None if unknown.
    """

    name: str
    people: Sequence[ReleasePerson] = ()
    is_train: bool = True
    video_id: str = ""
    frame_sec: int | None = None
    category: str = ""
    activity: str = ""
    activity_id: int | None = None


def group_into_images(
    people: Iterable[PersonAnnotation], *, is_train: bool = True
) -> list[ReleaseImage]:
    """Puts people read from any source back into their images.

    Args:
        people: People in any order. Where `person_index` is -1 (unknown), they are
            numbered in the order they come.
        is_train: Whether the images are of the training set.

    Returns:
        One image per name, in order of first appearance. Positions of `annorect` that
        nobody has are filled with people of whom nothing is known.
    """
    by_name: dict[str, list[PersonAnnotation]] = {}
    for person in people:
        by_name.setdefault(person.image_name, []).append(person)
    activities = sorted(
        {person.activity for group in by_name.values() for person in group}
    )
    images = []
    for name, group in by_name.items():
        places = {
            place if person.person_index < 0 else person.person_index: person
            for place, person in enumerate(group)
        }
        first = group[0]
        images.append(
            ReleaseImage(
                name=name,
                people=[
                    _release_person(places[place])
                    if place in places
                    else ReleasePerson()
                    for place in range(max(places) + 1)
                ],
                is_train=is_train,
                video_id=first.video_id,
                frame_sec=first.frame_sec if first.frame_sec >= 0 else None,
                category=first.category,
                activity=first.activity,
                activity_id=activities.index(first.activity)
                if first.activity
                else None,
            )
        )
    return images


def _release_person(person: PersonAnnotation) -> ReleasePerson:
    return ReleasePerson(
        keypoints=person.keypoints,
        visibility=person.visibility,
        center=person.center,
        scale=person.scale,
        head_box=None if np.all(person.head_box == -1) else person.head_box,
        separated=person.separated == 1,
    )
