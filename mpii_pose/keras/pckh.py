"""PCKh as a Keras metric: counted batch by batch, merged over replicas and workers."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from mpii_pose.evaluation.pckh import AUC_THRESHOLDS, check_options
from mpii_pose.evaluation.scores import DIALECTS, PCKhScores, scores_from_counts
from mpii_pose.person import HEAD_SIZE_PER_SCALE, SQUARE_PER_SCALE
from mpii_pose.transforms.decoding import (
    check_method,
    decode_cells,
    decode_heatmaps,
    spec_of_heatmaps,
)
from mpii_pose.transforms.geometry import Alignment, apply_affine, is_labelled
from mpii_pose.transforms.spec import CropSpec

# The part of the crop's square that HRNet's crop makes the head of everyone.
HEAD_PER_SQUARE = HEAD_SIZE_PER_SCALE / SQUARE_PER_SCALE


@keras.saving.register_keras_serializable(package="mpii_pose")
class PCKh(keras.metrics.Metric):
    """PCKh in percent, equal to `mpii_pose.pckh` of everything it was shown.

    The score that papers report takes the true keypoints, one batch of the examples
    that `PoseTransform` makes at a time:

        metric = mpii_pose.PCKh()
        for batch in validation:
            metric.update_state(batch, model(batch["image"]))
        print(metric.scores())

    Where cells of a heatmap lie in the crop is taken from the batch's
    `heatmap_to_crop`, or from the spec where one is given; nothing is assumed.

    While training, `model.compile(..., metrics=[mpii_pose.PCKh()])` compares heatmaps
    with heatmaps. As head size is then taken what a crop without scale augmentation
    gives everyone, a tenth of the square that the shorter side shows. Without a spec
    that is measured in cells, which in "udp", where a square spans one cell less than
    there are, allows 1 / 64 more than with it. A keypoint with an empty true map, such
    as one outside the crop, is not counted.

    Args:
        threshold: Allowed error divided by the head size.
        dialect: As in `mpii_pose.pckh`.
        method: How heatmaps are decoded, see `mpii_pose.decode_heatmaps`.
        spec: What crops and heatmaps are. Heatmaps of another size are refused.
        name: Name in the logs of Keras.
        dtype: Of the counts; float32 counts 16 million people.
        **fields: Fields of the spec to replace, such as `image_size=(256, 192)`.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        dialect: str = "official",
        method: str = "dark",
        spec: CropSpec | Mapping[str, Any] | None = None,
        name: str = "pckh",
        dtype: str = "float32",
        **fields: Any,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        check_options([threshold], dialect)
        check_method(method)
        self.threshold = float(threshold)
        self.dialect = dialect
        self.method = method
        self.spec = spec_of_heatmaps(spec, fields) if spec or fields else None
        self._skeleton = (self.spec or CropSpec()).skeleton
        self._num_keypoints = self._skeleton.num_keypoints
        # The metric's own threshold, then those of the curve.
        self._thresholds = (self.threshold, *AUC_THRESHOLDS)
        self.correct = self.add_weight(
            name="correct",
            shape=(len(self._thresholds), self._num_keypoints),
            initializer="zeros",
        )
        self.labelled = self.add_weight(
            name="labelled", shape=(self._num_keypoints,), initializer="zeros"
        )

    def update_state(
        self, y_true: Any, y_pred: Any, sample_weight: Any | None = None
    ) -> None:
        """Counts a batch.

        Args:
            y_true: Either true heatmaps float [B, h, w, K], or a dict with
                `keypoints` float [B, K, 2], `visibility` [B, K] and `head_size`
                float [B]. A dict with `crop_to_image` float [B, 2, 3] has its
                keypoints in crop pixels, others in the pixels of the head size.
                `heatmap_to_crop` float [B, 2, 3] says where heatmaps lie.
            y_pred: Predicted heatmaps float [B, h, w, K], or keypoints
                float [B, K, 2] in the same pixels as the true ones.
            sample_weight: float or bool [B] or [B, K]; those of 0 do not count, all
                others count once.

        Raises:
            ValueError: A shape is wrong or not that of the spec, it is not known where
                the heatmaps lie, or a person with a keypoint to score has no
                positive, finite head size or no finite truth.
            tf.errors.InvalidArgumentError: The same of values, in TensorFlow's graphs.
                Code that XLA compiles cannot raise: there they are left out.
        """
        if isinstance(y_true, Mapping):
            predicted, truth, labelled, head_size = self._people(y_true, y_pred)
        else:
            predicted, truth, labelled, head_size = self._maps(y_true, y_pred)
        # As the pure function, in float64 where the backend has it, so that both agree
        # on errors at a threshold.
        dtype = "float32" if keras.backend.backend() == "jax" else "float64"
        predicted, truth, head_size = (
            ops.cast(values, dtype) for values in (predicted, truth, head_size)
        )
        if sample_weight is not None:
            weight = ops.convert_to_tensor(sample_weight)
            weight = weight[:, None] if len(weight.shape) == 1 else weight
            labelled = ops.logical_and(labelled, ops.cast(weight, "float32") > 0)
        labelled = _leave_out(
            "truth must be finite where visibility is not 0",
            labelled,
            ops.all(ops.isfinite(truth), axis=-1),
            truth,
        )
        has_size = ops.logical_and(head_size > 0, ops.isfinite(head_size))[:, None]
        labelled = _leave_out(
            "head_size must be a positive number of pixels",
            labelled,
            has_size,
            head_size,
        )
        difference = ops.subtract(predicted, truth)
        error = ops.sqrt(ops.sum(ops.square(difference), axis=-1))
        error = error / ops.where(has_size, head_size[:, None], 1)
        limits = np.array(self._thresholds, dtype)[:, None, None]
        within = error < limits if DIALECTS[self.dialect].strict else error <= limits
        found = ops.cast(ops.logical_and(within, labelled), self.dtype)
        self.correct.assign_add(ops.sum(found, axis=1))
        self.labelled.assign_add(ops.sum(ops.cast(labelled, self.dtype), axis=0))

    def result(self) -> Any:
        """Returns the total in percent; NaN where nothing was counted."""
        counted = np.array(self._skeleton.counted)
        correct = ops.take(self.correct[0], counted)
        labelled = ops.take(self.labelled, counted)
        if DIALECTS[self.dialect].weighted:
            return 100.0 * ops.sum(correct) / ops.sum(labelled)
        known = ops.cast(labelled > 0, correct.dtype)
        rates = correct / ops.maximum(labelled, 1.0)
        return 100.0 * ops.sum(rates) / ops.sum(known)

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
            "spec": self.spec and self.spec.to_config(),
            "name": self.name,
            "dtype": self.dtype,
        }

    def _people(self, truth: Mapping[str, Any], y_pred: Any) -> tuple[Any, ...]:
        """Returns predicted and true keypoints, labelled and head size of a dict."""
        keypoints = self._checked_keypoints("keypoints", truth["keypoints"])
        head_size = ops.convert_to_tensor(truth["head_size"])
        if len(head_size.shape) != 1:
            raise ValueError(
                f"head_size must have shape [batch], got {tuple(head_size.shape)}"
            )
        visibility = ops.convert_to_tensor(truth["visibility"])
        if tuple(visibility.shape[1:]) != (self._num_keypoints,):
            raise ValueError(
                f"visibility must have shape [batch, {self._num_keypoints}], got "
                f"{tuple(visibility.shape)}"
            )
        predicted = self._predicted_keypoints(y_pred, truth)
        if "crop_to_image" in truth:
            crop_to_image = ops.convert_to_tensor(truth["crop_to_image"])
            predicted = apply_affine(crop_to_image, predicted)
            keypoints = apply_affine(crop_to_image, keypoints)
        return predicted, keypoints, is_labelled(visibility), head_size

    def _predicted_keypoints(self, y_pred: Any, truth: Mapping[str, Any]) -> Any:
        y_pred = ops.convert_to_tensor(y_pred)
        if len(y_pred.shape) == 3:
            return self._checked_keypoints("predictions", y_pred)
        self._check_heatmaps(y_pred)
        if "heatmaps" in truth:
            _check_size("predicted heatmaps", y_pred, truth["heatmaps"].shape[1:3])
        if self.spec is not None:
            if "image" in truth:
                _check_size("image", truth["image"], self.spec.image_size)
            return self._decode(y_pred)
        if "heatmap_to_crop" not in truth:
            raise ValueError(
                "PCKh cannot tell where the cells of heatmaps lie in the crop: pass "
                "the spec that they were made with, PCKh(spec=...), or batches with "
                "heatmap_to_crop, as PoseTransform makes them"
            )
        cells, _ = decode_cells(y_pred, method=self.method, sigma=CropSpec().sigma)
        return apply_affine(ops.convert_to_tensor(truth["heatmap_to_crop"]), cells)

    def _maps(self, y_true: Any, y_pred: Any) -> tuple[Any, ...]:
        """Returns what `_people` does of true heatmaps."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        self._check_heatmaps(y_true)
        self._check_heatmaps(y_pred)
        _check_size("predicted heatmaps", y_pred, y_true.shape[1:3])
        if self.spec is None:
            decoded = [
                decode_cells(maps, method=self.method, sigma=CropSpec().sigma)[0]
                for maps in (y_pred, y_true)
            ]
            square = min(y_true.shape[1:3])
        else:
            decoded = [self._decode(maps) for maps in (y_pred, y_true)]
            alignment = Alignment.named(self.spec.alignment)
            square = float(min(alignment.spans(self.spec.image_size)))
        labelled = ops.isfinite(decoded[1][..., 0])
        return *decoded, labelled, ops.convert_to_tensor([square * HEAD_PER_SQUARE])

    def _decode(self, heatmaps: Any) -> Any:
        return decode_heatmaps(heatmaps, method=self.method, spec=self.spec)[0]

    def _check_heatmaps(self, heatmaps: Any) -> None:
        count = self._num_keypoints
        if len(heatmaps.shape) != 4 or heatmaps.shape[-1] != count:
            raise ValueError(
                f"PCKh takes heatmaps [batch, height, width, {count}] or keypoints "
                f"[batch, {count}, 2], got shape {tuple(heatmaps.shape)}"
            )

    def _checked_keypoints(self, name: str, keypoints: Any) -> Any:
        keypoints = ops.convert_to_tensor(keypoints)
        if tuple(keypoints.shape[1:]) != (self._num_keypoints, 2):
            raise ValueError(
                f"{name} must have shape [batch, {self._num_keypoints}, 2], got "
                f"{tuple(keypoints.shape)}"
            )
        return keypoints

    def _scores(self) -> list[PCKhScores]:
        labelled = ops.convert_to_numpy(self.labelled)
        return [
            scores_from_counts(
                correct,
                labelled,
                threshold=threshold,
                dialect=self.dialect,
                skeleton=self._skeleton,
            )
            for threshold, correct in zip(
                self._thresholds, ops.convert_to_numpy(self.correct), strict=True
            )
        ]


def _check_size(name: str, maps: Any, size: Any) -> None:
    found = tuple(maps.shape[1:3])
    if found != tuple(size):
        raise ValueError(
            f"{name} must have height and width {tuple(size)}, as the truth or the "
            f"spec has, got {found}"
        )


def _leave_out(problem: str, labelled: Any, is_right: Any, values: Any) -> Any:
    """Returns `labelled` without what is not right; raises wherever that is possible.

    Args:
        problem: What the message says.
        labelled: bool [B, K], which keypoints count.
        is_right: bool [B, K] or [B, 1].
        values: [B, ...], what the message shows of the first person.
    """
    wrong = ops.logical_and(labelled, ops.logical_not(is_right))
    try:
        people = np.flatnonzero(np.any(ops.convert_to_numpy(wrong), axis=-1))
    except (NotImplementedError, TypeError):  # While a function is compiled.
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.debugging.Assert(~tf.reduce_any(wrong), [problem, values])
    else:
        for person in people:
            raise ValueError(
                f"{problem}: person {person} of the batch has "
                f"{ops.convert_to_numpy(values)[person]}"
            )
    return ops.logical_and(labelled, is_right)
