"""Finds the array library of a value, so that each formula is written once.

The functions that the formulas of this package use have the same names and meaning in
NumPy, `tensorflow.experimental.numpy`, `jax.numpy` and `keras.ops`. A public formula
finds the library of its arguments and returns arrays of that library. No library is
imported that is not in use already.
"""

import functools
import importlib
from typing import Any

import numpy as np

# First part of the module of a value's type -> the module with its functions. Keras'
# symbolic tensors, and PyTorch's, use those of Keras.
_NAMESPACES = {
    "tensorflow": "tensorflow.experimental.numpy",
    "jax": "jax.numpy",
    "jaxlib": "jax.numpy",
    "keras": "keras.ops",
    "torch": "keras.ops",
}


def namespace(*values: Any) -> Any:
    """Returns the module whose functions take `values`; NumPy if they are plain."""
    for value in values:
        library = type(value).__module__.partition(".")[0]
        if library in _NAMESPACES:
            return load_module(_NAMESPACES[library])
    return np


def as_arrays(*values: Any) -> tuple[Any, ...]:
    """Returns the library of `values`, and each of them as an array of that library.

    Values are arrays or tensors of one library, NumPy arrays, lists or numbers.
    Python's numbers become float32 or int32.
    """
    xp = namespace(*values)
    return xp, *(_as_array(xp, value) for value in values)


def as_floats(*values: Any) -> tuple[Any, ...]:
    """Returns the result of `as_arrays`, converted to floats of one dtype.

    That is float32, unless all values that are floats already share another.
    """
    xp, *arrays = as_arrays(*values)
    names = [_dtype_name(array.dtype) for array in arrays]
    floats = {name for name in names if "float" in name}
    dtype = floats.pop() if len(floats) == 1 else "float32"
    return xp, *(
        array if name == dtype else xp.array(array, dtype=dtype)
        for array, name in zip(arrays, names, strict=True)
    )


# NumPy makes the name up anew each time, which takes longer than most formulas here.
@functools.lru_cache(maxsize=64)
def _dtype_name(dtype: Any) -> str:
    name = getattr(dtype, "name", None) or str(dtype)
    return name.rpartition(".")[2]


# Cached, since AutoGraph warns of the imports it cannot convert unless they are.
@functools.cache
def load_module(name: str) -> Any:
    """Imports a module when it is first needed."""
    return importlib.import_module(name)


def _as_array(xp: Any, value: Any) -> Any:
    if namespace(value) is not np:
        return value
    if not isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
        if value.dtype == np.float64:
            value = value.astype(np.float32)
        elif value.dtype == np.int64:
            value = value.astype(np.int32)
    return value if xp is np else xp.array(value)


def as_text(value: Any) -> str:
    """Returns a text from one, from bytes, or from an array [] of either."""
    text = np.asarray(value).item()
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
