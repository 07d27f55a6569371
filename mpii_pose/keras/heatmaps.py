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

    # Index that brings weights [batch, K] to the axes of what is compared.
    _beside: Any

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the weighted error; weights are [batch] or [batch, 16]."""
        y_true, y_pred = (
            keras.ops.convert_to_tensor(values, dtype=self.dtype)
            for values in (y_true, y_pred)
        )
        if sample_weight is not None:
            sample_weight = keras.ops.convert_to_tensor(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = sample_weight[:, None]
            counts = sample_weight[self._beside] > 0
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

    _beside = np.s_[:, None, None, :]

    def __init__(self, *, name: str = "heatmap_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the error of each map [batch, 16] of [batch, height, width, 16].

        Raises:
            ValueError: The two have different shapes.
        """
        if len(y_true.shape) != 4 or tuple(y_true.shape[1:]) != tuple(y_pred.shape[1:]):
            raise ValueError(
                "HeatmapLoss takes two [batch, height, width, keypoints] of one shape, "
                f"got {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
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

    _beside = np.s_[:, :, None]

    def __init__(
        self, *, beta: float = 10.0, name: str = "simcc_loss", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not 0 < beta < np.inf:
            raise ValueError(f"beta must be a positive number, got {beta!r}")
        self.beta = float(beta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the divergence of each keypoint [batch, 16] of [batch, 16, bins].

        Raises:
            ValueError: The two have different shapes.
        """
        if len(y_true.shape) != 3 or tuple(y_true.shape[1:]) != tuple(y_pred.shape[1:]):
            raise ValueError(
                "SimCCLoss takes two [batch, keypoints, bins] of one shape, x and y "
                f"each alone, got {tuple(y_true.shape)} and {tuple(y_pred.shape)}"
            )
        true, predicted = (
            keras.ops.log_softmax(self.beta * x, axis=-1) for x in (y_true, y_pred)
        )
        return keras.ops.mean(keras.ops.exp(true) * (true - predicted), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this loss again."""
        return {**super().get_config(), "beta": self.beta}
