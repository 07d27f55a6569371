"""PCKh as a Keras metric: counted batch by batch, merged over replicas and workers."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from mpii_pose.checks import check_choice
from mpii_pose.evaluation.pckh import (
    AUC_THRESHOLDS,
    DIALECTS,
    PCKhScores,
    check_threshold,
    scores_from_counts,
)
from mpii_pose.person import HEAD_SIZE_PER_SCALE, SQUARE_PER_SCALE
from mpii_pose.skeleton import MPII, NUM_KEYPOINTS
from mpii_pose.transforms.decoding import METHODS, decode_cells, spec_of_heatmaps
from mpii_pose.transforms.geometry import Alignment, apply_affine, is_labelled
from mpii_pose.transforms.simcc import decode_simcc
from mpii_pose.transforms.spec import CropSpec

# A head's share of the side of HRNet's crop: a tenth, the same for everyone.
HEAD_PER_SQUARE = HEAD_SIZE_PER_SCALE / SQUARE_PER_SCALE
# Maps from heatmap to crop that differ by less than this, in pixels, are the same.
SAME_MAP = 1e-3


@keras.saving.register_keras_serializable(package="mpii_pose")
class PCKh(keras.metrics.Metric):
    """PCKh in percent, equal to `mpii_pose.pckh` of all batches together.

    For the score that papers report, pass the true keypoints, in batches of the
    examples that `PoseTransform` makes:

        metric = mpii_pose.PCKh()
        for batch in validation:
            metric.update_state(batch, model(batch["image"]))
        print(metric.scores())

    The place of the heatmaps' cells in the crop is taken from the spec where one is
    given, else from the batch's `heatmap_to_crop`; without both, an error is raised.

    While training, `model.compile(..., metrics=[mpii_pose.PCKh()])` compares predicted
    heatmaps with true ones. Without head sizes, a tenth of the side of the crop's
    square is used: in HRNet's crop the two are equal. Without a spec the side is
    counted in cells. For "udp", where a square spans one cell less than there are,
    errors may then be 1 / 64 larger. A keypoint with an empty true map, such as one
    outside the crop, is not counted. Keras passes a metric one output alone, so a
    model of SimCC's two outputs is scored by such a loop.

    Args:
        threshold: Allowed error divided by the head size.
        dialect: As in `mpii_pose.pckh`.
        method: How heatmaps are decoded, see `mpii_pose.decode_heatmaps`.
        spec: The crops and heatmaps. Heatmaps of another size are refused.
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
        check_threshold(threshold)
        check_choice("dialect", dialect, DIALECTS)
        check_choice("method", method, METHODS)
        self.threshold = float(threshold)
        self.dialect = dialect
        self.method = method
        self.spec = spec_of_heatmaps(spec, fields) if spec or fields else None
        # The metric's own threshold, then those of the curve.
        self._thresholds = (self.threshold, *AUC_THRESHOLDS)
        shape = (len(self._thresholds), NUM_KEYPOINTS)
        self.correct = self.add_weight(shape, name="correct", initializer="zeros")
        self.labelled = self.add_weight(shape[1:], name="labelled", initializer="zeros")

    def update_state(
        self, y_true: Any, y_pred: Any, sample_weight: Any | None = None
    ) -> None:
        """Counts a batch.

        Args:
            y_true: Either true heatmaps float [B, h, w, 16], or a dict with
                `keypoints` float [B, 16, 2], `visibility` [B, 16] and `head_size`
                float [B]. A dict with `crop_to_image` float [B, 2, 3] has its
                keypoints in crop pixels, others in the pixels of the head size.
                `heatmap_to_crop` float [B, 2, 3] is the place of the heatmaps.
            y_pred: Predicted heatmaps float [B, h, w, 16], or keypoints
                float [B, 16, 2] in the same pixels as the true ones, or a pair of
                SimCC's distributions float [B, 16, bins], x and y, of the spec.
            sample_weight: float or bool [B] or [B, 16]; keypoints of weight 0 do not
                count, all others count once.

        Raises:
            ValueError: A shape is wrong or not that of the spec, the place of the
                heatmaps is not given, or a person with a keypoint to score has no
                positive, finite head size or no finite truth.
            tf.errors.InvalidArgumentError: A head size or truth is wrong, in
                TensorFlow's graphs. Code that XLA compiles cannot raise: there such
                keypoints are left out.
        """
        parts = self._people if isinstance(y_true, Mapping) else self._maps
        # In float64 where the backend has it, as the pure function: so both agree on
        # errors at a threshold.
        dtype = "float32" if keras.backend.backend() == "jax" else "float64"
        if _is_pair(y_pred):
            y_pred = self._of_simcc(y_true, *y_pred)
        labelled, *numbers = parts(y_true, ops.convert_to_tensor(y_pred))
        predicted, truth, head_size = (ops.cast(x, dtype) for x in numbers)
        if sample_weight is not None:
            weight = ops.convert_to_tensor(sample_weight)
            weight = weight[:, None] if len(weight.shape) == 1 else weight
            labelled = labelled & (ops.cast(weight, "float32") > 0)
        has_place = ops.all(ops.isfinite(truth), axis=-1)
        has_size = ((head_size > 0) & ops.isfinite(head_size))[:, None]
        problem = "truth must be finite where visibility is not 0"
        _refuse(labelled & ~has_place, problem, truth)
        problem = "head_size must be a positive number of pixels"
        _refuse(labelled & ~has_size, problem, head_size)
        labelled = labelled & has_place & has_size
        difference = ops.subtract(predicted, truth)
        error = ops.sqrt(ops.sum(ops.square(difference), axis=-1))
        error = error / ops.where(has_size, head_size[:, None], 1)
        limits = ops.convert_to_tensor(np.array(self._thresholds, dtype)[:, None, None])
        within = DIALECTS[self.dialect].found(error, limits)
        found = ops.cast(within & labelled, self.dtype)
        self.correct.assign_add(ops.sum(found, axis=1))
        self.labelled.assign_add(ops.sum(ops.cast(labelled, self.dtype), axis=0))

    def result(self) -> Any:
        """Returns the total in percent; NaN where nothing was counted."""
        counted = np.array(MPII.counted)
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
        """Adds the counts of other metrics of the same threshold and dialect."""
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
        """Returns labelled, predicted and true keypoints, and head size of a dict."""
        keypoints = _checked("keypoints", truth["keypoints"], NUM_KEYPOINTS, 2)
        visibility = _checked("visibility", truth["visibility"], NUM_KEYPOINTS)
        head_size = _checked("head_size", truth["head_size"])
        predicted = (
            _checked("predicted keypoints", y_pred, NUM_KEYPOINTS, 2)
            if len(y_pred.shape) == 3
            else self._decoded(y_pred, truth)
        )
        if "crop_to_image" in truth:
            crop_to_image = ops.convert_to_tensor(truth["crop_to_image"])
            predicted = apply_affine(crop_to_image, predicted)
            keypoints = apply_affine(crop_to_image, keypoints)
        return is_labelled(visibility), predicted, keypoints, head_size

    def _decoded(self, heatmaps: Any, truth: Mapping[str, Any]) -> Any:
        """Returns the keypoints of predicted heatmaps in crop pixels."""
        size = truth["heatmaps"].shape[1:3] if "heatmaps" in truth else (None, None)
        cells = self._cells(heatmaps, size)
        if self.spec is None and "heatmap_to_crop" not in truth:
            raise ValueError(
                "the place of the heatmaps in the crop is not given: pass the spec "
                "that they were made with, PCKh(spec=...), or batches with "
                "heatmap_to_crop, as PoseTransform makes them"
            )
        if self.spec is None:
            return apply_affine(ops.convert_to_tensor(truth["heatmap_to_crop"]), cells)
        if "image" in truth:
            _checked("image", truth["image"], *self.spec.image_size, None)
        spec = CropSpec.of(self.spec, heatmap_size=tuple(heatmaps.shape[1:3]))
        if "heatmap_to_crop" in truth:
            given = ops.convert_to_tensor(truth["heatmap_to_crop"])
            _refuse(
                ops.abs(given - spec.heatmap_to_crop) > SAME_MAP,
                "heatmap_to_crop must be that of the metric's spec, "
                f"{spec.heatmap_to_crop.tolist()}",
                given,
            )
        return apply_affine(spec.heatmap_to_crop, cells)

    def _of_simcc(self, truth: Any, x: Any, y: Any) -> Any:
        """Returns the keypoints of predicted distributions in crop pixels."""
        if self.spec is None or not isinstance(truth, Mapping):
            raise ValueError(
                "distributions of x and y are scored with the spec that they were made "
                "with, PCKh(spec=...), against a batch of PoseTransform, got spec "
                f"{self.spec} and a {type(truth).__name__}"
            )
        if "image" in truth:
            _checked("image", truth["image"], *self.spec.image_size, None)
        x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
        return decode_simcc(x, y, spec=self.spec)[0]

    def _maps(self, y_true: Any, y_pred: Any) -> tuple[Any, ...]:
        """Returns the same as `_people`, of true heatmaps."""
        y_true = ops.convert_to_tensor(y_true)
        truth = self._cells(y_true)
        size = tuple(y_true.shape[1:3])
        predicted, square = self._cells(y_pred, size), float(min(size))
        if self.spec is not None:
            spec = CropSpec.of(self.spec, heatmap_size=size)
            truth = apply_affine(spec.heatmap_to_crop, truth)
            predicted = apply_affine(spec.heatmap_to_crop, predicted)
            square = float(min(Alignment.named(spec.alignment).spans(spec.image_size)))
        head_size = ops.convert_to_tensor([square * HEAD_PER_SQUARE])
        return ops.isfinite(truth[..., 0]), predicted, truth, head_size

    def _cells(self, heatmaps: Any, size: Any = (None, None)) -> Any:
        """Returns the keypoints of heatmaps, which are of `size`, in cells."""
        if len(heatmaps.shape) != 4:
            raise ValueError(
                f"PCKh takes heatmaps [batch, height, width, {NUM_KEYPOINTS}] or "
                f"keypoints [batch, {NUM_KEYPOINTS}, 2], got shape "
                f"{tuple(heatmaps.shape)}"
            )
        spec = self.spec or CropSpec(heatmap_size=None)
        for expected in (size, spec.heatmap_size or size):
            _checked("heatmaps", heatmaps, *expected, NUM_KEYPOINTS)
        return decode_cells(heatmaps, method=self.method, sigma=spec.sigma)[0]

    def _scores(self) -> list[PCKhScores]:
        labelled = self.labelled.numpy()
        return [
            scores_from_counts(
                found, labelled, threshold=threshold, dialect=self.dialect
            )
            for threshold, found in zip(
                self._thresholds, self.correct.numpy(), strict=True
            )
        ]


def _is_pair(prediction: Any) -> bool:
    """Returns whether these are the two outputs of a model, [batch, K, bins] each."""
    return (
        isinstance(prediction, tuple | list)
        and len(prediction) == 2
        and all(len(np.shape(values)) == 3 for values in prediction)
    )


def _checked(name: str, values: Any, *shape: int | None) -> Any:
    """Returns a tensor of shape [batch, *shape], where None is any length."""
    values = ops.convert_to_tensor(values)
    found = tuple(values.shape)
    if len(found) != 1 + len(shape) or any(
        None not in (want, got) and want != got
        for want, got in zip(shape, found[1:], strict=True)
    ):
        expected = ", ".join("..." if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} must have shape [batch, {expected}], as the spec and the truth "
            f"have, got {found}"
        )
    return values


def _refuse(wrong: Any, problem: str, values: Any) -> None:
    """Raises an error where a person has something wrong, unless XLA compiles this.

    Args:
        wrong: bool [B, ...].
        problem: The rule that is broken, for the message.
        values: [B, ...]; the message shows those of the first such person.
    """
    try:
        found = ops.convert_to_numpy(wrong)
    except (NotImplementedError, TypeError):  # While a function is compiled.
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.debugging.Assert(~tf.reduce_any(wrong), [problem, values])
        return
    for person, *_ in np.argwhere(found):
        raise ValueError(
            f"{problem}: person {person} of the batch has "
            f"{ops.convert_to_numpy(values)[person]}"
        )
