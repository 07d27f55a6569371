"""Runs one function on every array library there is, and checks that it answers so."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

Function = Callable[..., Any]
# Of what a case returns, as NumPy arrays.
Results = tuple[np.ndarray, ...]


def in_numpy(function: Function, arrays: Results) -> Results:
    return _checked(function(*arrays), np.ndarray | np.generic)


def in_tensorflow(function: Function, arrays: Results) -> Results:
    return _checked(function(*map(tf.constant, arrays)), tf.Tensor)


def in_graph(function: Function, arrays: Results) -> Results:
    return in_tensorflow(tf.function(function), arrays)


def in_xla(function: Function, arrays: Results) -> Results:
    return in_tensorflow(tf.function(function, jit_compile=True), arrays)


def in_tf_data(function: Function, arrays: Results) -> Results:
    dataset = tf.data.Dataset.from_tensors(arrays).map(function)
    return _checked(dataset.get_single_element(), tf.Tensor)


def in_keras(function: Function, arrays: Results) -> Results:
    """As a model of Keras, whose symbolic tensors work with `keras.ops` alone."""
    inputs = [
        keras.Input(batch_shape=array.shape, dtype=str(array.dtype)) for array in arrays
    ]
    outputs = function(*inputs)
    single = not isinstance(outputs, tuple)
    model = keras.Function(inputs, [outputs] if single else list(outputs))
    found = model([tf.constant(array) for array in arrays])
    return _checked(found[0] if single else tuple(found), tf.Tensor)


def in_jax(function: Function, arrays: Results) -> Results:
    jax = _jax()
    return _checked(function(*map(jax.numpy.asarray, arrays)), jax.Array)


def in_jax_jit(function: Function, arrays: Results) -> Results:
    jax = _jax()
    return _checked(jax.jit(function)(*arrays), jax.Array)


def in_torch(function: Function, arrays: Results) -> Results:
    """As a network's outputs are, which have gradients."""
    torch = pytest.importorskip("torch")
    tensors = [torch.tensor(array) for array in arrays]
    for tensor in tensors:
        tensor.requires_grad_(tensor.is_floating_point())
    results = function(*tensors)
    results = results if isinstance(results, tuple) else (results,)
    assert all(type(result) is torch.Tensor for result in results)
    return tuple(result.detach().numpy() for result in results)


def _jax() -> Any:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs jax")
    return importlib.import_module("jax")


def _checked(results: Any, kind: Any) -> Results:
    results = results if isinstance(results, tuple) else (results,)
    for result in results:
        assert isinstance(result, kind), (type(result), kind)
    return tuple(np.asarray(result) for result in results)


LIBRARIES = {
    name.removeprefix("in_"): runner
    for name, runner in list(globals().items())
    if name.startswith("in_")
}


class Cases:
    """A table of (function, arrays); each library runs it once, as one function."""

    def __init__(self, table: dict[str, tuple[Function, Results]]) -> None:
        self.table = table

    def found(self, library: str, case: str) -> Results:
        """Returns what a case gives in a library."""
        return self._all(library)[case]

    @functools.cache  # noqa: B019 - lives as long as the test module
    def _all(self, library: str) -> dict[str, Results]:
        counts: dict[str, int] = {}

        def everything(*arrays: Any) -> tuple[Any, ...]:
            results: tuple[Any, ...] = ()
            for name, (function, own) in self.table.items():
                result = function(*arrays[: len(own)])
                arrays = arrays[len(own) :]
                result = result if isinstance(result, tuple) else (result,)
                counts[name] = len(result)
                results += result
            return results

        arrays = tuple(array for _, own in self.table.values() for array in own)
        rest = LIBRARIES[library](everything, arrays)
        found = {}
        for name, count in counts.items():
            found[name], rest = rest[:count], rest[count:]
        return found
