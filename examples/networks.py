"""Networks from crops to keypoints, and a loss that teaches them in few steps.

A network takes images float [-1, 1] [B, H, W, 3] and returns heatmaps
[B, H / 4, W / 4, 16]. Each heatmap is a probability distribution over its cells: the
network says where one keypoint is, and cannot say that it is nowhere. `with_simcc`
makes it return SimCC's logits of x and of y instead. Networks and loss run on any
backend of Keras: a network is a `torch.nn.Module` on PyTorch's, and a pure function on
JAX's.
"""

from typing import Any

import keras
from keras import layers, ops

from mpii_pose.skeleton import NUM_KEYPOINTS

# The networks of `keras.applications` that take images in [-1, 1] and halve them five
# times.
BACKBONES = ("MobileNet", "MobileNetV2", "ResNet50V2", "ResNet101V2", "ResNet152V2")

# Of `mpii_pose.SimCCLoss`, which multiplies logits by it.
LOSS_BETA = 10.0


def unet(image_size: tuple[int, int] = (128, 128), *, width: int = 24) -> keras.Model:
    """Returns a small U-Net: down to 1/32 of the image's size and up again to 1/4.

    Args:
        image_size: Height and width of the crops, multiples of 32.
        width: Channels after the first layer; later ones have up to 4 times as many.
    """
    images = keras.Input((*image_size, 3))
    x = _convolve(images, width, kernel=5, stride=2)
    x = _convolve(x, 2 * width, stride=2)
    skipped = []
    for factor in (2, 3, 4):
        x = _convolve(x, factor * width)
        skipped.append(x)
        x = _convolve(x, factor * width, stride=2)
    x = _convolve(x, 4 * width)
    for factor in (4, 3, 2):
        x = layers.UpSampling2D(interpolation="bilinear")(x)
        x = layers.Concatenate()([x, skipped.pop()])
        x = _convolve(x, factor * width)
    return keras.Model(images, _heatmaps(x), name="unet")


def on_backbone(
    name: str,
    image_size: tuple[int, int] = (256, 256),
    *,
    weights: str | None = None,
) -> keras.Model:
    """Returns a classifier without its head, and three transposed convolutions.

    That is the design of "Simple Baselines" (Xiao et al., arXiv 1804.06208).

    Args:
        name: One of `BACKBONES`.
        image_size: Height and width of the crops, multiples of 32.
        weights: None to begin at random, "imagenet" (downloaded), or a path.
    """
    if name not in BACKBONES:
        raise ValueError(f"name must be one of {', '.join(BACKBONES)}, got {name!r}")
    backbone = getattr(keras.applications, name)(
        include_top=False, weights=weights, input_shape=(*image_size, 3)
    )
    x = backbone.output
    for _ in range(3):
        x = layers.Conv2DTranspose(256, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(backbone.input, _heatmaps(x), name=name.lower())


def with_simcc(network: keras.Model, bins: tuple[int, int]) -> keras.Model:
    """Returns a network with SimCC's two outputs in place of its heatmaps.

    Args:
        network: From images to heatmaps.
        bins: Of y and of x, `CropSpec.simcc_bins`.

    Returns:
        From images to logits of x and of y, [B, 16, bins] each.
    """
    maps = network.output
    outputs = [_simcc(maps, 1, bins[1], "simcc_x"), _simcc(maps, 2, bins[0], "simcc_y")]
    return keras.Model(network.input, outputs, name=network.name)


class HeatmapDivergence(keras.losses.Loss):
    """Kullback-Leibler divergence of predicted heatmaps from the true ones.

    Both are read as distributions over the cells of a map; 0 is a perfect prediction.
    An empty true map, of a missing keypoint, costs nothing. Weights [B, 16] count
    keypoint by keypoint.
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the divergence of each map [B, 16] of [B, h, w, 16]."""
        y_true = ops.cast(y_true, y_pred.dtype)
        total = ops.sum(y_true, axis=(1, 2), keepdims=True)
        truth = ops.divide_no_nan(y_true, total)
        floor = keras.backend.epsilon()
        ratio = ops.maximum(truth, floor) / ops.maximum(y_pred, floor)
        return ops.sum(truth * ops.log(ratio), axis=(1, 2))


def _convolve(
    x: keras.KerasTensor, channels: int, *, kernel: int = 3, stride: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(
        x
    )
    # Statistics that follow fast enough for trainings of a few hundred steps.
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def _heatmaps(x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.Conv2D(NUM_KEYPOINTS, 1)(x)
    # In float32 also under mixed precision: a cell's share of a map may be 1e-6.
    return layers.Softmax(axis=(1, 2), dtype="float32", name="heatmaps")(x)


def _simcc(
    maps: keras.KerasTensor, axis: int, bins: int, name: str
) -> keras.KerasTensor:
    """Returns logits of x or y: of maps' sums along an axis, interpolated to the bins.

    SimCC's own head is a dense layer from all cells to the bins. It does without maps,
    and needs many more steps until it finds anything.
    """
    sums = ops.sum(maps, axis=axis, keepdims=True)
    logits = ops.log(sums + keras.backend.epsilon()) / LOSS_BETA
    finer = tuple(bins // n if n > 1 else 1 for n in sums.shape[1:3])
    logits = layers.UpSampling2D(finer, interpolation="bilinear", dtype="float32")(
        logits
    )
    logits = layers.Reshape((bins, NUM_KEYPOINTS), dtype="float32")(logits)
    return layers.Permute((2, 1), dtype="float32", name=name)(logits)
