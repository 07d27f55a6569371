"""PCKh as a Keras metric: counted batch by batch, merged over replicas and workers."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from mpii_pose.evaluation.pckh import AUC_THRESHOLDS, check_options
from mpii_pose.evaluation.scores import (
    COUNTED,
    DIALECTS,
    PCKhScores,
    scores_from_counts,
)
from mpii_pose.person import HEAD_SIZE_PER_SCALE
from mpii_pose.skeleton import NUM_KEYPOINTS
from mpii_pose.transforms.decoding import check_method, decode_heatmaps
from mpii_pose.transforms.geometry import SQUARE_PER_SCALE, Alignment, apply_affine


@tf.keras.utils.register_keras_serializable(package="mpii_pose")
class PCKh(tf.keras.metrics.Metric):
    """PCKh in percent, equal to `mpii_pose.pckh` of everything it was shown.

    The score that papers report takes the true keypoints, one batch of the examples
    that `PoseTransform` makes at a time:

        metric = mpii_pose.PCKh()
        for batch in validation:
            metric.update_state(batch, model(batch["image"]))
        print(metric.scores())

    While training, `model.compile(..., metrics=[mpii_pose.PCKh()])` compares heatmaps
    with heatmaps. As head size is then taken what a crop without scale augmentation
    gives everyone, a tenth of its side. A keypoint with an empty true map, such as one
    outside the crop, is not counted.

    Args:
        threshold: Allowed error divided by the head size.
        dialect: As in `mpii_pose.pckh`.
        method: How heatmaps are decoded, as `alignment` and `image_size` in
            `mpii_pose.decode_heatmaps`.
        alignment: The one of the crops and heatmaps.
        image_size: Height and width of the crop in pixels.
        name: Name in the logs of Keras.
        dtype: Of the counts; float32 counts 16 million people.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        dialect: str = "official",
        method: str = "dark",
        alignment: str | Alignment = "half_pixel",
        image_size: tuple[int, int] = (256, 256),
        name: str = "pckh",
        dtype: str = "float32",
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_options([threshold], dialect)
        check_method(method)
        self.threshold = float(threshold)
        self.dialect = dialect
        self.method = method
        self.alignment = Alignment.named(alignment).name
        self.image_size = (image_size[0], image_size[1])
        # The metric's own threshold, then those of the curve.
        self._thresholds = (self.threshold, *AUC_THRESHOLDS)
        self.correct = self.add_weight(
            name="correct",
            shape=(len(self._thresholds), NUM_KEYPOINTS),
            initializer="zeros",
        )
        self.labelled = self.add_weight(
            name="labelled", shape=(NUM_KEYPOINTS,), initializer="zeros"
        )

    def update_state(
        self, y_true: Any, y_pred: tf.Tensor, sample_weight: tf.Tensor | None = None
    ) -> None:
        """Counts a batch.

        Args:
            y_true: Either true heatmaps float [B, h, w, 16], or a dict with
                `keypoints` float [B, 16, 2], `visibility` [B, 16] and `head_size`
                float [B]. A dict with `crop_to_image` float [B, 2, 3] has its
                keypoints in crop pixels, others in the pixels of the head size.
            y_pred: Predicted heatmaps float [B, h, w, 16], or keypoints
                float [B, 16, 2] in the same pixels as the true ones.
            sample_weight: float or bool [B] or [B, 16]; those of 0 do not count, all
                others count once.
        """
        predicted = self._keypoints(y_pred)
        truth, labelled, head_size = self._truth(y_true)
        if isinstance(y_true, dict) and "crop_to_image" in y_true:
            crop_to_image = tf.convert_to_tensor(y_true["crop_to_image"])
            predicted = apply_affine(crop_to_image, predicted)
            truth = apply_affine(crop_to_image, truth)
        if sample_weight is not None:
            weight = tf.cast(sample_weight, tf.float32)
            weight = weight[:, tf.newaxis] if weight.shape.rank == 1 else weight
            labelled &= weight > 0
        # In float64 as the pure function, so that both agree on errors at a threshold.
        difference = tf.cast(predicted, tf.float64) - tf.cast(truth, tf.float64)
        error = tf.norm(difference, axis=-1) / head_size[:, tf.newaxis]
        limits = tf.constant(self._thresholds, tf.float64)[:, tf.newaxis, tf.newaxis]
        within = error < limits if DIALECTS[self.dialect].strict else error <= limits
        dtype = self.correct.dtype
        correct = tf.cast(within & labelled, dtype)
        self.correct.assign_add(tf.reduce_sum(correct, axis=1))
        self.labelled.assign_add(tf.reduce_sum(tf.cast(labelled, dtype), axis=0))

    def result(self) -> tf.Tensor:
        """Returns the total in percent; NaN where nothing was counted."""
        correct = tf.gather(self.correct[0], COUNTED)
        labelled = tf.gather(self.labelled, COUNTED)
        if DIALECTS[self.dialect].weighted:
            return 100.0 * tf.reduce_sum(correct) / tf.reduce_sum(labelled)
        known = tf.cast(labelled > 0, correct.dtype)
        rates = tf.math.divide_no_nan(correct, labelled)
        return 100.0 * tf.reduce_sum(rates) / tf.reduce_sum(known)

    def scores(self) -> PCKhScores:
        """Returns the scores at the threshold: per keypoint, group and in total."""
        return self._scores()[0]

    def curve(self) -> list[PCKhScores]:
        """Returns the scores at each of `AUC_THRESHOLDS`, such as for `pckh_auc`."""
        return self._scores()[1:]

    def merge_state(self, metrics: Iterable["PCKh"]) -> None:
        """Adds what other metrics of the same threshold and dialect have counted."""
        for metric in metrics:
            theirs = (metric.threshold, metric.dialect)
            if theirs != (self.threshold, self.dialect):
                raise ValueError(
                    "only metrics of one threshold and dialect can be merged: this one "
                    f"has {(self.threshold, self.dialect)}, another {theirs}"
                )
            self.correct.assign_add(metric.correct)
            self.labelled.assign_add(metric.labelled)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make the same metric, without its counts."""
        return {
            "threshold": self.threshold,
            "dialect": self.dialect,
            "method": self.method,
            "alignment": self.alignment,
            "image_size": self.image_size,
            "name": self.name,
            "dtype": self.dtype,
        }

    def _keypoints(self, prediction: tf.Tensor) -> tf.Tensor:
        prediction = tf.convert_to_tensor(prediction)
        if prediction.shape.rank == 3:
            return tf.ensure_shape(prediction, (None, NUM_KEYPOINTS, 2))
        if prediction.shape.rank != 4:
            raise ValueError(
                "PCKh takes heatmaps [batch, height, width, 16] or keypoints [batch, "
                f"16, 2], got shape {prediction.shape}"
            )
        keypoints, _ = decode_heatmaps(
            prediction,
            method=self.method,
            alignment=self.alignment,
            image_size=self.image_size,
        )
        return keypoints

    def _truth(self, y_true: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns keypoints [B, 16, 2], labelled [B, 16], head size [B] or [1]."""
        if isinstance(y_true, dict):
            keypoints = self._keypoints(y_true["keypoints"])
            visibility = tf.cast(y_true["visibility"], tf.float32)
            labelled = tf.ensure_shape(visibility, (None, NUM_KEYPOINTS)) > 0
            head_size = tf.cast(y_true["head_size"], tf.float64)
            return keypoints, labelled, tf.ensure_shape(head_size, (None,))
        keypoints = self._keypoints(y_true)
        labelled = tf.math.is_finite(keypoints[..., 0])
        side = min(Alignment.named(self.alignment).spans(self.image_size))
        head_size = [side * HEAD_SIZE_PER_SCALE / SQUARE_PER_SCALE]
        return keypoints, labelled, tf.constant(head_size, tf.float64)

    def _scores(self) -> list[PCKhScores]:
        labelled = np.asarray(self.labelled)
        return [
            scores_from_counts(
                correct, labelled, threshold=threshold, dialect=self.dialect
            )
            for threshold, correct in zip(
                self._thresholds, np.asarray(self.correct), strict=True
            )
        ]
