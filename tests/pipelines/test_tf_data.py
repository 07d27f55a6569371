import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose.keras.heatmaps import HeatmapLoss
from mpii_pose.pipelines import tf_data as pipeline
from mpii_pose.pipelines.tf_data import input_pipeline
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.pose_transform import PoseTransform
from mpii_pose.transforms.preprocessor import Preprocessor

SMALL = {"image_size": (32, 32), "heatmap_size": (8, 8), "image_dtype": "uint8"}


@pytest.fixture(scope="module")
def builder(drawn_release, tmp_path_factory):
    """A dataset of drawn people, prepared."""
    builder = mpii_pose.Builder(data_dir=tmp_path_factory.mktemp("data"))
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=drawn_release)
    )
    return builder


def count(builder, split):
    return builder.info.splits[split].num_examples


def indices(batches):
    return np.concatenate([batch["index"] for batch in batches])


def same(one, other):
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_evaluation_gives_every_example_once_and_keeps_the_rest(builder):
    batches = list(
        input_pipeline(
            "train",
            7,
            dataset=builder,
            training=False,
            transform=PoseTransform(**SMALL),
        )
    )

    examples = count(builder, "train")
    assert sorted(indices(batches)) == list(range(examples))
    assert batches[0]["image"].shape == (7, 32, 32, 3)
    assert len(batches[-1]["index"]) == (examples % 7 or 7)


def test_training_goes_on_without_end_in_full_shuffled_batches(builder):
    examples = count(builder, "train")
    dataset = input_pipeline(
        "train", 4, dataset=builder, transform=PoseTransform(**SMALL)
    )

    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.element_spec["image"].shape == (4, 32, 32, 3)
    found = indices(dataset.take(2 * examples // 4))
    assert sorted(found[:examples]) == list(range(examples))
    assert list(found[:examples]) != list(found[examples : 2 * examples])


def test_number_of_epochs_ends_the_training(builder):
    dataset = input_pipeline(
        "train[:10]",
        4,
        dataset=builder,
        transform=PoseTransform(**SMALL),
        num_epochs=3,
    )

    assert int(dataset.cardinality()) == 3 * 10 // 4
    assert len(indices(dataset)) == 28


def test_default_transform_augments_in_training_only(builder, monkeypatch):
    made = []

    def recorded(**options):
        made.append(options)
        return PoseTransform(**SMALL, **options)

    monkeypatch.setattr(pipeline, "PoseTransform", recorded)
    input_pipeline("train[:50%]", 2, dataset=builder, seed=3)
    input_pipeline("validation", 2, dataset=builder)

    assert made == [
        {"augmentation": Augmentation.hrnet(), "seed": 3},
        {"augmentation": None, "seed": None},
    ]


def test_same_seed_gives_the_same_batches_and_epochs_differ(builder):
    examples = count(builder, "train")
    transform = PoseTransform(**SMALL, augmentation=Augmentation.hrnet(), seed=1)

    def epochs(seed):
        dataset = input_pipeline(
            "train", examples, dataset=builder, transform=transform, seed=seed
        )
        return list(dataset.take(2))

    first, second = epochs(seed=5)
    again, _ = epochs(seed=5)
    other, _ = epochs(seed=6)

    assert same(first, again)
    assert list(first["index"]) != list(other["index"])
    row, later_row = (list(batch["index"]).index(0) for batch in (first, second))
    assert not np.array_equal(
        first["crop_to_image"][row], second["crop_to_image"][later_row]
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_share_the_examples(builder, workers):
    batches = [
        list(
            input_pipeline(
                "train",
                6,
                dataset=builder,
                training=False,
                transform=PoseTransform(**SMALL),
                input_context=tf.distribute.InputContext(
                    num_input_pipelines=workers,
                    input_pipeline_id=worker,
                    num_replicas_in_sync=workers,
                ),
            )
        )
        for worker in range(workers)
    ]

    found = np.concatenate([indices(of_worker) for of_worker in batches])
    assert sorted(found) == list(range(count(builder, "train")))
    assert all(len(of_worker[0]["index"]) == 6 // workers for of_worker in batches)


def test_strategy_distributes_the_pipeline(builder):
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    dataset = strategy.distribute_datasets_from_function(
        lambda context: input_pipeline(
            "train",
            4,
            dataset=builder,
            transform=PoseTransform(**SMALL),
            input_context=context,
        )
    )

    batch = next(iter(dataset))

    assert strategy.experimental_local_results(batch)[0]["image"].shape[0] == 4


def test_keras_trains_from_it(builder):
    transform = PoseTransform(image_size=(32, 32), heatmap_size=(8, 8)).supervised
    dataset = input_pipeline("train", 4, dataset=builder, transform=transform)
    model = tf.keras.Sequential([tf.keras.layers.Conv2D(16, 4, strides=4)])
    model.compile(loss=HeatmapLoss())

    history = model.fit(dataset, steps_per_epoch=2, verbose=0)

    assert np.isfinite(history.history["loss"][0])


def test_preprocessor_works_as_the_transform(builder):
    dataset = input_pipeline("validation", 2, dataset=builder, transform=Preprocessor())

    image, heatmaps = next(iter(dataset))

    assert image.shape == (2, 256, 256, 3)
    assert heatmaps.shape == (2, 64, 64, 16)


def test_dataset_is_found_by_name(builder):
    dataset = input_pipeline(
        "validation",
        1,
        data_dir=builder._data_dir_root,
        transform=PoseTransform(**SMALL),
    )

    assert len(list(dataset)) == count(builder, "validation")


@pytest.mark.parametrize("decoded", [True, False])
def test_plain_tfds_load_can_be_mapped_with_or_without_decoders(builder, decoded):
    decoders = None if decoded else {"image": tfds.decode.SkipDecoding()}
    dataset = builder.as_dataset(split="train", decoders=decoders)

    features = next(iter(dataset.map(PoseTransform(**SMALL))))

    assert features["image"].shape == (32, 32, 3)


def test_epochs_of_unknown_length_are_refused():
    filtered = tf.data.Dataset.range(3).filter(lambda x: x > 0)

    with pytest.raises(ValueError, match=r"must be known .* got cardinality -2"):
        pipeline.number_epochs(filtered)


def test_batch_size_of_zero_is_refused(builder):
    with pytest.raises(ValueError, match="batch_size must be 1 or more, got 0"):
        input_pipeline("train", 0, dataset=builder)
