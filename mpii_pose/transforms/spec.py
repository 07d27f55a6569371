"""What a crop and its heatmaps are: the one value that all who make or read them share.

Transform, encoder, decoder, flip test, loss and metric take a `CropSpec`, or its fields
by keyword, so that none assumes what another was told.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mpii_pose import skeleton as skeleton_lib
from mpii_pose.skeleton import Skeleton
from mpii_pose.transforms.geometry import Alignment

ENCODINGS = ("unbiased", "msra")
WEIGHTINGS = ("labelled", "visible", "all")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropSpec:
    """A crop of a person and the heatmaps of its keypoints.

    Attributes:
        image_size: Height and width of the crop in pixels.
        heatmap_size: Height and width of the heatmaps in cells; None where there are
            none.
        sigma: Standard deviation of the Gaussians in cells.
        alignment: How both grids lie on the square that the crop shows: "half_pixel",
            "udp" or "legacy", see `Alignment`.
        encoding: How a keypoint is drawn: "unbiased" or "msra", see `encode_heatmaps`.
        weighting: Which keypoints weigh 1 in the loss: "labelled", "visible" or "all",
            see `encode_heatmaps`.
        skeleton: Which keypoints there are, and which are mirror images.

    Raises:
        ValueError: A field is not valid; the message names it.
    """

    image_size: tuple[int, int] = (256, 256)
    heatmap_size: tuple[int, int] | None = (64, 64)
    sigma: float = 2.0
    alignment: str = "half_pixel"
    encoding: str = "unbiased"
    weighting: str = "labelled"
    skeleton: Skeleton = skeleton_lib.MPII

    def __post_init__(self) -> None:
        check_size("image_size", self.image_size)
        object.__setattr__(self, "image_size", tuple(self.image_size))
        alignment = Alignment.named(self.alignment)
        alignment.spans(self.image_size)
        if self.heatmap_size is not None:
            check_size("heatmap_size", self.heatmap_size)
            object.__setattr__(self, "heatmap_size", tuple(self.heatmap_size))
            alignment.spans(self.heatmap_size)
        if not 0.0 < self.sigma < np.inf:
            raise ValueError(
                f"sigma must be a positive number of cells, got {self.sigma!r}"
            )
        for name, known in (("encoding", ENCODINGS), ("weighting", WEIGHTINGS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, "
                    f"got {getattr(self, name)!r}"
                )

    @classmethod
    def of(cls, spec: "CropSpec | None", **fields: Any) -> "CropSpec":
        """Returns `spec`, or the default one, with some fields replaced.

        Functions with a parameter `spec` take its fields by keyword too, and pass both
        on to here.

        Raises:
            TypeError: There is no such field.
            ValueError: A field is not valid.
        """
        return dataclasses.replace(cls() if spec is None else spec, **fields)


def check_size(name: str, size: Any) -> None:
    """Raises ValueError unless `size` is (height, width), both at least 1."""
    valid = (
        isinstance(size, Sequence)
        and len(size) == 2
        and all(isinstance(length, int | np.integer) and length >= 1 for length in size)
    )
    if not valid:
        raise ValueError(
            f"{name} must be (height, width), two integers of at least 1, got {size!r}"
        )
