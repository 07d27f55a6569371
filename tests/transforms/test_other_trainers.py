"""What HRNet's PyTorch code and Hugging Face's models take."""

import numpy as np
import pytest

import mpii_pose
from mpii_pose.transforms import other_trainers
from tests import builds
from tests.transforms import scenes

SIZES = {"image_size": (64, 48), "heatmap_size": (16, 12)}


def people(count=3):
    return [
        scenes.encoded(scenes.example(scenes.noise(120, 90, seed=k), index=k))
        for k in range(count)
    ]


@pytest.mark.parametrize(("dtype", "tolerance"), [("uint8", 0.01), ("float32", 1e-5)])
def test_images_are_normalized_as_imagenets(dtype, tolerance):
    example = people()[0]
    image = mpii_pose.PoseTransform(**SIZES)(example)["image"]
    expected = ((image + 1) / 2 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    transform = mpii_pose.PoseTransform(**SIZES, image_dtype=dtype)

    found = other_trainers.imagenet_image(transform(example)["image"])

    assert (found.dtype, found.shape) == (np.float32, (3, 64, 48))
    assert found.flags.c_contiguous
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=tolerance)


def test_hrnet_takes_input_target_weight_and_meta():
    transform = mpii_pose.PoseTransform(**SIZES, alignment="legacy")
    example = people()[1]
    features = transform(example)
    levels = mpii_pose.PoseTransform(transform.spec, image_dtype="uint8")(example)

    image, target, weight, meta = transform.hrnet(example)

    expected = other_trainers.imagenet_image(levels["image"])
    np.testing.assert_array_equal(image, expected)
    expected = other_trainers.imagenet_image(features["image"])
    np.testing.assert_allclose(image, expected, atol=1e-6)
    for k in range(16):
        np.testing.assert_array_equal(target[k], features["heatmaps"][..., k])
    assert target.flags.c_contiguous
    np.testing.assert_array_equal(weight[:, 0], features["weights"])
    np.testing.assert_array_equal(meta["joints"], features["keypoints"])
    np.testing.assert_array_equal(meta["joints_vis"], np.ones((16, 1)))
    assert (meta["index"], meta["score"], meta["image"]) == (1, 1, "drawn_1.jpg")


@pytest.fixture(scope="module")
def built(drawn_release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return builds.build(folder, drawn_release, file_format="array_record")


def final_predictions(heatmaps, center, scale):
    """HRNet's: the peak, moved a quarter of a cell to its higher neighbours."""
    height, width = heatmaps.shape[1:]
    cells = np.zeros((len(heatmaps), 2))
    for cell, values in zip(cells, heatmaps, strict=True):
        y, x = np.unravel_index(values.argmax(), values.shape)
        cell[:] = x, y
        if 1 < x < width - 1 and 1 < y < height - 1:
            cell[0] += 0.25 * np.sign(values[y, x + 1] - values[y, x - 1])
            cell[1] += 0.25 * np.sign(values[y + 1, x] - values[y - 1, x])
    # The affine map without rotation: one factor, that of the width.
    return center + (cells - (width / 2, height / 2)) * (200 * scale[0] / width)


def validate(source):
    """HRNet's loop: predictions and image names as the loader gives them."""
    data = pytest.importorskip("torch.utils.data")
    predictions, names = [], []
    for _, target, _, meta in data.DataLoader(source, 8):
        batch = (target.numpy(), meta["center"].numpy(), meta["scale"].numpy())
        predictions += [final_predictions(*each) for each in zip(*batch, strict=True)]
        names += meta["image"]
    return np.array(predictions), names


@pytest.mark.parametrize(
    ("alignment", "width"), [("half_pixel", 64), ("udp", 48), ("legacy", 64)]
)
def test_hrnets_validation_of_true_heatmaps_scores_100(
    alignment, width, built, drawn_release
):
    sizes = {"image_size": (256, 4 * width), "heatmap_size": (64, width)}
    transform = mpii_pose.PoseTransform(alignment=alignment, **sizes).hrnet
    source = mpii_pose.data_source("train", dataset=built, transform=transform)
    people = mpii_pose.read_people(drawn_release)["train"]
    names = ("keypoints", "visibility", "head_size")
    labels = [[getattr(person, name) for person in people] for name in names]

    found, images = validate(source.in_release_order())

    assert images == [person.image_name for person in people]
    assert mpii_pose.pckh(found, *labels).total == 100
    assert mpii_pose.pckh(found, *labels, threshold=0.1).total > 99.8
    stored, _ = validate(source)
    assert mpii_pose.pckh(stored, *labels).total < 50


def test_changed_colors_are_normalized_as_they_are():
    colors = mpii_pose.Augmentation(channel_gain=0.3, brightness=0.2)
    transform = mpii_pose.PoseTransform(**SIZES, augmentation=colors, seed=2)
    example = people()[1]
    features = transform(example)

    image, *_ = transform.hrnet(example)

    expected = other_trainers.imagenet_image(features["image"])
    np.testing.assert_array_equal(image, expected)
    plain, *_ = mpii_pose.PoseTransform(**SIZES).hrnet(example)
    assert np.abs(image - plain).max() > 0.1


def test_hugging_face_takes_pixel_values_labels_and_weights():
    transform = mpii_pose.PoseTransform(**SIZES)
    example = people()[0]
    image, target, weight, _ = transform.hrnet(example)

    found = transform.hugging_face(example)

    assert list(found) == ["pixel_values", "labels", "target_weights"]
    np.testing.assert_array_equal(found["pixel_values"], image)
    np.testing.assert_array_equal(found["labels"], target)
    np.testing.assert_array_equal(found["target_weights"], weight[:, 0])


def test_targets_of_simcc_are_a_pair():
    transform = mpii_pose.PoseTransform(**SIZES, targets="simcc")
    example = people()[0]
    features = transform(example)

    found = transform.hrnet(example)[1], transform.hugging_face(example)["labels"]

    for pair in found:
        for name, target in zip(("simcc_x", "simcc_y"), pair, strict=True):
            np.testing.assert_array_equal(target, features[name])


@pytest.mark.parametrize("method", ["hrnet", "hugging_face"])
def test_without_heatmaps_there_is_nothing_to_train_on(method):
    transform = mpii_pose.PoseTransform(heatmap_size=None)

    with pytest.raises(ValueError, match=f"{method} needs a heatmap_size"):
        getattr(transform, method)(people()[0])


@pytest.mark.slow
def test_batch_trains_a_model_of_hugging_face(monkeypatch):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transform = mpii_pose.PoseTransform(**SIZES)
    dataset = [transform.hugging_face(example) for example in people(4)]
    batch = torch.utils.data.default_collate(dataset)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=SIZES["image_size"],
        patch_size=(16, 16),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        mlp_ratio=2,
        out_indices=[1],
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, num_labels=16, use_simple_decoder=False
    )
    torch.manual_seed(0)
    model = transformers.VitPoseForPoseEstimation(config).train()

    weights = batch["target_weights"][..., None]
    optimizer = torch.optim.Adam(model.parameters(), 0.003)
    losses = []
    for _ in range(30):
        found = model(pixel_values=batch["pixel_values"]).heatmaps
        assert found.shape == batch["labels"].shape
        # HRNet's JointsMSELoss.
        error = (found - batch["labels"]).flatten(2) * weights
        loss = 0.5 * error.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.7 * losses[0]
    # The network's own preparation of an image: the same mean and deviation.
    processor = transformers.VitPoseImageProcessor()
    np.testing.assert_allclose(processor.image_mean, other_trainers.IMAGENET_MEAN)
    np.testing.assert_allclose(processor.image_std, other_trainers.IMAGENET_STD)
