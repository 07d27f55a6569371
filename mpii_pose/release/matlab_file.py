"""Cuts a variable out of a MATLAB file, having checked that the file means no harm.

SciPy believes what a file says: it allocates what 200 bytes declare (16 GB), unpacks
without limit, and follows nested cells until the process crashes. So sizes, counts and
depth are checked first. The format: "MAT-File Format", MathWorks, chapter 1.
"""

import math
import struct
import zlib
from typing import Final

_HEADER_BYTES: Final = 128
_LITTLE_ENDIAN_5: Final = b"\0\1IM"
# The release unpacks to some 20 times its size, and is 6 structs deep.
MAX_RATIO: Final = 40
MAX_DEPTH: Final = 16
_SLACK_BYTES: Final = 1 << 20
# What an array takes in memory at least, where it may take 8 bytes in the file.
_ARRAY_BYTES: Final = 64

# Up to the content of an array of numbers. Most are alike so far, and checked once.
_NUMBER_BYTES: Final = 56

_TAG: Final = struct.Struct("<II")
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_CELL, _STRUCT, _CHAR, _DOUBLE, _UINT64 = 1, 2, 4, 6, 15
_COMPLEX: Final = 8


class MatlabFileError(ValueError):
    """A MATLAB file is damaged, or declares what it does not hold."""


def cut_out(data: bytes, name: str) -> bytes:
    """Returns a MATLAB file with one variable of another, unpacked.

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
        kind, start, stop, following = _element(data, at, len(data), aligned=False)
        variable = data[at:stop]
        if kind == _COMPRESSED:
            variable = _unpack(data[start:stop], limit)
        if _name(variable) == name.encode():
            checker = _Checker(variable, limit)
            if checker.check_matrix(0, len(variable), depth=0) != len(variable):
                raise MatlabFileError("a variable is shorter than it says")
            return header + variable
        at = following
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


def _name(variable: bytes) -> bytes:
    """Returns the name of a variable; flags and dimensions stand before it."""
    _, at, end, _ = _element(variable, 0, len(variable))
    for _ in range(2):
        *_, at = _element(variable, at, end)
    _, start, stop, _ = _element(variable, at, end)
    return variable[start:stop]


def _element(
    data: bytes, at: int, end: int, *, aligned: bool = True
) -> tuple[int, int, int, int]:
    """Returns type, start and stop of an element, and where the next one is."""
    if end - at < _TAG.size:
        raise MatlabFileError("ends in the middle")
    kind, size = _TAG.unpack_from(data, at)
    if kind >> 16:  # Up to 4 bytes stand in the tag itself.
        kind, size = kind & 0xFFFF, kind >> 16
        start, following = at + 4, at + 8
        if size > 4:
            raise MatlabFileError(f"element of {size} bytes where 4 fit")
    else:
        start = at + _TAG.size
        following = start + size + (-size % 8 if aligned else 0)
    if following > end:
        raise MatlabFileError("ends in the middle")
    return kind, start, start + size, following


class _Checker:
    """Checks that arrays hold what they declare, down to the innermost."""

    def __init__(self, data: bytes, limit: int):
        self._data = data
        self._left = limit
        self._numbers: dict[bytes, int] = {}

    def check_matrix(self, at: int, end: int, *, depth: int) -> int:
        """Checks the array at `at`; returns where the next one is."""
        kind, start, stop, following = _element(self._data, at, end)
        self._left -= _ARRAY_BYTES
        if kind != _MATRIX or depth > MAX_DEPTH or self._left < 0:
            raise MatlabFileError(
                f"element of type {kind} at depth {depth}, expected an array in at "
                f"most {MAX_DEPTH} others, and not too many of them"
            )
        if start == stop:  # How MATLAB says that there is nothing.
            return following
        flags, position = self._read(start, stop, _UINT32)
        dimensions, position = self._read(position, stop, _INT32)
        _, position = self._read(position, stop, _INT8)
        if len(flags) != 8 or len(dimensions) < 8:
            raise MatlabFileError("array without flags or dimensions")
        count = math.prod(_integers(dimensions))
        if min(_integers(dimensions)) < 0 or count > stop - start:
            raise MatlabFileError(f"array of {count} elements in {stop - start} bytes")
        if flags[0] in (_CELL, _STRUCT):
            position = self._check_children(
                position, stop, count, is_struct=flags[0] == _STRUCT, depth=depth
            )
        elif flags[0] == _CHAR or _DOUBLE <= flags[0] <= _UINT64:
            for _ in range(2 if flags[1] & _COMPLEX else 1):
                _, content, _, position = _element(self._data, position, stop)
            if position == stop and content - at <= _NUMBER_BYTES:
                self._numbers[self._data[at : at + _NUMBER_BYTES]] = following - at
        else:
            raise MatlabFileError(f"array of class {flags[0]}, which no release has")
        if position != stop:
            raise MatlabFileError("an array is shorter than it says")
        return following

    def _check_children(
        self, at: int, end: int, count: int, *, is_struct: bool, depth: int
    ) -> int:
        if is_struct:
            lengths, at = self._read(at, end, _INT32)
            names, at = self._read(at, end, _INT8)
            length = _integers(lengths)[0] if len(lengths) == 4 else 0
            if length <= 0 or len(names) % length:
                raise MatlabFileError("struct with bad field names")
            count *= len(names) // length
        if count * _TAG.size > end - at:
            raise MatlabFileError(f"{count} arrays in {end - at} bytes")
        for _ in range(count):
            size = self._numbers.get(self._data[at : at + _NUMBER_BYTES])
            if size is None:
                at = self.check_matrix(at, end, depth=depth + 1)
            else:
                at += size
        return at

    def _read(self, at: int, end: int, expected: int) -> tuple[bytes, int]:
        kind, start, stop, following = _element(self._data, at, end)
        if kind != expected:
            raise MatlabFileError(f"element of type {kind}, expected {expected}")
        return self._data[start:stop], following


def _integers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}i", data[: len(data) // 4 * 4])
