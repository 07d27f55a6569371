"""Cuts a variable out of a MATLAB file, having checked that the file means no harm.

SciPy believes what a file says: it allocates what 200 bytes declare (16 GB), unpacks
without limit, and follows nested cells until the process crashes. So sizes, counts and
depth are checked first. The format: "MAT-File Format", MathWorks, chapter 1.
"""

import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

_HEADER_BYTES: Final = 128
_LITTLE_ENDIAN_5: Final = b"\0\1IM"
# The release unpacks to some 20 times its size, and is 6 structs deep.
MAX_RATIO: Final = 40
MAX_DEPTH: Final = 16
_SLACK_BYTES: Final = 1 << 20
# An array has some four elements, takes 8 bytes in the file and more in memory.
_ELEMENT_BYTES: Final = 16

# An array of numbers without a name, up to their own tag.
_NUMBER_ELEMENTS: Final = 4
_NUMBER_HEAD_BYTES: Final = 48

_TAG: Final = struct.Struct("<II")
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CELL, _STRUCT = 1, 2
_COMPLEX: Final = 8
_NUMBERS_AND_TEXT: Final = (4, *range(6, 16))
# Types of their elements; SciPy crashes over others.
_NUMBER_TYPES: Final = frozenset((*range(1, 8), 9, 12, 13, 16, 17, 18))

_Element = tuple[int, int, int]  # Type, and where the content starts and stops.


class MatlabFileError(ValueError):
    """A MATLAB file is damaged, or declares what it does not hold."""


def cut_out(data: bytes, name: str) -> bytes:
    """Returns a MATLAB file with one variable of another, packed as it was.

    SciPy unpacks it piece by piece, where the whole release would take 100 MB.

    Args:
        data: A MATLAB 5 file (`-v6`, `-v7`) as PCs write it.
        name: The variable: numbers, text, cells or structs. If there is none, the file
            that is returned has none either.

    Raises:
        MatlabFileError: It is damaged, or asks for much more memory than it is long.
    """
    header = data[:_HEADER_BYTES]
    if header[-4:] != _LITTLE_ENDIAN_5 or len(header) < _HEADER_BYTES:
        raise MatlabFileError("no MATLAB 5 file")
    limit = MAX_RATIO * len(data) + _SLACK_BYTES
    at = _HEADER_BYTES
    while at < len(data):
        kind, start, stop = _element(data, at, len(data))
        variable = data[at:stop]
        if kind == _COMPRESSED:
            variable = _unpack(data[start:stop], limit)
        kind, start, end = _element(variable, 0, len(variable))
        if kind != _MATRIX or end != len(variable):
            raise MatlabFileError("a variable is shorter than it says, or no array")
        # Flags and dimensions stand before the name.
        for _, first, last in itertools.islice(_elements(variable, start, end), 2, 3):
            if variable[first:last] == name.encode():
                _check(variable, start, end, limit)
                return header + data[at:stop]
        at = stop
    return header


def _unpack(data: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, limit)
    except zlib.error as error:
        raise MatlabFileError(str(error)) from error
    if unpacker.unconsumed_tail:
        raise MatlabFileError(f"unpacks to more than {MAX_RATIO} times its size")
    if not unpacker.eof:
        raise MatlabFileError("ends in the middle")
    return unpacked


def _element(data: bytes, at: int, end: int) -> _Element:
    if end - at < _TAG.size:
        raise MatlabFileError("ends in the middle")
    kind, size = _TAG.unpack_from(data, at)
    start = at + _TAG.size
    if kind >> 16:  # Up to 4 bytes stand in the tag itself.
        kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if size > 4:
            raise MatlabFileError(f"element of {size} bytes where 4 fit")
    if start + size > end:
        raise MatlabFileError("ends in the middle")
    return kind, start, start + size


def _elements(data: bytes, at: int, end: int) -> Iterator[_Element]:
    """Yields the elements between two places, each at a multiple of 8."""
    while at < end:
        kind, start, stop = _element(data, at, end)
        yield kind, start, stop
        at = stop + -stop % 8


def _check(data: bytes, start: int, stop: int, limit: int) -> None:
    """Checks that an array and those in it hold what they declare."""
    budget = limit // _ELEMENT_BYTES
    arrays = [(start, stop, 0)]
    numbers: set[tuple[int, bytes]] = set()  # Most are alike, and checked once.
    while arrays:
        start, stop, depth = arrays.pop()
        if budget < 0 or depth > MAX_DEPTH:
            raise MatlabFileError(f"too many arrays, or {depth} one in another")
        length_and_head = stop - start, data[start : start + _NUMBER_HEAD_BYTES]
        if length_and_head in numbers:
            budget -= _NUMBER_ELEMENTS
            continue
        elements = list(itertools.islice(_elements(data, start, stop), budget + 1))
        budget -= len(elements)
        if not elements:  # How MATLAB says that there is nothing.
            continue
        array_class, count, content = _head(data, elements)
        if array_class in (_CELL, _STRUCT):
            if len(content) != count or any(kind != _MATRIX for kind, *_ in content):
                raise MatlabFileError(f"{len(content)} arrays, expected {count}")
            arrays += [(first, last, depth + 1) for _, first, last in content]
        elif array_class not in _NUMBERS_AND_TEXT:
            raise MatlabFileError(f"array of class {array_class}, which no release has")
        elif len(content) != 1 + bool(data[start + 9] & _COMPLEX):
            raise MatlabFileError(f"{len(content)} elements in an array of numbers")
        elif unknown := {kind for kind, *_ in content} - _NUMBER_TYPES:
            raise MatlabFileError(f"numbers of type {min(unknown)}, which there is not")
        elif content[-1][1] <= start + _NUMBER_HEAD_BYTES:
            numbers.add(length_and_head)


def _head(
    data: bytes, elements: Sequence[_Element]
) -> tuple[int, int, Sequence[_Element]]:
    """Returns class, count (of a struct: of all its fields) and content of an array."""
    kinds = [kind for kind, *_ in elements]
    parts = [data[start:stop] for _, start, stop in elements[:5]]
    if kinds[:3] != [_UINT32, _INT32, _INT8] or len(parts[0]) != 8:
        raise MatlabFileError("array without flags, dimensions or name")
    if len(parts[1]) < 8 or len(parts[1]) % 4:
        raise MatlabFileError("array with bad dimensions")
    dimensions = struct.unpack(f"<{len(parts[1]) // 4}i", parts[1])
    count, num_bytes = math.prod(dimensions), elements[-1][2] - elements[0][1]
    if count > num_bytes or min(dimensions) < 0:
        raise MatlabFileError(f"array of {count} elements in {num_bytes} bytes")
    array_class = parts[0][0]
    if array_class != _STRUCT:
        return array_class, count, elements[3:]
    length = int.from_bytes(parts[3], "little") if len(parts) == 5 else 0
    if kinds[3:5] != [_INT32, _INT8] or not length or len(parts[4]) % length:
        raise MatlabFileError("struct with bad field names")
    return array_class, count * (len(parts[4]) // length), elements[5:]
