"""Finds the array library of a value, so that each formula is written once.

The functions that the formulas of this package use have the same names and meaning in
NumPy, `tensorflow.experimental.numpy`, `jax.numpy` and `keras.ops`; `_OnTorch` gives
them to PyTorch. A public formula finds the library of its arguments and returns arrays
of that library. No library is imported that is not in use already.

Constants in a formula go through `xp.array`: PyTorch wants them on its tensors' device.
"""

import functools
import importlib
from typing import Any

import numpy as np

# First part of the module of a value's type -> the module with its functions. Those of
# Keras are for its symbolic tensors.
_NAMESPACES = {
    "tensorflow": "tensorflow.experimental.numpy",
    "jax": "jax.numpy",
    "jaxlib": "jax.numpy",
    "keras": "keras.ops",
    "torch": "torch",
}


def namespace(*values: Any) -> Any:
    """Returns the functions that take `values`, a module; NumPy if they are plain.

    PyTorch's are those for the device of the first tensor.
    """
    for value in values:
        name = _namespace_of(value.__class__)
        if name == "torch":
            return _OnTorch(value.device)
        if name is not None:
            return load_module(name)
    return np


@functools.cache
def _namespace_of(kind: type) -> str | None:
    """Finds the library of a type in `_NAMESPACES`, or of a class it derives from."""
    libraries = [base.__module__.partition(".")[0] for base in kind.__mro__]
    return next(filter(None, map(_NAMESPACES.get, libraries)), None)


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


class _OnTorch:
    """PyTorch's functions, with NumPy's names and meaning, on one device.

    What is not here has the same name there. All but `array` take tensors, which keep
    their device and their gradients, and numbers.
    """

    def __init__(self, device: Any) -> None:
        self._torch, self._device = load_module("torch"), device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._torch, name)

    def array(self, value: Any, dtype: str | None = None) -> Any:
        dtype = dtype and getattr(self._torch, dtype)
        if isinstance(value, self._torch.Tensor):
            return value.to(dtype=dtype)
        # Copied: PyTorch takes no negative strides, and warns of read-only arrays.
        return self._torch.as_tensor(np.array(value), dtype=dtype, device=self._device)

    def arange(self, stop: int, dtype: str | None = None) -> Any:
        return self.array(np.arange(stop), dtype)

    def take(self, array: Any, indices: np.ndarray, axis: int) -> Any:
        return self._torch.index_select(array, axis, self.array(indices))

    def where(self, condition: Any, *values: Any) -> Any:
        return self._torch.where(self.array(condition), *values)

    def max(self, array: Any, axis: int | tuple[()] = ()) -> Any:
        return self._torch.amax(array, axis)

    def min(self, array: Any, axis: int | tuple[()] = ()) -> Any:
        return self._torch.amin(array, axis)

    def maximum(self, array: Any, low: Any) -> Any:
        return self._torch.clamp(array, min=low)

    def minimum(self, array: Any, high: Any) -> Any:
        return self._torch.clamp(array, max=high)

    def matmul(self, left: Any, right: Any) -> Any:
        # In mixed precision, keypoints would be some tenths of a pixel off.
        amp, kind = self._torch.amp, self._device.type
        kind = kind if amp.is_autocast_available(kind) else "cpu"
        with amp.autocast(kind, enabled=False):
            return self._torch.matmul(left, right)

    def equal(self, array: Any, other: Any) -> Any:
        return self._torch.eq(array, other)

    def expand_dims(self, array: Any, axis: int) -> Any:
        return self._torch.unsqueeze(array, axis)

    def flip(self, array: Any, axis: int) -> Any:
        return self._torch.flip(array, (axis,))


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
