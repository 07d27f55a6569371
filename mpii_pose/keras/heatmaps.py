"""Heatmaps in Keras: a layer that makes them inside the model; weighted losses.

All run on any backend of Keras and are saved with a model. `keras.models.load_model`
finds them in a process that has imported `mpii_pose.keras` or used one by its public
name; `import mpii_pose` alone loads no Keras.
"""

from typing import Any

import keras
import numpy as np

from mpii_pose.transforms.heatmaps import encode_heatmaps
from mpii_pose.transforms.spec import SPEC_FIELDS, CropSpec


@keras.saving.register_keras_serializable(package="mpii_pose")
class HeatmapEncoder(keras.layers.Layer):
    """Keras layer that makes heatmaps where the model runs.

    Keypoints and a uint8 crop are 197 kB to send to the accelerator for each example; a
    crop with its heatmaps is 459 kB. Equals `encode_heatmaps` on [batch, 16, 2] and
    [batch, 16].

    Computes in float32 whatever the mixed-precision policy: half precision would move
    keypoints by up to a pixel.

    Args:
        spec: The crops and heatmaps.
        **options: Fields of the spec to replace, such as `sigma=3.0`, and the options
            of every layer, such as `name`.
    """

    def __init__(
        self, *, spec: CropSpec | dict[str, Any] | None = None, **options: Any
    ) -> None:
        fields = {name: options.pop(name) for name in SPEC_FIELDS & options.keys()}
        super().__init__(**{"dtype": "float32", "trainable": False} | options)
        self.spec = CropSpec.of(spec, **fields)
        self.spec.known_heatmap_size()

    def call(self, keypoints: Any, visibility: Any) -> tuple[Any, Any]:
        """Returns heatmaps [batch, height, width, 16] and weights [batch, 16]."""
        return encode_heatmaps(keypoints, visibility, spec=self.spec)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), "spec": self.spec.to_config()}


class _KeypointLoss(keras.losses.Loss):
    """A loss with one value per keypoint, to which those of weight 0 add nothing."""

    # The names of the axes of what is compared.
    _axes: tuple[str, ...]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the weighted error; weights are [batch] or [batch, 16].

        Raises:
            ValueError: The two have different shapes.
        """
        y_true, y_pred = (
            keras.ops.convert_to_tensor(values, dtype=self.dtype)
            for values in (y_true, y_pred)
        )
        true, predicted = tuple(y_true.shape), tuple(y_pred.shape)
        if len(true) != len(self._axes) or true[1:] != predicted[1:]:
            raise ValueError(
                f"{type(self).__name__} takes two [{', '.join(self._axes)}] of one "
                f"shape, got {true} and {predicted}"
            )
        if sample_weight is not None:
            sample_weight = keras.ops.convert_to_tensor(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = sample_weight[:, None]
            own = ("batch", "keypoints")
            index = tuple(np.s_[:] if axis in own else None for axis in self._axes)
            counts = sample_weight[index] > 0
            y_true, y_pred = (
                keras.ops.where(counts, values, 0) for values in (y_true, y_pred)
            )
        return super().__call__(y_true, y_pred, sample_weight)


@keras.saving.register_keras_serializable(package="mpii_pose")
class HeatmapLoss(_KeypointLoss):
    """Mean squared error of each heatmap, to be weighted keypoint by keypoint.

    Equals twice HRNet's `JointsMSELoss`. Keras' own losses average over the last axis,
    the keypoints, before they apply weights. This one averages over the cells, so that
    the weights [batch, 16] of a `PoseTransform` fit. Maps of weight 0 add nothing, even
    if they are NaN.
    """

    _axes = ("batch", "height", "width", "keypoints")

    def __init__(self, *, name: str = "heatmap_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the error of each map [batch, 16] of [batch, height, width, 16]."""
        return keras.ops.mean(keras.ops.square(y_pred - y_true), axis=(1, 2))


@keras.saving.register_keras_serializable(package="mpii_pose")
class SimCCLoss(_KeypointLoss):
    """Divergence of predicted distributions from SimCC's, for x and for y alike.

    Keras applies it to both outputs of a model, logits of x and of y, and adds the two
    up: `model.compile("adam", SimCCLoss())` takes the batches of
    `PoseTransform(targets="simcc").supervised`. (Arrays in place of batches need the
    weights once for each output, `sample_weight=[weights, weights]`.) The sum then
    equals RTMPose's `KLDiscretLoss(beta=10, label_softmax=True)` over the batch size:
    the mean over bins of the Kullback-Leibler divergence between softmax(beta x target)
    and softmax(beta x logits). Keypoints of weight 0 add nothing, even if they are NaN.

    Args:
        beta: Inverse temperature of both distributions.
        name: Name in the logs of Keras.
        **kwargs: The options of every loss, such as `reduction`.
    """

    _axes = ("batch", "keypoints", "bins")

    def __init__(
        self, *, beta: float = 10.0, name: str = "simcc_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not 0 < beta < np.inf:
            raise ValueError(f"beta must be a positive number, got {beta!r}")
        self.beta = float(beta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the divergence of each keypoint [batch, 16] of [batch, 16, bins]."""
        true, predicted = (
            keras.ops.log_softmax(self.beta * x, axis=-1) for x in (y_true, y_pred)
        )
        return keras.ops.mean(keras.ops.exp(true) * (true - predicted), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {**super().get_config(), "beta": self.beta}
