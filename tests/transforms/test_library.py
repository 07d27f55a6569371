import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.checks import MpiiPoseError
from mpii_pose.transforms.library import checked, library_of
from tests.transforms import scenes

POINTS = scenes.example(scenes.noise(20, 30))["keypoints"]
JPEG = scenes.jpeg(scenes.noise(20, 30))


def example(**changes):
    occluded = {"visibility": np.ones(16, np.int8)}
    return {**scenes.example(scenes.noise(20, 30), index=41), **occluded, **changes}


def check(values):
    """Returns the features that are used, by name."""
    return checked(library_of(*values.values()), values)._asdict()


def check_in_graph(values):
    """Checks inside a map function, where nothing is known before it runs."""
    dataset = tf.data.Dataset.from_tensors(values).map(
        lambda values: {k: v for k, v in check(values).items() if v is not None}
    )
    return dataset.get_single_element()


def test_good_example_keeps_its_values_and_drops_what_is_not_used():
    """Keypoints that are missing may be anything."""
    values = example(category="walking", epoch=np.int64(2))
    values["keypoints"][:3], values["visibility"][:3] = np.nan, 0

    found = check_in_graph(values)

    assert set(found) == set(values) - {"category"}
    np.testing.assert_array_equal(found["keypoints"], values["keypoints"])
    assert int(found["epoch"]) == 2


def test_shapes_are_known_to_what_follows():
    def forget_shapes(values):
        return {
            name: tf.py_function(lambda x: x, [value], tf.as_dtype(value.dtype))
            for name, value in values.items()
        }

    def found(values):
        values = check(forget_shapes(values))
        return values["keypoints"], values["image"]

    keypoints, image = tf.data.Dataset.from_tensors(example()).map(found).element_spec

    assert keypoints.shape == (16, 2)
    assert image.shape.as_list() == [None, None, 3]


def test_absent_features_are_named(given):
    values = example()
    del values["scale"], values["head_size"]

    with pytest.raises(ValueError, match="has no scale, head_size; it has image, "):
        check(given(values))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("keypoints", np.zeros((16, 3), "f4"), r"float32 \[16, 2\], got float32"),
        ("keypoints", np.zeros((16, 2), int), r"float32 \[16, 2\], got int64 \(16, 2"),
        ("visibility", np.ones(16, "f4"), r"integer \[16\], got float32 \(16,\)"),
        ("center", np.zeros((8, 2), "f4"), r"single examples, before batching"),
        ("scale", np.ones((), "f8"), r"scale must be float32 \[\], got float64 \(\)"),
        ("scale", "1.0", r"scale must be float32 \[\], got string \(\)"),
        ("index", 1.5, r"index must be integer \[\], got float32 \(\)"),
        ("image", np.zeros((4, 4, 3), "f4"), r"uint8 \[H, W, 3\], got float32"),
        ("image", np.zeros((4, 4, 1), "u1"), r"got uint8 \(4, 4, 1\)"),
        ("image", np.array([b"a", b"b"]), r"string \[\], .* got string \(2,\)"),
    ],
)
def test_wrong_dtype_or_shape_says_what_is_allowed_and_got(given, name, value, message):
    with pytest.raises(ValueError, match=message):
        check(given(example(**{name: value})))


@pytest.mark.parametrize("number", [2, 2.5, np.float64(2.5), np.int16(2)])
def test_plain_numbers_are_taken_for_what_they_are(given, number):
    values = given(example()) | {"scale": number, "head_size": number, "index": 7}

    found = check(values)

    assert (float(found["scale"]), int(found["index"])) == (number, 7)
    assert found["scale"].dtype == found["head_size"].dtype == np.float32


@pytest.mark.parametrize("center", [[9, 9.5], [9, 9], (9, 9), [np.int16(9), 9.5]])
def test_plain_lists_are_taken_for_what_they_are(given, center):
    values = example(keypoints=np.round(POINTS))
    lists = {
        "keypoints": values["keypoints"].astype(int).tolist(),
        "visibility": values["visibility"].tolist(),
        "center": center,
    }

    found = check(given(values) | lists)

    np.testing.assert_array_equal(found["keypoints"], values["keypoints"])
    np.testing.assert_array_equal(found["visibility"], values["visibility"])
    np.testing.assert_array_equal(found["center"], center)
    assert found["keypoints"].dtype == found["center"].dtype == np.float32


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("keypoints", [[1.0, 2.0], [3.0]]), ("center", [None, 2.0])),
        *(("center", "ab"), ("center", [b"1", b"2"]), ("scale", None)),
        *(("visibility", [True] * 16), ("visibility", [0.5] * 16), ("index", None)),
    ],
)
def test_plain_values_that_are_no_numbers_name_the_feature_alone(given, name, value):
    with pytest.raises(
        ValueError, match=rf"^{name} must be (float32|integer)"
    ) as caught:
        check(given(example()) | {name: value})

    assert "batching" not in str(caught.value), "that is not what is wrong"


def test_numbers_of_the_map_function_may_stand_in_a_list():
    def center(values):
        x, y = tf.unstack(values["center"])
        return check(values | {"center": [x, y]})["center"]

    dataset = tf.data.Dataset.from_tensors(example()).map(center)

    np.testing.assert_array_equal(dataset.get_single_element(), example()["center"])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            ("scale", np.float32(scale), r"scale must be 0.001 to 1000.*got")
            for scale in (0.0, -1.0, np.nan, np.inf, 1e-30, 1e30)
        ),
        *(
            ("center", np.array([x, 3], np.float32), "center must be finite and at")
            for x in (np.nan, np.inf, -1e30)
        ),
        *(
            ("keypoints", np.where(POINTS > 15, np.float32(x), POINTS), "not missing")
            for x in (np.nan, -np.inf, 1e30)
        ),
        ("image", JPEG[:-50], "do not start and end as .*JPEG .* are.*truncated"),
        ("image", b"GIF89a", "do not start and end as .*JPEG .* are.*another format"),
        ("image", b"", "JPEG do, but are.*empty: build"),
        ("image", b"\x89PNG\r\n", "JPEG do, but are.*a PNG, which is to be decoded"),
        ("image", np.zeros((0, 30, 3), "u1"), "image is empty: shape.*0,? +30,? +3"),
        ("image", np.zeros((20, 0, 3), "u1"), "image is empty: shape.*20,? +0,? +3"),
    ],
)
def test_value_that_cannot_be_used_names_image_and_index(given, name, value, message):
    values = example(**{name: value})
    run, error = (
        (check, MpiiPoseError)
        if given is dict
        else (check_in_graph, tf.errors.InvalidArgumentError)
    )

    with pytest.raises(error, match=rf"(?s){message}.*drawn_41\.jpg.*index.*\b41\b"):
        run(values)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("image", b"\x89PNG\r\n\x1a\n", "the bytes .* JPEG do, but are a PNG, which"),
        ("image", b"", "the bytes .* JPEG do, but are empty: build"),
        ("scale", np.float32(-1), "scale must be 0.001 to 1000.* got -1.0"),
    ],
)
def test_of_tensors_at_hand_the_message_is_that_of_arrays(name, value, message):
    values = example(**{name: value})

    with pytest.raises(tf.errors.InvalidArgumentError) as of_tensors:
        check(scenes.tensors(values))
    with pytest.raises(ValueError, match=rf"^{message}") as of_arrays:
        check(values)

    assert of_tensors.value.message == str(of_arrays.value)


def seed_of(values, seed):
    library, person = scenes.person(values)
    return np.ravel(library.random_seed(person, seed))


def test_random_seeds_differ_by_seed_index_and_epoch_and_repeat(given):
    arguments = [(0, 0, 0), (1, 0, 0), (2**40, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0)]

    def seeds():
        return {
            tuple(seed_of(given(example(index=index, epoch=np.int64(epoch))), seed))
            for seed, index, epoch in arguments
        }

    assert len(seeds()) == len(arguments)
    assert seeds() == seeds()


def test_without_a_seed_that_of_the_example_is_taken_or_another_each_time(given):
    def found(**changes):
        return seed_of(given(example(**changes)), None)

    own, again, other = (found(draw_seed=np.int64(n)) for n in (3, 3, 2**32 - 1))
    assert np.array_equal(own, again)
    assert not np.array_equal(own, other)
    assert not np.array_equal(found(), found())


def test_messages_are_in_a_saved_model_too(tmp_path):
    """What a Python function says is lost in another process."""
    module = tf.Module()
    module.check = tf.function(
        lambda image: check({**scenes.tensors(example()), "image": image})["image"],
        input_signature=[tf.TensorSpec([], tf.string)],
    )
    tf.saved_model.save(module, tmp_path)
    operations = {
        node.op
        for function in module.check.get_concrete_function()
        .graph.as_graph_def()
        .library.function
        for node in function.node_def
    }

    loaded = tf.saved_model.load(tmp_path)

    assert not operations & {"PyFunc", "EagerPyFunc", "PyFuncStateless"}
    for image, message in ((b"", "empty: build"), (JPEG[:-50], "truncated, or")):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            loaded.check(image)
