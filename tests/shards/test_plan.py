"""Shards are cut, ordered and written as TFDS would."""

import pickle

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle

from mpii_pose.shards import plan as shards
from mpii_pose.shards.images import ImageError, ImageFile
from mpii_pose.shards.plan import ExampleEncoder, Examples

FEATURES = tfds.features.FeaturesDict(
    {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "name": tfds.features.Text(),
        "points": tfds.features.Tensor(shape=(2, 2), dtype=np.float32),
        "state": tfds.features.Tensor(shape=(3,), dtype=np.int8),
        "scale": np.float32,
    }
)


@pytest.fixture
def example(drawn_release):
    path = next((drawn_release / "images").iterdir())
    return {
        "image": ImageFile(str(path), path.stat().st_size),
        "name": "näme",
        "points": np.float32([[1, 2], [3, 4.5]]),
        "state": np.int8([0, 1, -1]),
        "scale": 1.25,
    }


def test_encoder_writes_what_tfds_writes_and_the_same_bytes_each_time(example):
    expected = FEATURES.deserialize_example(FEATURES.serialize_example(example))
    backwards = dict(reversed(example.items()))

    encoded = ExampleEncoder(FEATURES)(example)

    found = FEATURES.deserialize_example(encoded)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name])
    assert encoded == ExampleEncoder(FEATURES)(backwards)


def test_order_is_that_of_tfdss_shuffler(tmp_path):
    keys = [f"{i}.jpg/{i % 3}" for i in range(500)]
    shuffler = shuffle.Shuffler(tmp_path, "train", disable_shuffling=False)
    for key in keys:
        shuffler.add(key, key.encode())

    found = [keys[i] for i in shards.in_tfds_order("train", keys)]

    assert [key.encode() for key in found] == [data for _, data in shuffler]
    assert found != keys


def test_two_examples_with_one_key_are_refused():
    keys = ["a", "b", "c", "a"]

    with pytest.raises(ValueError, match=r"Two examples of split 'train' .* key 'a'"):
        shards.in_tfds_order("train", keys)

    kept = shards.in_tfds_order("train", keys, ignore_duplicates=True)
    assert sorted(kept) == [0, 1, 2]
    assert shards.in_tfds_order("train", []) == []


def test_examples_are_made_when_read_and_pickled_with_their_own():
    made = []

    def make(i):
        made.append(i)
        return f"{i}.jpg/0", {"text": "x" * 1000}

    examples = Examples(make, range(100))
    some = examples.at(np.array([7, 3, 50]))
    assert (len(examples), len(some), made) == (100, 3, [])

    pickled = pickle.dumps(some)

    assert pickle.loads(pickled) == list(some) == [make(i) for i in (7, 3, 50)]
    assert len(pickled) < 1000


@pytest.mark.parametrize(
    ("num_examples", "num_bytes", "options", "expected"),
    [
        # The size of MPII.
        (22_246, 9_360_000_000, {}, 64),
        (2_958, 1_240_000_000, {}, 8),
        # As many as the user says, but none empty.
        (22_246, 9_360_000_000, {"num_shards": 10}, 10),
        (3, 9_360_000_000, {"num_shards": 10}, 3),
        (3, 9_360_000_000, {}, 3),
        # Sizes that TFDS's own rule ignores.
        (22_246, 9_360_000_000, {"max_shard_size": 100 << 20}, 90),
        (22_246, 9_360_000_000, {"min_shard_size": 512 << 20}, 16),
        (10, 1, {}, 1),
        (10, 0, {}, 1),
    ],
)
def test_number_of_shards(num_examples, num_bytes, options, expected):
    config = tfds.download.DownloadConfig(**options)
    sizes = np.full(num_examples, num_bytes // num_examples)

    ends = shards.shard_ends(sizes, config)

    assert len(ends) - 1 == expected
    assert ends[0] == 0
    assert ends[-1] == num_examples


def test_no_shard_is_larger_than_the_user_allows_but_for_a_single_example():
    rng = np.random.default_rng(0)
    sizes = rng.lognormal(12, 1, 5000).astype(np.int64)

    # Twice as many as their sum needs, as some shards have several large examples.
    for limit, most in ((10 << 20, 300), (1 << 20, 5000)):
        config = tfds.download.DownloadConfig(max_shard_size=limit)
        ends = shards.shard_ends(sizes, config)
        largest = np.add.reduceat(sizes, ends[:-1]).max()
        assert largest <= max(limit, sizes.max())
        assert len(ends) - 1 < most


@pytest.mark.parametrize("num_shards", [0, -3])
def test_less_than_one_shard_is_refused(num_shards):
    config = tfds.download.DownloadConfig(num_shards=num_shards)

    with pytest.raises(ValueError, match=f"num_shards must be 1 .* got {num_shards}"):
        shards.shard_ends(np.ones(5), config)


def write(folder, examples, file_format="tfrecord"):
    shard = shards.Shard(
        str(folder / f"x-train.{file_format}-00000-of-00001"), examples
    )
    writer = tfds.core.writer.ExampleWriter(tfds.core.FileFormat(file_format))
    shard.write(ExampleEncoder(FEATURES), writer)


def test_failed_shard_leaves_no_file(tmp_path, example):
    examples = [(f"person {i}", example) for i in range(20)]
    lost = ImageFile(str(tmp_path / "lost.jpg"), 5)
    examples.append(("lost.jpg/7", {**example, "image": lost}))
    folder = tmp_path / "out"
    folder.mkdir()

    with pytest.raises(ImageError, match=r"Person lost\.jpg/7: Cannot read .*lost\."):
        write(folder, examples)

    assert not list(folder.iterdir())


def test_worker_whose_build_has_ended_does_not_make_its_folder_again(tmp_path, example):
    folder = tmp_path / "incomplete.ABCDEF_1.0.0"
    folder.mkdir()
    # The records of Parquet are all read before its file is opened.
    last = Examples(lambda i: folder.rmdir() or ("key", example), [0])

    for file_format, examples in [("parquet", last), ("tfrecord", [("key", example)])]:
        with pytest.raises(FileNotFoundError, match=r"ABCDEF_1\.0\.0 is not there"):
            write(folder, examples, file_format)

    assert not folder.exists()


def test_map_ahead_keeps_the_order_and_stops_at_an_error():
    def half(i):
        if i == 50:
            raise KeyError(i)
        return i / 2

    items = iter(range(1000))
    results = shards._map_ahead(half, items, threads=2)

    assert [next(results) for _ in range(40)] == [i / 2 for i in range(40)]
    assert next(items) - 40 == 8, "each thread has four images ahead"
    assert [next(results) for _ in range(9)] == [i / 2 for i in (*range(40, 48), 49)]
    with pytest.raises(KeyError):
        next(results)
