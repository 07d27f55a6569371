"""The error base of this package, and checks of options."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np


class MpiiPoseError(ValueError):
    """A file or an option cannot be used; the message is for the user."""


def check_choice(name: str, choice: object, known: Collection[str]) -> None:
    """Raises ValueError unless an option is one of the allowed values."""
    if choice not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {choice!r}")


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
