import numpy as np
import pytest
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.transforms.decoding import METHODS, decode_heatmaps, flip_test
from mpii_pose.transforms.geometry import ALIGNMENTS, Alignment
from mpii_pose.transforms.spec import CropSpec
from tests.golden import plain
from tests.transforms.gaussians import gaussians, random_cells

IMAGE_SIZE, SIZE = (256, 256), (64, 64)
EXACT = ("half_pixel", "udp")


def in_crop(cells, size=SIZE, alignment="half_pixel"):
    return ALIGNMENTS[alignment].heatmap_to_crop(
        cells, image_size=IMAGE_SIZE, heatmap_size=size
    )


def decode_cells(maps, **options):
    """Decodes to heatmap cells."""
    size = maps.shape[-3:-1]
    keypoints, _ = decode_heatmaps(maps, image_size=size, **options)
    return np.asarray(keypoints)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize(
    ("method", "error"), [("argmax", 0.5), ("quarter", 0.25), ("dark", 1e-4)]
)
def test_decoding_finds_encoded_positions(method, error, alignment):
    cells = random_cells()
    expected = in_crop(cells, alignment=alignment)

    keypoints, _ = decode_heatmaps(
        gaussians(cells), method=method, alignment=alignment, image_size=IMAGE_SIZE
    )

    pixels_per_cell = 256 / 64 if alignment != "udp" else 255 / 63
    assert np.abs(keypoints - expected).max() <= (error + 1e-4) * pixels_per_cell


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(64, 64), (33, 48), (96, 72), (7, 7)])
def test_peak_in_the_middle_of_a_cell_is_found_in_maps_of_any_size(method, size):
    y, x = size[0] // 2, size[1] // 2
    cells = np.tile(np.float32([x, y]), (16, 1))
    maps = gaussians(cells, size, sigma=1.0)

    np.testing.assert_allclose(decode_cells(maps, method=method), cells, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
@pytest.mark.parametrize(
    "cell", [(0.3, 30.2), (30.4, 62.8), (0.0, 0.0), (1.4, 61.7), (-1.2, 20.3)]
)
def test_dark_is_exact_at_the_border_and_just_beyond(cell, sigma):
    maps = gaussians(np.tile(np.float32(cell), (16, 1)))

    np.testing.assert_allclose(
        decode_cells(maps, sigma=sigma), np.tile(cell, (16, 1)), atol=0.02
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (3, 3), (9, 2)])
def test_maps_of_a_few_cells_give_their_highest(method, size):
    maps = np.zeros((*size, 16), np.float32)
    maps[-1, -1] = 1.0

    cells = decode_cells(maps, method=method)

    corner = np.tile([size[1] - 1, size[0] - 1], (16, 1))
    np.testing.assert_allclose(cells, corner, atol=0.5)


@pytest.mark.parametrize(
    ("method", "margin"), [("argmax", 0.0), ("quarter", 0.0), ("dark", 12.0)]
)
def test_noisy_maps_are_decoded_as_by_the_plain_formulas(method, margin):
    maps = gaussians(random_cells((2, 16), margin=margin))
    noise = np.random.default_rng(6).uniform(0, 0.05, maps.shape)
    maps = (maps + noise).astype(np.float32)

    cells = decode_cells(maps, method=method)

    for n, k in np.ndindex(2, 16):
        expected = plain.decode(maps[n, :, :, k].astype(np.float64), method=method)
        np.testing.assert_allclose(cells[n, k], expected, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_the_peaks_and_positions_do_not_depend_on_them(method):
    maps = gaussians(random_cells())
    peaks = np.geomspace(1e-3, 12.0, 16)

    _, scores = decode_heatmaps(
        gaussians(np.full((16, 2), 30.0)) * np.float32(peaks), method=method
    )

    np.testing.assert_allclose(scores, peaks, rtol=1e-5)
    low, high = (decode_cells(maps * peak, method=method) for peak in (1e-3, 12.0))
    np.testing.assert_allclose(low, high, atol=2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan])
def test_map_without_a_peak_has_no_keypoint(method, value):
    maps = gaussians(np.full((2, 16, 2), 30.0))
    maps[1, ..., 3], maps[0, 5, 5, 7] = value, np.nan  # One NaN spoils that map.

    keypoints, scores = decode_heatmaps(maps, method=method)

    assert np.argwhere(np.isnan(keypoints[..., 0])).tolist() == [[0, 7], [1, 3]]
    np.testing.assert_equal(np.asarray(scores)[1, 3], value)
    assert np.isnan(scores[0, 7])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fill", [1.0, np.inf])
def test_flat_and_infinite_maps_give_their_first_cell(method, fill):
    keypoints, scores = decode_heatmaps(np.full((64, 64, 16), fill), method=method)

    np.testing.assert_array_equal(keypoints, np.full((16, 2), 1.5))
    assert (np.asarray(scores) == fill).all()


def test_noise_moves_dark_by_two_cells_at_most():
    maps = np.random.default_rng(7).normal(size=(8, 20, 20, 16)).astype(np.float32)

    moved = np.abs(decode_cells(maps) - decode_cells(maps, method="argmax"))

    assert 1.0 < moved.max() <= 2.0


@pytest.mark.parametrize("shape", [(5, 16), (2, 3, 16), (16,)])
def test_batches_of_any_shape_and_unknown_size_are_decoded(shape):
    maps = gaussians(random_cells(shape))

    keypoints, scores = decode_heatmaps(maps)

    assert keypoints.shape == (*shape, 2)
    assert scores.shape == shape
    dataset = tf.data.Dataset.from_tensor_slices(maps.reshape(-1, *maps.shape[-3:]))
    batched = dataset.batch(2).map(decode_heatmaps)
    assert batched.element_spec[0].shape == (None, 16, 2)
    in_batches = np.concatenate([keypoints for keypoints, _ in batched])
    np.testing.assert_allclose(in_batches, keypoints.reshape(-1, 16, 2), atol=1e-4)


def test_half_precision_is_accepted():
    maps = gaussians(random_cells())

    keypoints, scores = decode_heatmaps(tf.cast(maps, tf.bfloat16))

    assert keypoints.dtype == scores.dtype == tf.float32
    assert np.abs(keypoints - decode_heatmaps(maps)[0]).max() < 2.0


def test_mixed_precision_of_torch_moves_no_keypoint():
    torch = pytest.importorskip("torch")
    maps = gaussians(random_cells())

    with torch.autocast("cpu", torch.bfloat16):
        keypoints, _ = decode_heatmaps(torch.tensor(maps))

    np.testing.assert_allclose(keypoints, decode_heatmaps(maps)[0], atol=0.01)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 4, 16), {"method": "mean"}, "method must be one of argmax, .* got 'mean'"),
        ((4, 4, 16), {"sigma": -1.0}, r"sigma must be 0 or more cells, got -1.0"),
        ((4, 4, 16), {"alignment": "corner"}, "alignment must be one of .* 'corner'"),
        ((4, 16), {}, r"heatmaps must have shape .* got \("),
        ((0, 4, 16), {}, r"heatmaps must have shape .* got \("),
        ((2, 16, 64, 64), {}, r"shape \[..., h, w, 16\], with the keypoi"),
        ((16, 64, 64), {}, r"shape \[..., h, w, 16\], with the keypoi"),
        ((2, 64, 64, 1), {"spec": CropSpec()}, r"16\], .* 'mpii' last, got \(2, 64"),
        ((2, 32, 64, 16), {"spec": CropSpec()}, r"size \(64, 64\) of the .* got \(32"),
        ((2, 64, 64, 16), {"heatmap_size": (32, 32)}, r"heatmap_size \(32, 32\)"),
        ((1, 64, 48, 16), {}, r"\(64, 48\).*\(256, 256\).*pass spec, or im"),
    ],
)
def test_maps_or_options_that_cannot_be_are_refused(shape, options, message):
    with pytest.raises(ValueError, match=message):
        decode_heatmaps(np.ones(shape, np.float32), **options)


def test_maps_and_images_of_unknown_size_are_refused():
    sizes = tf.TensorSpec((1, None, None, 16))
    for name, function in (
        ("heatmaps", decode_heatmaps),
        ("images", lambda images: flip_test(lambda x: tf.zeros((1, 4, 4, 16)), images)),
    ):
        unknown = tf.function(function, input_signature=[sizes])
        with pytest.raises(ValueError, match=rf"{name} .* static height and width"):
            unknown(tf.zeros((1, 4, 4, 16)))


@pytest.mark.parametrize("image_size", [(256, 192), (256, 256)])
def test_given_image_size_may_be_of_another_shape(image_size):
    maps = np.ones((1, 64, 48, 16), np.float32)

    assert decode_heatmaps(maps, image_size=image_size)[0].shape == (1, 16, 2)


@pytest.mark.parametrize("count", [1, 17, 64])
def test_maps_of_other_keypoints_are_decoded_without_a_spec(count):
    cells = random_cells((2, count))

    keypoints, _ = decode_heatmaps(gaussians(cells))

    np.testing.assert_allclose(keypoints, in_crop(cells), atol=0.01)


def perfect_model(images, keypoints, alignment, size):
    """Returns the right heatmaps of `images` and of their mirror images."""
    height, width = images.shape[-3:-1]
    mirrored = np.float32(keypoints * [-1, 1] + [width - 1, 0])
    mirrored = mirrored[..., skeleton.MPII.mirrored, :]

    def predict(batch):
        known = np.array_equal(batch, images)
        assert known or np.array_equal(batch, images[..., ::-1, :])
        cells = Alignment.named(alignment).crop_to_heatmap(
            keypoints if known else mirrored,
            image_size=(height, width),
            heatmap_size=size,
        )
        return gaussians(cells, size)

    return predict


@pytest.mark.parametrize("alignment", EXACT)
@pytest.mark.parametrize(
    ("image_size", "size"),
    [((256, 256), (64, 64)), ((96, 64), (33, 17)), ((32, 32), (32, 32))],
)
def test_flip_test_of_a_perfect_model_is_its_prediction(alignment, image_size, size):
    random = np.random.default_rng(9)
    images = random.uniform(size=(2, *image_size, 3)).astype(np.float32)
    keypoints = random.uniform(0, image_size[1], (2, 16, 2)).astype(np.float32)
    model = perfect_model(images, keypoints, alignment, size)

    heatmaps = flip_test(model, images, alignment=alignment)

    np.testing.assert_allclose(heatmaps, model(images), atol=1e-4)


def test_flip_test_of_the_legacy_grid_ends_an_eighth_of_a_cell_to_the_right():
    random = np.random.default_rng(10)
    images = random.uniform(size=(2, *IMAGE_SIZE, 3)).astype(np.float32)
    keypoints = random.uniform(40, 200, (2, 16, 2)).astype(np.float32)
    model = perfect_model(images, keypoints, "legacy", SIZE)

    heatmaps = flip_test(model, images, alignment="legacy")

    # The mean of a Gaussian and the same moved by 0.25 cells, of 4 pixels each.
    found, _ = decode_heatmaps(heatmaps, alignment="legacy")
    np.testing.assert_allclose(
        found - keypoints, np.broadcast_to([0.125 * 4, 0.0], keypoints.shape), atol=0.05
    )


def test_smoothing_is_by_the_sigma_of_the_spec_unless_it_is_given():
    maps = gaussians(random_cells()) + np.float32(0.1) * gaussians(random_cells(seed=1))
    spec = CropSpec(sigma=3.0)

    found, _ = decode_heatmaps(maps, spec=spec)
    as_they_are, _ = decode_heatmaps(maps, spec=spec, sigma=0)

    np.testing.assert_array_equal(found, decode_heatmaps(maps, sigma=3.0)[0])
    np.testing.assert_array_equal(as_they_are, decode_heatmaps(maps, sigma=0.0)[0])
    assert np.abs(found - as_they_are).max() > 0.01


@pytest.mark.parametrize("method", METHODS)
def test_cells_of_minus_infinity_spoil_nothing(method):
    maps = gaussians(random_cells())
    expected = decode_cells(maps, method=method)

    maps[:, 0, 0], maps[:, -1] = -np.inf, -np.inf

    np.testing.assert_allclose(decode_cells(maps, method=method), expected, atol=1e-3)


def test_flip_test_of_other_sizes_or_keypoints_than_the_specs_is_refused():
    maps = np.zeros((1, 4, 4, 16), np.float32)
    images = np.zeros((1, 16, 16, 3), np.float32)

    with pytest.raises(ValueError, match=r"image_size \(256, 256\) .* got \(16, 16\)"):
        flip_test(lambda x: maps, images, spec=CropSpec())
    with pytest.raises(ValueError, match=r"w, 16\]"):
        flip_test(lambda x: maps[..., :5], images)
    with pytest.raises(ValueError, match=r"heatmap_size \(64, 64\)"):
        flip_test(lambda x: maps, images, spec=CropSpec(image_size=(16, 16)))


def test_sigma_of_zero_fits_the_cells_as_they_are():
    maps = np.zeros((1, 9, 9, 16), np.float32)
    maps[:, 3:6, 3:6] = 0.2
    maps[:, 4, 3:6] = np.float32([0.5, 1.0, 0.8])[:, np.newaxis]

    found = decode_cells(maps, sigma=0.0)

    left, middle, right = np.log([0.5, 1.0, 0.8])
    x = 4 + (left - right) / (2 * (left + right - 2 * middle))
    np.testing.assert_allclose(found[..., 0], x, atol=1e-5)
    np.testing.assert_allclose(found[..., 1], 4, atol=1e-5)
