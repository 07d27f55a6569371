"""The structs of the release's MATLAB files, as SciPy gives them.

A field may be absent or empty, which mean the same. `where` is the file and the place
in it, for messages.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose.annotations.person import AnnotationError

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io


def load_variable(path: epath.PathLike, name: str) -> npt.NDArray[Any] | None:
    """Returns a variable of a MATLAB file, or None where it is absent.

    Raises:
        AnnotationError: The file is damaged.
    """
    with epath.Path(path).open("rb") as file:
        try:
            return scipy.io.loadmat(file, variable_names=[name]).get(name)
        except Exception as error:  # SciPy meets damage with errors of any kind.
            raise AnnotationError(
                f"{path}: not a MATLAB file SciPy can read ({error}); it may be "
                "truncated, so compare its size with the original's or fetch it again"
            ) from error


def load_release(path: epath.PathLike) -> np.void:
    """Returns the struct RELEASE of the official .mat.

    Raises:
        AnnotationError: The file is damaged or has no such struct.
    """
    release = load_variable(path, "RELEASE")
    if release is None or release.dtype.names is None or release.size != 1:
        raise AnnotationError(
            f"{path}: expected one struct named RELEASE and found none; is this "
            "mpii_human_pose_v1_u12_1.mat?"
        )
    return release.flat[0]


def field(struct: np.void | None, name: str) -> npt.NDArray[Any] | None:
    """Returns a field's array, or None where it is absent or empty."""
    if struct is None or name not in (struct.dtype.names or ()):
        return None
    value = struct[name]
    return value if isinstance(value, np.ndarray) and value.size else None


def child(struct: np.void | None, name: str) -> np.void | None:
    """Returns a field that is one struct, or None where it is absent or empty."""
    value = field(struct, name)
    return None if value is None or value.dtype.names is None else value.flat[0]


def number(where: str, struct: np.void, name: str) -> float:
    """Returns a field that must be one number."""
    value = field(struct, name)
    if value is None or value.size != 1 or value.dtype.kind not in "biuf":
        raise AnnotationError(
            f"{where}: {name} must be one number, got "
            f"{None if value is None else value.tolist()!r:.80}"
        )
    return float(value.item())


def text(where: str, struct: np.void | None, name: str) -> str:
    """Returns a field that is one text, or "" where it is absent or empty."""
    value = field(struct, name)
    if value is None:
        return ""
    if value.size != 1 or value.dtype.kind != "U":
        raise AnnotationError(f"{where}: {name} must be text, got {value!r:.80}")
    return str(value.item())
