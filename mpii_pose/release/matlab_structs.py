"""The structs of the release's MATLAB files, as SciPy gives them.

SciPy squeezes: an array of one struct, number or text is that struct, number or text.
A field may be absent or empty, which mean the same. `where` is the file and the place
in it, for messages.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from etils import epath, epy

from mpii_pose.person import AnnotationError
from mpii_pose.release import matlab_file, official

EMPTY = np.zeros((0, 0))  # MATLAB's [].

with epy.lazy_imports():  # SciPy takes longer to import than the whole package.
    import scipy.io


def as_path(path: Any) -> Any:
    """Returns a path, or a file in a zip archive, with `~` expanded."""
    return path if isinstance(path, zipfile.Path) else epath.Path(path).expanduser()


def load_variable(path: Any, name: str, *, squeeze: bool = True) -> Any:
    """Returns a variable of a MATLAB file, or None where it is absent.

    SciPy trusts files. All but the published one, known by its git id, are checked.

    Args:
        path: The file, which may be one in a zip archive.
        name: The variable.
        squeeze: False for arrays with the axes they have in MATLAB, and structs as
            record arrays, which can be written again and take three times the memory.
    """
    path = as_path(path)
    try:
        data = path.read_bytes()
        if official.git_blob_id(data) != official.MATLAB_GIT_BLOB:
            data = matlab_file.cut_out(data, name)
        content = scipy.io.loadmat(
            io.BytesIO(data),
            variable_names=[name],
            squeeze_me=squeeze,
            struct_as_record=not squeeze,
        )
    except FileNotFoundError:
        raise
    except Exception as error:  # Damage gives errors of any kind.
        raise AnnotationError(
            f"{path}: not a MATLAB file SciPy can read ({error}); it may be "
            "truncated, so compare its size with the original's or fetch it again"
        ) from error
    return content.get(name)


def load_release(path: Any) -> Any:
    """Returns the struct RELEASE of the official .mat."""
    release = as_structs(load_variable(path, "RELEASE"))
    if len(release) != 1:
        raise AnnotationError(
            f"{path}: expected one struct named RELEASE and found none; is this "
            "mpii_human_pose_v1_u12_1.mat?"
        )
    return release[0]


def struct_array(rows: Sequence[Mapping[str, Any]]) -> npt.NDArray[Any]:
    """Returns a 1 x n struct array to be written; all rows have the fields of one."""
    names = tuple(rows[0])
    array = np.empty((1, len(rows)), [(name, object) for name in names])
    for column, row in enumerate(rows):
        array[0, column] = tuple(row[name] for name in names)
    return array


def as_structs(value: Any) -> list[Any]:
    """Returns the structs of an array, or of one; none if it is anything else."""
    struct_type = scipy.io.matlab.mat_struct
    if isinstance(value, np.ndarray):
        elements = value.ravel().tolist()
        return elements if all(type(e) is struct_type for e in elements) else []
    return [value] if type(value) is struct_type else []


def field(struct: Any, name: str) -> Any:
    """Returns a field, or None where it is absent or empty."""
    value = getattr(struct, name, None)
    return None if isinstance(value, np.ndarray) and not value.size else value


def child(struct: Any, name: str) -> Any:
    """Returns a field that is a struct, or None where it is absent or empty."""
    return next(iter(as_structs(field(struct, name))), None)


def number(where: str, struct: Any, name: str) -> float:
    """Returns a field that must be one number."""
    value = field(struct, name)
    if not isinstance(value, (int, float)):
        raise AnnotationError(f"{where}: {name} must be one number, got {value!r:.80}")
    return float(value)


def text(where: str, struct: Any, name: str) -> str:
    """Returns a field that is one text, or "" where it is absent or empty."""
    value = field(struct, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AnnotationError(f"{where}: {name} must be text, got {value!r:.80}")
    return str(value)
