import dataclasses
import gc
import pathlib
import socket
import time

import keras
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
from tests import builds

SERVICE = tf.data.experimental.service
SMALL = {"image_size": (32, 32), "heatmap_size": (8, 8), "image_dtype": "uint8"}
RANDOM = PoseTransform(**SMALL, augmentation=Augmentation.hrnet())
FIRST_HALF = tfds.core.ReadInstruction("train", to=50, unit="%")


def prepared(release, folder, file_format):
    return builds.build(folder, release, file_format=file_format, num_shards=4)


@pytest.fixture(scope="module")
def builder(drawn_release, tmp_path_factory):
    """A dataset of drawn people, prepared."""
    return prepared(drawn_release, tmp_path_factory.mktemp("data"), "tfrecord")


@pytest.fixture(scope="module", params=["tfrecord", "array_record"])
def any_builder(request, builder, drawn_release, tmp_path_factory):
    """The same in either format of files."""
    if request.param == "tfrecord":
        return builder
    return prepared(drawn_release, tmp_path_factory.mktemp("data"), request.param)


def read(builder, split="train", batch_size=4, **options):
    """The pipeline; by default its batches are only indices."""
    options = {"transform": lambda example: {"index": example["index"]}} | options
    return input_pipeline(split, batch_size, dataset=builder, **options)


def worker(number, workers):
    return tf.distribute.InputContext(workers, number, num_replicas_in_sync=workers)


def count(builder, split):
    return builder.info.splits[split].num_examples


def indices(batches):
    return np.concatenate([batch["index"] for batch in batches])


def same(one, other):
    return all(np.array_equal(one[name], other[name], equal_nan=True) for name in one)


def test_evaluation_gives_every_example_once_and_keeps_the_rest(any_builder):
    transform = PoseTransform(**SMALL)
    batches = list(read(any_builder, "train", 7, training=False, transform=transform))

    examples = count(any_builder, "train")
    assert sorted(indices(batches)) == list(range(examples))
    assert len(batches) == len(read(any_builder, "train", 7, training=False))
    assert batches[0]["image"].shape == (7, 32, 32, 3)
    assert len(batches[-1]["index"]) == (examples % 7 or 7)


def test_training_goes_on_without_end_in_full_shuffled_batches(any_builder):
    examples = count(any_builder, "train")
    dataset = read(any_builder, transform=PoseTransform(**SMALL))

    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    assert dataset.element_spec["image"].shape == (4, 32, 32, 3)
    found = indices(dataset.take(2 * examples // 4))
    assert sorted(found[:examples]) == list(range(examples))
    assert list(found[:examples]) != list(found[examples : 2 * examples])


@pytest.mark.parametrize(
    ("split", "batch_size", "epochs", "batches"),
    [("train[:10]", 4, 3, 7), ("train[:3]", 6, 2, 1)],  # Epochs may fill one together.
)
def test_num_epochs_ends_training(builder, split, batch_size, epochs, batches):
    dataset = read(builder, split, batch_size, training=True, num_epochs=epochs)

    assert int(dataset.cardinality()) == batches
    assert len(indices(dataset)) == batches * batch_size


def test_default_transform_augments_in_training_only(builder, monkeypatch):
    made = []

    def recorded(**options):
        made.append(options)
        return PoseTransform(**SMALL, **options)

    monkeypatch.setattr(pipeline, "PoseTransform", recorded)
    input_pipeline("train", 2, dataset=builder, seed=3)
    input_pipeline("train[:50%]", 2, dataset=builder, training=True)
    for split in ("validation", "test"):
        input_pipeline(split, 2, dataset=builder)
    input_pipeline("train[90%:]", 2, dataset=builder, training=False)

    training = {"augmentation": Augmentation.hrnet(), "seed": None}
    evaluation = {"augmentation": None, "seed": None}
    assert made == [{**training, "seed": 3}, training, *[evaluation] * 3]


def test_same_seed_gives_the_same_batches_and_epochs_differ(any_builder):
    examples = count(any_builder, "train")
    transform = dataclasses.replace(RANDOM, seed=1)

    def epochs(seed):
        dataset = read(any_builder, "train", examples, transform=transform, seed=seed)
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


@pytest.mark.parametrize("split", ["valid", "train[90%:]", "train+test", FIRST_HALF])
def test_purpose_of_other_splits_and_parts_is_required(builder, split):
    message = "is none of train, validation, .* training=True .*=False"
    with pytest.raises(ValueError, match=message):
        read(builder, split)


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        ("train[90%:]", ["train[90%:]"]),
        ("train+validation", ["train", "validation"]),
        (FIRST_HALF, ["train[:50%]"]),
        (tfds.Split.TEST, ["test"]),
    ],
    ids=str,
)
def test_split_may_be_a_part_a_sum_or_an_instruction(any_builder, split, parts):
    found = indices(read(any_builder, split, training=False))

    assert len(found) == sum(count(any_builder, part) for part in parts)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("split", ["train", FIRST_HALF], ids=str)
def test_workers_share_the_examples(any_builder, split, workers):
    batches = []
    for number in range(workers):
        context = worker(number, workers)
        batches += read(any_builder, split, 6, training=False, input_context=context)

    found = indices(batches)
    assert len(set(found)) == len(found) == count(any_builder, split)
    assert max(len(batch["index"]) for batch in batches) == 6 // workers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more, got 0"),
        ({"num_epochs": 0}, "num_epochs must be None, or 1 or more, got 0"),
        ({"split": "train[:0]"}, r"train\[:0\] .*has 0 examples for 1 worker"),
        (
            {"split": "train[:1]", "input_context": worker(0, 2)},
            r"train\[:1\] .*has 1 examples for 2 worker",
        ),
        (
            {"split": "train[:3]", "num_epochs": 2, "batch_size": 7},
            r"6 examples in num_epochs=2 of train\[:3\] do not fill one batch of 7",
        ),
    ],
)
def test_option_that_gives_no_batch_is_refused(builder, options, message):
    with pytest.raises(ValueError, match=message):
        read(builder, training=True, **options)


@pytest.mark.parametrize("seed", [None, 7])
def test_saved_iterator_goes_on_where_it_was(any_builder, tmp_path, seed):
    transform = dataclasses.replace(RANDOM, seed=seed)
    dataset = read(any_builder, transform=transform, seed=seed)
    iterator = iter(dataset)
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).save(tmp_path / "saved")
    expected = [next(iterator) for _ in range(3)]

    another = iter(dataset)
    tf.train.Checkpoint(iterator=another).restore(path)

    assert all(same(batch, next(another)) for batch in expected)


def test_without_a_seed_each_epoch_and_each_reading_draws_anew(builder):
    # Others are alike now and then, as they are clipped.
    moved = Augmentation(translation=0.1)
    transform = dataclasses.replace(RANDOM, augmentation=moved)
    dataset = read(
        builder, "train[:1]", 1, transform=transform, training=True, num_epochs=3
    )

    matrices = [batch["crop_to_image"] for _ in range(2) for batch in dataset]

    assert len({matrix.numpy().tobytes() for matrix in matrices}) == 6


def test_strategy_distributes_the_pipeline(builder):
    strategy = tf.distribute.MirroredStrategy(["cpu:0"])
    dataset = strategy.distribute_datasets_from_function(
        lambda context: read(builder, input_context=context)
    )

    batch = next(iter(dataset))

    assert strategy.experimental_local_results(batch)[0]["index"].shape[0] == 4


@pytest.fixture(scope="module")
def service():
    """The address of a tf.data service with two workers."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    addresses = [f"localhost:{port}" for port in ports]
    dispatcher = SERVICE.DispatchServer(
        SERVICE.DispatcherConfig(worker_addresses=addresses)
    )
    to = dispatcher.target.partition("://")[2]
    workers = [
        SERVICE.WorkerServer(
            SERVICE.WorkerConfig(to, address, port, heartbeat_interval_ms=100)
        )
        for address, port in zip(addresses, ports, strict=True)
    ]
    yield dispatcher.target
    gc.collect()  # of iterators, for which the workers wait
    before = -1.0
    while time.process_time() - before > 0.05:  # Readers want the lock that _stop has.
        before = time.process_time()
        time.sleep(1)
    for each in workers:
        each._stop()


@pytest.mark.parametrize(
    ("policy", "times"),
    [("OFF", 2), ("DYNAMIC", 1), ("FILE_OR_DATA", 1)],  # The last one takes DATA.
)
@pytest.mark.parametrize("num_epochs", [None, 2])
def test_a_service_loses_no_example(any_builder, service, policy, times, num_epochs):
    training = num_epochs is not None
    dataset = read(any_builder, "train", 1, training=training, num_epochs=num_epochs)
    dataset = dataset.apply(SERVICE.distribute(SERVICE.ShardingPolicy[policy], service))

    if policy == "DYNAMIC" and any_builder.info.file_format.value == "tfrecord":
        with pytest.raises(tf.errors.OpError, match="FILE_OR_DATA; DYNAMIC is for"):
            list(dataset)
        return
    found = np.bincount(indices(dataset))
    assert found.tolist() == [times * (num_epochs or 1)] * count(any_builder, "train")


def test_error_of_lost_examples_stays(builder, monkeypatch):
    """A service asks on, and may tell what it hears last."""
    every = pipeline._read
    monkeypatch.setattr(
        pipeline, "_read", lambda *args, **kw: every(*args, **kw).skip(1)
    )
    batches = iter(read(builder, "train", 1, training=False))
    for _ in range(count(builder, "train") - 1):
        next(batches)

    for _ in range(3):
        with pytest.raises(tf.errors.OpError, match="FILE_OR_DATA; DYNAMIC is for"):
            next(batches)


def test_workers_of_a_service_share_training_without_end(any_builder, service):
    dataset = read(any_builder, "train", 1).apply(
        SERVICE.distribute(SERVICE.ShardingPolicy.DYNAMIC, service)
    )

    examples = count(any_builder, "train")
    assert set(indices(dataset.take(4 * examples))) == set(range(examples))


def test_files_cannot_be_shared_by_a_service(builder, service):
    dataset = read(builder, "validation").apply(
        SERVICE.distribute(SERVICE.ShardingPolicy.FILE, service)
    )

    with pytest.raises(tf.errors.OpError, match="shardable source"):
        list(dataset)


def test_any_integer_is_seed_enough_for_deterministic_operations(builder):
    program = """
import sys, numpy as np, tensorflow as tf, mpii_pose
tf.config.experimental.enable_op_determinism()
for seed in (0, np.int64(0)):
    batches = mpii_pose.input_pipeline("train", 4, seed=seed, data_dir=sys.argv[1])
    print(*next(iter(batches))["crop_to_image"].numpy().ravel())
"""
    ended = builds.run("python", "-c", program, builder._data_dir_root)

    first, second = ended.stdout.splitlines()
    assert first == second


def test_without_forks_and_affinity_data_is_read(builder):
    """As on Windows and macOS, whose `os` lacks these."""
    program = f"""{builds.ELSEWHERE}
import mpii_pose
data = mpii_pose.input_pipeline("train", 4, data_dir=sys.argv[1])
print(next(iter(data))["image"].shape)
try:
    mpii_pose.data_source("train", data_dir=sys.argv[1])
except ValueError as error:
    print(error)
"""
    ended = builds.run("python", "-c", program, builder._data_dir_root)

    assert ended.stdout.startswith("(4, 256, 256, 3)\n"), ended.stderr
    assert "has tfrecord files" in ended.stdout


@pytest.mark.parametrize("split", [["train", "test"], None, {"a": "train"}])
def test_what_is_no_split_is_refused_in_a_sentence(builder, split):
    for function in (read, lambda *a: mpii_pose.data_source(split, dataset=builder)):
        with pytest.raises(ValueError, match="split must be a text such as 'train'"):
            function(builder, split)


@pytest.mark.parametrize(("training", "batches"), [(True, 3), (False, 4)])
def test_mocked_data_are_read(tmp_path, training, batches):
    with tfds.testing.mock_data(num_examples=7):
        options = {"training": training, "num_epochs": 1, "data_dir": tmp_path}
        found = list(input_pipeline("train", 2, **options))

    assert len(found) == batches
    assert found[0]["image"].shape == (2, 256, 256, 3)


def test_what_is_not_built_is_named_with_the_command(builder, monkeypatch):
    folder = pathlib.Path(builder._data_dir_root)
    monkeypatch.setenv("HOME", str(folder.parent))
    for data_dir, built in ((f"~/{folder.name}", "person"), (f"{folder}x", "nothing")):
        options = {"data_dir": data_dir, "dataset": "mpii_pose/person_crop"}
        message = (
            rf"person_crop is not built in {folder}x? \(built there: {built}\).* "
            rf"python -m mpii_pose build person_crop ~/mpii --data_dir {folder}x?$"
        )
        with pytest.raises(ValueError, match=message):
            input_pipeline("train", 2, **options)


def test_drawn_people_are_built_when_they_are_read(tmp_path):
    few = mpii_pose.mpii_pose_dataset_builder.PoseConfig(name="few", num_people=12)
    drawn = mpii_pose.Builder(data_dir=tmp_path, config=few)

    assert indices(read(drawn, "train", 1, training=False)).size


@pytest.mark.parametrize("is_train", [True, False])
def test_preprocessor_works_as_the_transform(builder, is_train):
    transform = Preprocessor(is_train=is_train)

    image, heatmaps = next(iter(read(builder, "validation", transform=transform)))

    assert image.shape == (4, 256, 256, 3)
    assert heatmaps.shape == (4, 64, 64, 16)


@pytest.mark.parametrize("decoded", [True, False])
def test_plain_tfds_load_can_be_mapped_with_or_without_decoders(builder, decoded):
    decoders = None if decoded else {"image": tfds.decode.SkipDecoding()}
    dataset = builder.as_dataset(split="train", decoders=decoders)

    features = next(iter(dataset.map(PoseTransform(**SMALL))))

    assert features["image"].shape == (32, 32, 3)


@pytest.mark.parametrize("training", [True, False])
def test_epochs_go_on_counting_in_each_reading_for_training(builder, training):
    options = {"training": training, "num_epochs": 2}
    options["transform"] = lambda example: example["epoch"]

    def readings():
        dataset = read(builder, "train[:1]", 1, **options)
        return [int(epoch[0]) for _ in range(3) for epoch in dataset]

    found = readings()
    assert found[:2] == [0, 1]
    assert len(set(found)) == (6 if training else 2)
    assert readings() == found


def test_keras_trains_epochs_without_being_told_their_length(builder):
    transform = dataclasses.replace(RANDOM, image_dtype="float32").supervised
    train = read(builder, "train", 8, transform=transform, num_epochs=1)
    model = keras.Sequential([keras.layers.Conv2D(16, 3, 4, padding="same")])
    model.compile("sgd", HeatmapLoss())

    history = model.fit(train, epochs=2, verbose=0)

    assert len(train) == count(builder, "train") // 8
    assert int(model.optimizer.iterations) == 2 * len(train)
    assert np.isfinite(history.history["loss"]).all()


def test_an_own_transform_gets_decoded_images_on_request(any_builder):
    def image_of(example):
        return example["image"]

    (image,) = read(any_builder, "train", 1, transform=image_of, decoders={}).take(1)
    (encoded,) = read(any_builder, "train", 1, transform=image_of).take(1)

    assert image.shape[-1] == 3
    assert tf.io.is_jpeg(encoded[0])
