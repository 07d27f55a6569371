"""A variable of a MATLAB file is handed on as it is, or refused before it does harm."""

import io
import struct
import zlib

import hypothesis
import numpy as np
import pytest
import scipy.io
from hypothesis import strategies as st

from mpii_pose.release.matlab_file import MatlabFileError, cut_out

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
CELL, STRUCT, CHAR, SPARSE, DOUBLE, FUNCTION = 1, 2, 4, 5, 6, 16


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(array_class, shape, content=b"", name=b""):
    flags = element(6, struct.pack("<II", array_class, 0))
    shape = element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, flags + shape + element(1, name) + content)


def release(array_class, shape, content=b""):
    return array(array_class, shape, content, name=b"RELEASE")


def load(data):
    return scipy.io.loadmat(io.BytesIO(data), struct_as_record=False)


def save(variables, **options):
    file = io.BytesIO()
    scipy.io.savemat(file, variables, **options)
    return file.getvalue()


def assert_equal(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, scipy.io.matlab.mat_struct):
        assert found._fieldnames == expected._fieldnames
        for name in found._fieldnames:
            assert_equal(getattr(found, name), getattr(expected, name))
    elif found.dtype == object:
        assert found.shape == expected.shape
        for one, other in zip(found.ravel(), expected.ravel(), strict=True):
            assert_equal(one, other)
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def cells(values):
    array = np.empty((1, len(values)), object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


NUMBERS = st.builds(
    lambda shape, dtype: np.arange(np.prod(shape)).reshape(shape).astype(dtype),
    st.lists(st.integers(0, 4), min_size=2, max_size=3),
    st.sampled_from(["float64", "float32", "int8", "uint8", "int16", "int64", "c16"]),
)
NAMES = st.text("abcdefgh", min_size=1, max_size=31)
VALUES = st.recursive(
    NUMBERS | st.text("aä0 ", max_size=9) | st.booleans(),
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=4)
        | st.lists(inner, max_size=4).map(cells)
    ),
    max_leaves=12,
)


@hypothesis.given(value=VALUES, compress=st.booleans())
@hypothesis.settings(max_examples=200, deadline=None)
def test_what_scipy_writes_is_handed_on(value, compress):
    data = save({"a": 1.0, "RELEASE": value, "z": "2"}, do_compression=compress)

    found = load(cut_out(data, "RELEASE"))

    assert_equal(found["RELEASE"], load(data)["RELEASE"])
    assert "a" not in found


@hypothesis.given(value=VALUES, edits=st.data())
@hypothesis.settings(max_examples=300, deadline=None)
def test_changed_bytes_are_refused_or_read_in_bounded_memory(value, edits):
    data = bytearray(save({"RELEASE": value}))
    for _ in range(edits.draw(st.integers(1, 4))):
        at = edits.draw(st.integers(128, len(data) - 1))
        data[at] = edits.draw(st.sampled_from([0, 1, 2, 5, 14, 127, 128, 255]))

    try:
        cut = cut_out(bytes(data), "RELEASE")
    except MatlabFileError:
        return

    assert len(cut) <= len(data)


def test_absent_variable_is_absent():
    assert "RELEASE" not in load(cut_out(save({"a": 1.0}), "RELEASE"))


@pytest.mark.parametrize("array_class", [CELL, STRUCT, CHAR, DOUBLE])
@pytest.mark.parametrize("shape", [(2**31 - 1, 1), (1000, 1000), (-1, 1), (-1, -1, 9)])
def test_more_elements_than_fit_are_refused(array_class, shape):
    content = element(5, struct.pack("<i", 4)) + element(1, b"")
    data = HEADER + release(array_class, shape, content)

    with pytest.raises(MatlabFileError, match=r"array of -?\d+ elements in"):
        cut_out(data, "RELEASE")


def test_fields_that_multiply_elements_are_refused():
    names = element(5, struct.pack("<i", 1)) + element(1, b"abcdefgh" * 10)
    data = HEADER + release(STRUCT, (99, 1), names)

    with pytest.raises(MatlabFileError, match="0 arrays, expected 7920"):
        cut_out(data, "RELEASE")


def test_arrays_in_arrays_without_end_are_refused():
    # SciPy follows them until the stack is full, which ends the process.
    inner = array(CELL, (1, 1), b"")
    heads, size = [], 0
    for _ in range(100_000):
        heads.append(struct.pack("<II", 14, len(inner) - 8 + size) + inner[8:])
        size += len(inner)
    data = HEADER + release(CELL, (1, 1), b"".join(reversed(heads)))

    with pytest.raises(MatlabFileError, match="17 one in another"):
        cut_out(data, "RELEASE")


def test_many_empty_arrays_in_few_bytes_are_refused():
    nothing = struct.pack("<II", 14, 0)
    packed = zlib.compress(release(CELL, (1_000_000, 1), nothing * 1_000_000))

    with pytest.raises(MatlabFileError, match="unpacks to more than"):
        cut_out(HEADER + struct.pack("<II", 15, len(packed)) + packed, "RELEASE")


def test_zeros_that_unpack_to_gigabytes_are_refused():
    unpacked = release(DOUBLE, (10_000_000, 1), element(9, bytes(80_000_000)))
    packed = zlib.compress(unpacked)

    with pytest.raises(MatlabFileError, match="more than 40 times its size"):
        cut_out(HEADER + struct.pack("<II", 15, len(packed)) + packed, "RELEASE")


@pytest.mark.parametrize("array_class", [SPARSE, FUNCTION, 3, 17, 200])
def test_class_that_no_release_has_is_refused(array_class):
    with pytest.raises(MatlabFileError, match=f"array of class {array_class}"):
        cut_out(HEADER + release(array_class, (1, 1)), "RELEASE")


@pytest.mark.parametrize("kind", [0, 8, 14, 15, 127, 60_000])
def test_numbers_of_a_type_that_crashes_scipy_are_refused(kind):
    data = HEADER + release(DOUBLE, (1, 1), element(kind, bytes(8)))

    with pytest.raises(MatlabFileError, match=f"numbers of type {kind},"):
        cut_out(data, "RELEASE")


def test_array_that_is_longer_than_its_content_is_refused():
    number = element(9, bytes(8))

    with pytest.raises(MatlabFileError, match="2 elements in an array"):
        cut_out(HEADER + release(DOUBLE, (1, 1), number + number), "RELEASE")


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_file_is_refused_wherever_it_ends(compress):
    data = save({"RELEASE": {"a": "text", "b": 1.5}}, do_compression=compress)

    for length in range(129, len(data)):
        with pytest.raises(MatlabFileError):
            cut_out(data[:length], "RELEASE")


@pytest.mark.parametrize("data", [b"", b"x" * 200, HEADER[:100], b"\x89HDF\r\n\x1a\n"])
def test_other_file_is_refused(data):
    with pytest.raises(MatlabFileError, match="no MATLAB 5 file"):
        cut_out(data, "RELEASE")
