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
    truth[..., 3] = 0
    predicted[..., 4] = 0

    loss = networks.HeatmapDivergence(reduction=None)(truth, predicted)

    assert np.isfinite(loss).all()
    assert (loss.numpy()[:, 3] == 0).all()  # An empty true map.
    assert (loss.numpy()[:, 4] > 1).all()  # Nothing predicted.
    p, others = distributions(truth[..., 5:]), predicted[..., 5:]
    expected = (p * np.log(p / others)).sum(axis=(1, 2))
    np.testing.assert_allclose(loss.numpy()[:, 5:], expected, rtol=1e-4, atol=1e-6)
    same = networks.HeatmapDivergence(reduction=None)(7 * truth[..., 5:], p)
    np.testing.assert_allclose(same, np.zeros((2, 11)), atol=1e-6)


def test_keypoints_of_weight_0_do_not_count(networks):
    truth, predicted = heatmaps(1), heatmaps(2)
    weights = np.ones((2, 16), np.float32)
    weights[:, 5] = 0
    changed = predicted.copy()
    changed[..., 5] = 0.5

    loss = networks.HeatmapDivergence()

    assert loss(truth, predicted, weights) == loss(truth, changed, weights)


@pytest.mark.parametrize("size", [(32, 64), (64, 32), (64, 96)])
def test_networks_return_distributions_at_a_quarter_of_the_size(networks, size):
    images = np.random.default_rng(3).uniform(-1, 1, (2, *size, 3))
    network = networks.unet(size, width=4)
    if size == (64, 96):
        network = networks.on_backbone("MobileNetV2", size)

    maps = network(images).numpy()

    assert maps.shape == (2, size[0] // 4, size[1] // 4, 16)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_a_head_of_simcc_returns_logits_of_x_and_of_y(networks):
    images = np.zeros((2, 32, 64, 3), np.float32)

    x, y = networks.with_simcc(networks.unet((32, 64), width=4), (96, 192))(images)

    assert (x.shape, y.shape) == ((2, 16, 192), (2, 16, 96))


def test_backbones_that_take_other_images_are_refused(networks):
    with pytest.raises(ValueError, match=r"one of MobileNet.*got 'ResNet50'"):
        networks.on_backbone("ResNet50")
