import dataclasses
import multiprocessing
import pathlib
import pickle
import shlex
import warnings

import numpy as np
import pytest
import tensorflow_datasets as tfds

import mpii_pose
from mpii_pose.mpii_pose_dataset_builder import PoseConfig
from mpii_pose.pipelines import sources
from tests import builds
from tests.pipelines import readers
from tests.transforms import processes

FEW = PoseConfig(name="few", num_people=40)
TRANSFORM = mpii_pose.PoseTransform(
    image_size=(64, 64),
    heatmap_size=(16, 16),
    augmentation=mpii_pose.Augmentation.hrnet(),
    seed=3,
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    return builds.build(folder, config=FEW, file_format="array_record")


@pytest.fixture(scope="module")
def expected(built):
    """Digests of two epochs, read one by one in a fresh process."""
    return in_spawned(readers.digests, source(built))


def source(builder, transform=TRANSFORM, split="train[:8]"):
    return mpii_pose.data_source(split, dataset=builder, transform=transform)


def in_spawned(function, *arguments):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


@pytest.mark.parametrize("layout", ["person", "person_crop", "image"])
def test_items_are_those_of_tfds_with_images_as_bytes(layout, tmp_path):
    layout = mpii_pose.Builder.builder_configs[layout].layout
    config = PoseConfig(name="tiny", num_people=12, layout=layout)
    built = builds.build(tmp_path, config=config, file_format="array_record")
    decoders = {"image": tfds.decode.SkipDecoding()}
    stored = built.as_data_source("train", decoders=decoders)

    examples = source(built, transform=None, split="train")

    assert len(examples) == len(stored) > 0
    for found, expected in zip(examples, stored, strict=True):
        assert found["image"].startswith(b"\xff\xd8")
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert np.asarray(found[name]).dtype == np.asarray(value).dtype
            np.testing.assert_equal(found[name], value)


def test_features_that_tfds_decodes_are_left_to_it():
    coded = tfds.features.Tensor(shape=(), dtype=np.int64, encoding="zlib")
    assert not sources._is_plain(coded)


def test_numbers_count_from_the_end_and_slices_are_sequences(built):
    examples = source(built, transform=None)

    part = examples[2:7][::2]

    assert len(part) == 3
    assert [e["index"] for e in part] == [examples[i]["index"] for i in (2, 4, 6)]
    assert examples[-1]["index"] == examples[7]["index"]
    assert examples[np.int64(2)]["index"] == part[0]["index"]
    with pytest.raises(IndexError):
        examples[8]


def test_release_order_is_that_of_the_index_in_slices_and_samplers_too(built):
    shuffled = source(built, transform=None, split="validation")

    ordered = shuffled.in_release_order()

    assert [e["index"] for e in shuffled] != list(range(len(shuffled)))
    assert [e["index"] for e in ordered] == list(range(len(shuffled)))
    part = pickle.loads(pickle.dumps(ordered[1:]))
    keys = part.sampler(shuffle=False)
    assert [part[key]["index"] for key in keys] == list(range(1, len(shuffled)))
    images = sources.DataSource([{"image_name": b"a.jpg"}], range(1))
    for other in (source(built, split="train+validation"), images):
        with pytest.raises(ValueError, match="sorts people of one split by"):
            other.in_release_order()


def test_item_is_what_the_transform_makes_of_the_example(built):
    example = source(built, transform=None)[1]

    for method in (TRANSFORM, TRANSFORM.__call__, TRANSFORM.draw, lambda e: e):
        examples = source(built, transform=method)
        for found in (examples[1], examples.__getitems__([0, 1])[1]):
            assert pickle.dumps(found) == pickle.dumps(method(example))


def test_two_epochs_differ_and_the_same_seed_gives_the_same(built):
    examples = source(built)
    sampler = examples.sampler(seed=1)

    iter(sampler)  # What is not used begins no epoch.
    first, second = list(sampler), list(sampler)

    assert first != second
    assert sorted(first) == [(0, i) for i in range(8)]
    assert sorted(second) == [(1, i) for i in range(8)]
    for seed in (np.int64(1), np.uint8(1)):
        again = examples.sampler(seed=seed)
        again.set_epoch(1)
        assert list(again) == second
    images = [examples[epoch, 0]["image"] for epoch in (0, 1, 0)]
    np.testing.assert_array_equal(images[0], images[2])
    assert np.abs(images[0] - images[1]).mean() > 0.01
    np.testing.assert_array_equal(images[0], examples[0]["image"])


@pytest.mark.parametrize("method", ["__call__", "hrnet"])
def test_numbers_without_epochs_are_warned_of_once_where_there_is_a_seed(built, method):
    unseeded = dataclasses.replace(TRANSFORM, seed=None)
    plain = dataclasses.replace(TRANSFORM, augmentation=None)
    examples = source(built, transform=getattr(TRANSFORM, method))
    message = r"the transform has a seed, .*sampler=source.sampler\(\)"

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for transform in (None, unseeded, plain):
            others = source(built, transform=transform)
            assert len([*others, *others]) == 16
        for key in [*examples.sampler(), *examples.sampler()]:
            assert examples[key]
        assert len(list(examples)) == 8
    with pytest.warns(UserWarning, match=message) as caught:
        assert len(list(examples)) == 8

    assert len(caught) == 1


@pytest.mark.slow
def test_torch_workers_warn_of_numbers_without_epochs_in_the_first_epoch(built, capfd):
    data = pytest.importorskip("torch.utils.data")
    examples = source(built)
    workers = {"num_workers": 2, "multiprocessing_context": "spawn"}

    for sampler, count in ((data.RandomSampler(examples), 1), (examples.sampler(), 0)):
        batches = list(data.DataLoader(examples, 2, sampler=sampler, **workers))

        assert len(batches) == 4
        assert capfd.readouterr().err.count("the transform has a seed") == count


@pytest.mark.parametrize("shuffle", [True, False])
def test_replicas_share_an_epoch(built, shuffle):
    examples = source(built)[:7]
    options = {"shuffle": shuffle, "num_replicas": 3}

    parts = [list(examples.sampler(rank=rank, **options)) for rank in range(3)]

    numbers = [number for part in parts for _, number in part]
    assert len(set(numbers)) == len(numbers) == (6 if shuffle else 7)
    lengths = [len(examples.sampler(rank=rank, **options)) for rank in range(3)]
    assert lengths == [len(part) for part in parts]
    with pytest.raises(ValueError, match="rank must be 0 to num_replicas - 1, got 3"):
        examples.sampler(rank=3, num_replicas=3)


def test_data_dir_may_begin_with_the_home(built, monkeypatch):
    data_dir = pathlib.Path(built.data_dir).parents[2]
    monkeypatch.setenv("HOME", str(data_dir.parent))
    dataset = {"dataset": "mpii_pose/few", "data_dir": f"~/{data_dir.name}"}

    examples = mpii_pose.data_source("train", **dataset)

    assert len(examples) == len(source(built, split="train"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "there"),
    [("synthetic", "nothing"), ("person", "nothing"), ("person", "tfrecord files")],
)
def test_the_command_works(config, there, drawn_release, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mpii").symlink_to(drawn_release)
    folder = tmp_path / "my data"
    options = {"dataset": f"mpii_pose/{config}", "data_dir": folder}
    if there != "nothing":
        builds.build(folder, drawn_release, config=config)

    with pytest.raises(ValueError, match=f"{there}.* [Bb]uild ") as caught:
        mpii_pose.data_source("train", **options)

    command = "python" + str(caught.value).rpartition(": python")[2]
    built = builds.run(*shlex.split(command))
    assert built.returncode == 0, built.stderr
    options["data_dir"] = shlex.split(command)[-1]
    assert (options["data_dir"] == str(folder)) == (there == "nothing")
    assert mpii_pose.data_source("train", **options)[0]


@pytest.mark.parametrize("file_format", ["tfrecord", "parquet"])
def test_parquet_is_read_too(built, tmp_path, monkeypatch, file_format):
    monkeypatch.setattr(sources, "_BY_NUMBER", "parquet")
    config = PoseConfig(name="tiny", num_people=12)
    builder = builds.build(tmp_path, config=config, file_format=file_format)

    if file_format == "parquet":
        assert source(builder)[1]["image"].shape == (64, 64, 3)
        message = r"array_record .* ArrayRecord is not installed.*Builder\(config=few, "
        builder = built
    else:
        message = "has tfrecord files.*config=tiny, "
    with pytest.raises(ValueError, match=f"{message}.* file_format='parquet'"):
        source(builder)


def test_unknown_split_names_those_there_are(built):
    with pytest.raises(ValueError, match=r"'trian'.*'train', 'validation'"):
        mpii_pose.data_source("trian", dataset=built)


def test_reading_in_a_process_forked_after_reading_is_refused(built):
    examples = source(built)
    assert examples[0]

    message = processes.in_fork(lambda: examples[0])

    assert message.startswith("RuntimeError: process")
    assert 'multiprocessing_context="spawn"' in message


@pytest.mark.parametrize("reader", ["input_pipeline", "as_data_source", "audit"])
def test_fork_after_others_have_read_is_refused(built, reader):
    """In another process, in which nothing else has read."""
    program = f"""
import sys
import mpii_pose
from mpii_pose.tools import people
from tests.transforms import processes
folder = sys.argv[1]
import tensorflow_datasets as tfds
built = tfds.builder_from_directory(folder)
examples = mpii_pose.data_source("train", dataset=built)
print(processes.in_fork(lambda: examples[0]))
reader = {reader!r}
if reader == "input_pipeline":
    for _ in mpii_pose.input_pipeline(
        "train[:2]", 1, dataset=built, training=False, transform=lambda e: e["index"]
    ): pass
elif reader == "audit":
    people.read_people_of(folder)
else:
    built.as_data_source("train")[0]
print(processes.in_fork(lambda: examples[0]))
"""
    ended = builds.run("python", "-c", program, str(built.data_path))

    before, after = ended.stdout.splitlines()
    assert (before, after[:21]) == ("nothing", "RuntimeError: process"), ended.stderr


@pytest.mark.slow
def test_spawned_processes_read_the_same_without_tensorflow(built, expected):
    modules = in_spawned(readers.modules_after_reading, source(built))

    assert not modules & {"tensorflow", "keras"}
    assert in_spawned(readers.digests, source(built)) == expected
    assert readers.digests(source(built)) == expected


@pytest.mark.slow
def test_memory_of_a_process_does_not_grow_with_what_it_has_read(built):
    before, after = in_spawned(readers.mebibytes_after_reading, source(built), 5, 50)

    assert before < 300
    assert after - before < 15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "workers", "persistent"),
    [
        (None, 0, False),
        *(("spawn", 2, persistent) for persistent in (True, False)),
        ("fork", 1, True),
        ("forkserver", 1, True),
    ],
)
def test_torch_workers_give_the_same_bytes(built, expected, start, workers, persistent):
    pytest.importorskip("torch")

    found = in_spawned_torch(source(built), start, workers, persistent)

    assert found == expected
    assert found[0] != found[1]


@pytest.mark.slow
def test_grain_reads_the_same_in_processes_and_threads(built, expected):
    grain = pytest.importorskip("grain")
    examples = source(built)
    keys = grain.MapDataset.source(list(examples.sampler(seed=1, shuffle=False)))
    dataset = keys.map(examples.__getitem__).to_iter_dataset()

    first = readers.digest(dataset)

    assert first == expected[0]
    whole = grain.MapDataset.source(examples).batch(4)
    np.testing.assert_array_equal(whole[1]["image"][3], examples[7]["image"])


def in_spawned_torch(examples, start, workers, persistent):
    # A process that has read nothing, so that forks of it can.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=readers.torch_digests,
        args=(sender, examples, start, workers, persistent),
    )
    process.start()
    assert receiver.poll(90), "no answer"
    found = receiver.recv()
    process.join()
    return found
