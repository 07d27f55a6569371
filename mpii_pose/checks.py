"""The error base of this package, and checks of options."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np


class MpiiPoseError(ValueError):
    """A file or an option cannot be used; the message is for the user."""


def not_installed(what: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Returns the error for a package that is not installed, with the command."""
    package, _, module = (error.name or "").partition(".")
    if module or not package:  # Of a package that is there: the error of a programmer.
        return error
    install = {"keras": "tensorflow", "cv2": "opencv-python-headless"}
    command = f"pip install {install.get(package, package)}"
    text = f"{what} needs {package}, which is not installed: {command}"
    return ModuleNotFoundError(text, name=package)


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
