"""The description of a crop and its heatmaps, which all that make or read them share.

Transform, encoder, decoder, flip test, loss and metric take a `CropSpec`, or its fields
by keyword, so that all of them agree.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpii_pose.checks import check_choice, check_size
from mpii_pose.transforms.geometry import ALIGNMENTS, Alignment

ENCODINGS = ("unbiased", "msra")
WEIGHTINGS = ("labelled", "visible", "all")
_UNITS = {"sigma": "cells", "simcc_sigma": "bins", "simcc_ratio": "bins per pixel"}


def set_fields(instance: Any, **values: Any) -> None:
    """Sets fields of a frozen dataclass, which only its own initialization may do."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropSpec:
    """A crop of a person and the heatmaps of its keypoints.

    Attributes:
        image_size: Height and width of the crop in pixels.
        heatmap_size: Height and width of the heatmaps in cells; None where there are
            none.
        sigma: Standard deviation of the Gaussians in cells.
        alignment: How both grids lie on the square that the crop shows: "half_pixel",
            "udp" or "legacy", or an `Alignment` of one's own.
        encoding: How a keypoint becomes a blob: "unbiased" or "msra", see
            `encode_heatmaps`.
        weighting: Which keypoints weigh 1 in the loss: "labelled", "visible" or "all",
            see `encode_heatmaps`.
        simcc_ratio: Bins per pixel of SimCC's distributions, see `encode_simcc`.
        simcc_sigma: Standard deviation of their Gaussians in bins.
        simcc_normalize: Whether the Gaussians have area 1, instead of peak 1.

    Raises:
        ValueError: A field is not valid; the message names it.
    """

    image_size: tuple[int, int] = (256, 256)
    heatmap_size: tuple[int, int] | None = (64, 64)
    sigma: float = 2.0
    alignment: str | Alignment = "half_pixel"
    encoding: str = "unbiased"
    weighting: str = "labelled"
    simcc_ratio: float = 2.0
    simcc_sigma: float = 6.0
    simcc_normalize: bool = False

    def __post_init__(self) -> None:
        alignment = Alignment.named(self.alignment)
        is_known = ALIGNMENTS.get(alignment.name) == alignment
        check_size("image_size", self.image_size)
        alignment.spans(self.image_size)
        if self.heatmap_size is not None:
            check_size("heatmap_size", self.heatmap_size)
            alignment.spans(self.heatmap_size)
        set_fields(
            self,
            image_size=tuple(map(int, self.image_size)),
            heatmap_size=self.heatmap_size and tuple(map(int, self.heatmap_size)),
            **{name: float(getattr(self, name)) for name in _UNITS},
            alignment=alignment.name if is_known else alignment,
        )
        for name, unit in _UNITS.items():
            if not 0.0 < (value := getattr(self, name)) < np.inf:
                raise ValueError(
                    f"{name} must be a positive number of {unit}, got {value!r}"
                )
        for name, known in (("encoding", ENCODINGS), ("weighting", WEIGHTINGS)):
            check_choice(name, getattr(self, name), known)

    @classmethod
    def of(
        cls, spec: "CropSpec | Mapping[str, Any] | None", **fields: Any
    ) -> "CropSpec":
        """Returns `spec`, or the default one, with some fields replaced.

        Functions with a parameter `spec` take its fields by keyword too, and pass both
        on to here.

        Raises:
            TypeError: There is no such field.
            ValueError: A field is not valid.
        """
        if spec is None or isinstance(spec, Mapping):
            return cls(**{**(spec or {}), **fields})
        return dataclasses.replace(spec, **fields)

    def to_config(self) -> dict[str, Any]:
        """Returns the fields for a JSON file, which `of` takes back."""
        return dataclasses.asdict(self)

    def known_heatmap_size(self) -> tuple[int, int]:
        """Returns `heatmap_size`, or raises ValueError where there is none."""
        if self.heatmap_size is None:
            raise ValueError("heatmap_size must be (height, width), got None")
        return self.heatmap_size

    @functools.cached_property
    def simcc_bins(self) -> tuple[int, int]:
        """Number of bins of y and of x: `simcc_ratio` times `image_size`.

        Raises:
            ValueError: They are no whole numbers.
        """
        bins = np.array(self.image_size) * self.simcc_ratio
        rows, columns = map(round, bins)
        if min(rows, columns) < 1 or np.abs(bins - (rows, columns)).max() > 1e-6:
            raise ValueError(
                f"simcc_ratio {self.simcc_ratio:g} times image_size {self.image_size} "
                f"must be whole numbers of bins, got {bins.tolist()}"
            )
        return rows, columns

    def crop_to_heatmap(self, points: Any) -> Any:
        """Moves points float32 [..., 2] from crop pixels to heatmap cells."""
        return self.grid.crop_to_heatmap(
            points, image_size=self.image_size, heatmap_size=self.known_heatmap_size()
        )

    @functools.cached_property
    def grid(self) -> Alignment:
        """The alignment itself, which `alignment` names."""
        return Alignment.named(self.alignment)

    @functools.cached_property
    def heatmap_to_crop(self) -> np.ndarray:
        """float32 [2, 3], the affine map from heatmap cells to crop pixels."""
        start, end = self.grid.heatmap_to_crop(
            np.array([[0, 0], [1, 1]], np.float32),
            image_size=self.image_size,
            heatmap_size=self.known_heatmap_size(),
        )
        return np.column_stack([np.diag(end - start), start])


SPEC_FIELDS = frozenset(field.name for field in dataclasses.fields(CropSpec))
