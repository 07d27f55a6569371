import numpy as np
import pytest
import tensorflow as tf

from mpii_pose import skeleton
from mpii_pose.person import person_square
from mpii_pose.transforms import geometry

MODES = tuple(geometry.ALIGNMENTS)
EXACT_MODES = ("half_pixel", "udp")


def random_pose(rng, shape=()):
    keypoints = rng.uniform(0, 255, (*shape, 16, 2)).astype(np.float32)
    visibility = rng.integers(0, 3, (*shape, 16))
    keypoints[visibility == 0] = -1
    return keypoints, visibility


@pytest.mark.parametrize(
    ("mode", "pixel", "cell"),
    [
        ("half_pixel", 0.0, -0.375),
        ("half_pixel", 127.5, 31.5),
        ("udp", 255.0, 63.0),
        ("udp", 0.0, 0.0),
        ("legacy", 128.0, 32.0),
        ("legacy", 3.0, 0.75),
    ],
)
def test_crop_pixels_meet_heatmap_cells_as_published(mode, pixel, cell):
    alignment = geometry.Alignment.named(mode)

    cells = alignment.crop_to_heatmap(
        np.full((1, 2), pixel, np.float32), image_size=(256, 256), heatmap_size=(64, 64)
    )

    np.testing.assert_allclose(cells, cell, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("image_size", [(256, 256), (255, 193)])
@pytest.mark.parametrize("heatmap_size", [(64, 64), (63, 49), (300, 2)])
def test_heatmap_to_crop_undoes_crop_to_heatmap(mode, image_size, heatmap_size):
    alignment = geometry.Alignment.named(mode)
    sizes = {"image_size": image_size, "heatmap_size": heatmap_size}
    points = np.random.default_rng(0).uniform(-50, 300, (7, 16, 2)).astype(np.float32)

    cells = alignment.crop_to_heatmap(tf.constant(points), **sizes)
    back = alignment.heatmap_to_crop(cells, **sizes)

    assert back.dtype == tf.float32
    np.testing.assert_allclose(back, points, atol=2e-3)


def test_flip_error_is_zero_in_the_exact_modes_and_three_quarters_in_legacy():
    sizes = {"image_size": (256, 256), "heatmap_size": (64, 64)}
    errors = {
        name: alignment.flip_error(**sizes)
        for name, alignment in geometry.ALIGNMENTS.items()
    }

    assert errors["half_pixel"] == pytest.approx(0.0, abs=1e-5)
    assert errors["udp"] == pytest.approx(0.0, abs=1e-5)
    assert errors["legacy"] == pytest.approx(-0.75, abs=1e-5)


def test_unknown_alignment_lists_the_valid_ones():
    with pytest.raises(ValueError, match=r"half_pixel, udp, legacy, got 'pixel'"):
        geometry.Alignment.named("pixel")


def test_udp_refuses_a_grid_of_one_sample():
    with pytest.raises(ValueError, match=r"udp needs .* above 1, got \(1, 8\)"):
        geometry.Alignment.named("udp").spans((1, 8))


def test_person_square_is_hrnets():
    center, side = person_square(tf.constant([100.0, 50.0]), tf.constant(2.0))

    np.testing.assert_array_equal(center, [100.0, 80.0])
    assert float(side) == 500.0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("image_size", [(256, 256), (65, 193)])
@pytest.mark.parametrize("flip", [False, True])
def test_middle_of_the_square_lands_on_its_center(mode, image_size, flip):
    alignment = geometry.Alignment.named(mode)
    center = tf.constant([301.25, -20.5])

    matrix = geometry.crop_to_image_matrix(
        center,
        tf.constant(333.0),
        image_size=image_size,
        alignment=alignment,
        rotation=0.7,
        flip=flip,
    )

    middle = geometry.apply_affine(matrix, alignment.middle(image_size)[None])
    np.testing.assert_allclose(middle[0], center, atol=1e-3)


def test_half_pixel_crop_has_its_outer_edges_on_the_square():
    matrix = geometry.crop_to_image_matrix(
        tf.constant([99.5, 49.5]),
        tf.constant(100.0),
        image_size=(50, 50),
        alignment=geometry.Alignment.named("half_pixel"),
    )

    edges = geometry.apply_affine(matrix, tf.constant([[-0.5, -0.5], [49.5, 49.5]]))

    np.testing.assert_allclose(edges, [[49.5, -0.5], [149.5, 99.5]], atol=1e-4)


def test_legacy_crop_equals_hrnets_get_affine_transform():
    # Three points as in `lib/utils/transforms.py`: center, a point above, a third.
    center, side, angle = np.array([310.0, 222.0]), 430.0, np.deg2rad(25.0)
    up = np.array([np.sin(angle), -np.cos(angle)]) * side / 2
    right = np.array([-up[1], up[0]])

    matrix = geometry.crop_to_image_matrix(
        tf.constant(center, tf.float32),
        tf.constant(side),
        image_size=(256, 256),
        alignment=geometry.Alignment.named("legacy"),
        rotation=angle,
    )

    crop_points = tf.constant([[128.0, 128.0], [128.0, 0.0], [256.0, 128.0]])
    image_points = geometry.apply_affine(matrix, crop_points)
    expected = [center, center + up, center + right]
    np.testing.assert_allclose(image_points, expected, atol=1e-3)


def test_crop_that_is_not_square_shows_the_whole_square_with_square_pixels():
    matrix = geometry.crop_to_image_matrix(
        tf.constant([0.0, 0.0]),
        tf.constant(192.0),
        image_size=(256, 192),
        alignment=geometry.Alignment.named("half_pixel"),
    )

    np.testing.assert_allclose(matrix[:, :2], np.eye(2), atol=1e-6)


@pytest.mark.parametrize("mode", EXACT_MODES)
def test_flipped_crop_is_the_mirrored_crop(mode):
    options = {
        "center": tf.constant([301.25, 200.5]),
        "side": tf.constant(333.0),
        "image_size": (64, 48),
        "alignment": geometry.Alignment.named(mode),
        "rotation": 0.4,
    }
    points = np.random.default_rng(0).uniform(0, 48, (9, 2)).astype(np.float32)

    straight = geometry.crop_to_image_matrix(**options, flip=False)
    flipped = geometry.crop_to_image_matrix(**options, flip=True)

    np.testing.assert_allclose(
        geometry.apply_affine(flipped, points * [-1, 1] + [47, 0]),
        geometry.apply_affine(straight, points),
        atol=1e-3,
    )


def test_matrix_times_inverse_is_identity_in_batches_and_alone():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 256, (5, 16, 2)).astype(np.float32)
    matrices = geometry.crop_to_image_matrix(
        tf.constant(rng.uniform(0, 2000, (5, 2)), tf.float32),
        tf.constant(rng.uniform(20, 2000, 5), tf.float32),
        image_size=(256, 256),
        alignment=geometry.Alignment.named("half_pixel"),
        rotation=tf.constant(rng.uniform(-3, 3, 5), tf.float32),
        flip=tf.constant([True, False, True, False, True]),
    )

    moved = geometry.apply_affine(matrices, points)
    back = geometry.apply_affine(geometry.invert_affine(matrices), moved)
    alone = geometry.apply_affine(geometry.invert_affine(matrices[3]), moved[3])

    np.testing.assert_allclose(back, points, atol=0.01)
    np.testing.assert_allclose(alone, back[3], atol=1e-3)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_flip_twice_is_the_identity(shape):
    keypoints, visibility = random_pose(np.random.default_rng(1), shape)

    once = geometry.flip_keypoints(keypoints, visibility, width=256)
    twice = geometry.flip_keypoints(*once, width=256)

    np.testing.assert_allclose(twice[0], keypoints, atol=1e-4)
    np.testing.assert_array_equal(twice[1], visibility)


@pytest.mark.parametrize("width", [1, 8, 9])
def test_flipped_keypoint_stays_on_its_pixel(width):
    x, y = width // 3, 2
    image = np.zeros((4, width), np.float32)
    image[y, x] = 1.0
    keypoints = np.zeros((16, 2), np.float32)
    keypoints[skeleton.KEYPOINTS.index("left_wrist")] = x, y

    flipped, _ = geometry.flip_keypoints(keypoints, np.full(16, 2), width=width)

    wrist = np.asarray(flipped)[skeleton.KEYPOINTS.index("right_wrist")]
    assert image[:, ::-1][int(wrist[1]), int(wrist[0])] == 1.0


def test_flip_swaps_visibility_and_leaves_missing_keypoints_marked():
    keypoints = np.full((16, 2), 5.0, np.float32)
    visibility = np.full(16, int(skeleton.Visibility.VISIBLE), np.int8)
    left = skeleton.KEYPOINTS.index("left_knee")
    right = skeleton.KEYPOINTS.index("right_knee")
    keypoints[left], visibility[left] = -1, int(skeleton.Visibility.MISSING)

    flipped, flipped_visibility = geometry.flip_keypoints(
        keypoints, visibility, width=20
    )

    assert flipped_visibility.dtype == tf.int8
    assert int(flipped_visibility[right]) == skeleton.Visibility.MISSING
    assert int(flipped_visibility[left]) == skeleton.Visibility.VISIBLE
    np.testing.assert_array_equal(flipped[right], [-1, -1])
    np.testing.assert_array_equal(flipped[left], [14, 5])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_geometry_compiles(jit_compile):
    keypoints, visibility = random_pose(np.random.default_rng(2), (4,))
    alignment = geometry.Alignment.named("udp")

    def crop(keypoints, visibility, center, side):
        matrix = geometry.crop_to_image_matrix(
            center, side, image_size=(256, 256), alignment=alignment, rotation=0.3
        )
        keypoints = geometry.apply_affine(geometry.invert_affine(matrix), keypoints)
        return geometry.flip_keypoints(keypoints, visibility, width=256)

    arguments = (keypoints, visibility, np.ones((4, 2), "f4"), np.full(4, 99, "f4"))
    expected, _ = crop(*map(tf.constant, arguments))
    found, _ = tf.function(crop, jit_compile=jit_compile)(*arguments)

    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_unknown_visibility_counts_as_missing():
    keypoints = np.full((3, 2), 7, np.float32)

    found = geometry.mark_missing(keypoints, np.array([-1, 0, 1], np.int8))

    np.testing.assert_array_equal(found, [[-1, -1], [-1, -1], [7, 7]])
    assert found.dtype == np.float32
