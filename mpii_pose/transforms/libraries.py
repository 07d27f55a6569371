"""Which library transforms an example: TensorFlow its tensors, NumPy all others.

`on_tensorflow` and `on_numpy` have functions of the same names: what cannot be one
formula on arrays of any library, such as decoding and random numbers.
"""

import functools
from collections.abc import Callable
from typing import Any

from mpii_pose.transforms.arrays import load_module


def library_of(*values: Any) -> Any:
    """Returns `on_tensorflow` if any of the values is a tensor of it, else `on_numpy`.

    TensorFlow is imported in the first case only.
    """
    tensors = any(type(value).__module__.startswith("tensorflow.") for value in values)
    name = "on_tensorflow" if tensors else "on_numpy"
    return load_module(f"mpii_pose.transforms.{name}")


def in_its_library(method: Callable[..., Any]) -> Callable[..., Any]:
    """Lets the library of an example call the method that is given the example."""

    @functools.wraps(method)
    def call(self: Any, example: Any, *others: Any) -> Any:
        library = library_of(*example.values())
        return library.call(method, self, example, *others)

    return call
