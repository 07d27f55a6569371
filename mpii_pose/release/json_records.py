"""JSON files of annotations: their one loader, and the fields of a record."""

import gzip
import io
import json
import zlib
from collections.abc import Mapping
from typing import Any

from etils import epath

from mpii_pose.person import AnnotationError

# The annotations of MPII unpack to 8 times their size.
_MAX_RATIO = 100


def load_json(path: epath.PathLike) -> Any:
    """Loads a JSON file; gzip and a byte order mark are recognised.

    Raises:
        AnnotationError: It is something else.
    """
    path = epath.Path(path).expanduser()
    data = path.read_bytes()
    try:
        if data.startswith(b"\x1f\x8b"):
            data = _gunzip(data)
        return json.loads(data)
    except (ValueError, EOFError, OSError, zlib.error, RecursionError) as error:
        raise AnnotationError(f"{path}: not a JSON file ({error})") from error


def load_records(path: epath.PathLike) -> list[dict[str, Any]]:
    """Loads a file that holds a list of people, one JSON object each."""
    records = load_json(path)
    if isinstance(records, dict) and "root" in records:  # MATLAB's savejson adds it.
        records = records["root"]
    if not isinstance(records, list) or not records:
        found = "an empty one" if records == [] else type(records).__name__
        raise AnnotationError(f"{path}: expected a list of people, found {found}")
    for i, record in enumerate(records):
        if not isinstance(record, dict):
            raise AnnotationError(
                f"{path}: record {i}: expected an object, found {record!r:.80}"
            )
    return records


def get(where: str, record: Mapping[str, Any], name: str) -> Any:
    """Returns a field that must be there; `where` is the place, for messages."""
    if name not in record:
        raise AnnotationError(f"{where}: no field {name!r}, found {sorted(record)}")
    return record[name]


def get_integer(where: str, record: Mapping[str, Any], name: str) -> int:
    """Returns a field that must be an integer, which may be written as 1.0."""
    value = get(where, record, name)
    if not isinstance(value, int | float) or value != value // 1:
        raise AnnotationError(f"{where}: {name} must be an integer, got {value!r:.80}")
    return int(value)


def _gunzip(data: bytes) -> bytes:
    limit = _MAX_RATIO * len(data)
    with gzip.open(io.BytesIO(data)) as file:
        unpacked = file.read(limit + 1)
    if len(unpacked) > limit:
        raise ValueError(f"unpacks to more than {_MAX_RATIO} times its size")
    return unpacked
