import numpy as np
import pytest


@pytest.fixture
def networks():
    import networks

    return networks


def heatmaps(seed, *, batch=2, size=4):
    values = np.random.default_rng(seed).uniform(0.01, 1.0, (batch, size, size, 16))
    return values.astype(np.float32)


def distributions(maps):
    return maps / maps.sum(axis=(1, 2), keepdims=True)


def test_divergence_matches_its_definition(networks):
    truth, predicted = heatmaps(1), distributions(heatmaps(2))

    loss = networks.HeatmapDivergence(reduction=None)(truth, predicted)

    p = distributions(truth)
    expected = [
        [
            sum(p[b, y, x, k] * np.log(p[b, y, x, k] / predicted[b, y, x, k])
                for y in range(4) for x in range(4))
            for k in range(16)
        ]
        for b in range(2)
    ]  # fmt: skip
    np.testing.assert_allclose(loss, expected, rtol=1e-4, atol=1e-6)


def test_divergence_is_0_for_the_truth_of_any_height(networks):
    truth = heatmaps(1)

    loss = networks.HeatmapDivergence(reduction=None)(7 * truth, distributions(truth))

    np.testing.assert_allclose(loss, np.zeros((2, 16)), atol=1e-6)


def test_divergence_of_an_empty_true_map_is_0(networks):
    truth = heatmaps(1)
    truth[..., 3] = 0

    loss = networks.HeatmapDivergence(reduction=None)(truth, heatmaps(2))

    assert np.all(loss.numpy()[:, 3] == 0)
    assert np.all(np.isfinite(loss))


def test_divergence_is_finite_where_nothing_was_predicted(networks):
    loss = networks.HeatmapDivergence()(heatmaps(1), np.zeros((2, 4, 4, 16), "float32"))

    assert np.isfinite(loss)
    assert loss > 1


def test_keypoints_of_weight_0_do_not_count(networks):
    truth, predicted = heatmaps(1), heatmaps(2)
    weights = np.ones((2, 16), np.float32)
    weights[:, 5] = 0
    changed = predicted.copy()
    changed[..., 5] = 0.5

    loss = networks.HeatmapDivergence()

    assert loss(truth, predicted, weights) == loss(truth, changed, weights)


@pytest.mark.parametrize("size", [(32, 64), (64, 32)])
def test_unet_returns_distributions_at_a_quarter_of_the_size(networks, size):
    images = np.random.default_rng(3).uniform(-1, 1, (2, *size, 3))

    maps = networks.unet(size, width=4)(images).numpy()

    assert maps.shape == (2, size[0] // 4, size[1] // 4, 16)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_backbone_returns_distributions_at_a_quarter_of_the_size(networks):
    images = np.zeros((1, 64, 96, 3), np.float32)

    maps = networks.on_backbone("MobileNetV2", (64, 96))(images).numpy()

    assert maps.shape == (1, 16, 24, 16)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_backbones_that_take_other_images_are_refused(networks):
    with pytest.raises(ValueError, match=r"one of MobileNet.*got 'ResNet50'"):
        networks.on_backbone("ResNet50")
