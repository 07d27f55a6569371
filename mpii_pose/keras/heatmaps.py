"""Heatmaps in Keras: drawn inside the model, and a loss that knows their weights."""

from typing import Any

import tensorflow as tf

from mpii_pose.transforms.geometry import Alignment
from mpii_pose.transforms.heatmaps import check_options, encode_heatmaps


class HeatmapEncoder(tf.keras.layers.Layer):
    """Keras layer that draws heatmaps where the model runs.

    Sending keypoints and uint8 crops to the accelerator and drawing there moves 197 kB
    for each example, where crops with heatmaps are 459 kB. Equals `encode_heatmaps`,
    whose options it takes, on [batch, 16, 2] and [batch, 16].

    Computes in float32 whatever the mixed-precision policy: half precision would move
    keypoints by up to a pixel.
    """

    def __init__(
        self,
        *,
        image_size: tuple[int, int] = (256, 256),
        heatmap_size: tuple[int, int] = (64, 64),
        sigma: float = 2.0,
        alignment: str = "half_pixel",
        encoding: str = "unbiased",
        weighting: str = "labelled",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False} | kwargs)
        check_options(sigma=sigma, encoding=encoding, weighting=weighting)
        for size in (image_size, heatmap_size):
            Alignment.named(alignment).spans(size)
        self.options: dict[str, Any] = {
            "image_size": tuple(image_size),
            "heatmap_size": tuple(heatmap_size),
            "sigma": sigma,
            "alignment": alignment,
            "encoding": encoding,
            "weighting": weighting,
        }

    def call(
        self, keypoints: tf.Tensor, visibility: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns heatmaps [batch, height, width, 16] and weights [batch, 16]."""
        return encode_heatmaps(keypoints, visibility, **self.options)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this layer again."""
        return {**super().get_config(), **self.options}


class HeatmapLoss(tf.keras.losses.Loss):
    """Mean squared error of each heatmap, to be weighted keypoint by keypoint.

    Keras' own losses average over the last axis, the keypoints, before weights come
    in. This one averages over the cells, so that the weights [batch, 16] of a
    `PoseTransform` fit; it is twice HRNet's `JointsMSELoss`.
    """

    def __init__(self, *, name: str = "heatmap_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Returns the error of each map [batch, 16] of [batch, height, width, 16]."""
        return tf.reduce_mean(tf.math.squared_difference(y_pred, y_true), axis=(1, 2))
