"""Heatmaps in Keras: a layer that makes them inside the model, and their weighted loss.

Both run on any backend of Keras and are saved with a model. `keras.models.load_model`
finds them in a process that has imported `mpii_pose.keras` or used one by its public
name; `import mpii_pose` alone loads no Keras.
"""

from typing import Any

import keras

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


@keras.saving.register_keras_serializable(package="mpii_pose")
class HeatmapLoss(keras.losses.Loss):
    """Mean squared error of each heatmap, to be weighted keypoint by keypoint.

    Equals twice HRNet's `JointsMSELoss`. Keras' own losses average over the last axis,
    the keypoints, before they apply weights. This one averages over the cells, so that
    the weights [batch, 16] of a `PoseTransform` fit. Maps of weight 0 add nothing, even
    if they are NaN.
    """

    def __init__(self, *, name: str = "heatmap_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the weighted error; weights are [batch] or [batch, 16]."""
        y_true, y_pred = (
            keras.ops.convert_to_tensor(maps, dtype=self.dtype)
            for maps in (y_true, y_pred)
        )
        if sample_weight is not None:
            sample_weight = keras.ops.convert_to_tensor(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                sample_weight = sample_weight[:, None]
            counts = sample_weight[:, None, None, :] > 0
            y_true, y_pred = (
                keras.ops.where(counts, maps, 0) for maps in (y_true, y_pred)
            )
        return super().__call__(y_true, y_pred, sample_weight)

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
