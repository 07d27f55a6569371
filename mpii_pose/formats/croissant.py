"""A dataset as Parquet tables, described in Croissant's JSON-LD, version 1.1.

    croissant.json       what the dataset is, its files, and what each column means
    train/00000.parquet  one row for each example, in the dataset's order

The bytes of JPEGs stand in the tables. A table holds some 64 MB, so that who writes or
reads a split, one table after the other, needs some 400 MB of memory.

Croissant: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from mpii_pose import files, workplace

DESCRIPTION_FILE = "croissant.json"
TABLE_BYTES = 64 * 2**20

_VERSION = "http://mlcommons.org/croissant/1.1"
# The abbreviations of version 1.1, the same in every description.
_TERMS = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileObject "
    "fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 "
    "parentField path recordSet references regex repeated replace samplingRate "
    "separator source subField transform"
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
_PARQUET = "application/x-parquet"
_TABLES = {"@id": "tables"}
_SPLIT_NAMES = {"@id": "splits/name"}

Features = Mapping[str, Any]


def record_set_of(features: Features) -> str:
    """Returns the name of what one example is: "people", or "images" with several."""
    return "images" if "people" in features else "people"


def write_croissant(
    folder: epath.PathLike,
    splits: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    features: Features,
    about: Mapping[str, Any],
    table_bytes: int = TABLE_BYTES,
) -> dict[str, int]:
    """Writes tables and their description into a folder, which appears once whole.

    Args:
        folder: The folder. It must not exist.
        splits: The examples of each split, in NumPy; texts and images are bytes.
        features: TFDS's, of an example of any layout.
        about: What schema.org and Croissant say of a dataset: name, license and so on.
        table_bytes: A table is closed when its images have that many bytes.

    Returns:
        The number of examples of each split.

    Raises:
        FileExistsError: The folder exists.
    """
    folder = files.user_path(folder)
    if folder.exists():
        raise FileExistsError(
            f"{folder} exists; name a folder that is not there yet, or remove this one"
        )
    counts: dict[str, int] = {}

    def write(unfinished: epath.Path) -> None:
        tables = []
        for split, examples in splits.items():
            (unfinished / split).mkdir()
            counts[split] = 0
            batches = _batches(examples, features, table_bytes)
            for number, rows in enumerate(batches):
                name = f"{split}/{number:05d}.parquet"
                _write_table(unfinished / name, rows, features)
                tables.append(_file_object(unfinished, name))
                counts[split] += len(rows)
        description = {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            **about,
            "distribution": [_file_set(splits), *tables],
            "recordSet": [_split_record_set(splits), _record_set(features, splits)],
        }
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (unfinished / DESCRIPTION_FILE).write_text(text + "\n")

    workplace.make_once(folder, write)
    if not counts:
        raise FileExistsError(f"{folder} was made by somebody else meanwhile")
    return counts


def _batches(
    examples: Iterable[Mapping[str, Any]], features: Features, num_bytes: int
) -> Iterator[list[dict[str, Any]]]:
    """Yields the rows of one table after the other."""
    rows: list[dict[str, Any]] = []
    size = 0
    for example in examples:
        rows.append({name: _value(example[name], features[name]) for name in features})
        size += len(example["image"])
        if size >= num_bytes:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _value(value: Any, feature: Any) -> Any:
    """Returns what Arrow makes a value of a table from."""
    if isinstance(feature, tfds.features.Sequence):
        columns = [np.asarray(value[name]).tolist() for name in feature.feature]
        return [
            dict(zip(feature.feature, of_one, strict=True))
            for of_one in zip(*columns, strict=True)
        ]
    return value if isinstance(value, bytes) else np.asarray(value).tolist()


def _write_table(
    path: epath.Path, rows: Sequence[Mapping[str, Any]], features: Features
) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    def schema_of(features: Features) -> Any:
        # Sorted, as TFDS reads features in an order that changes from run to run.
        return [(name, kind_of(f)) for name, f in sorted(features.items())]

    def kind_of(feature: Any) -> Any:
        if isinstance(feature, tfds.features.Sequence):
            return pa.list_(pa.struct(schema_of(feature.feature)))
        if isinstance(feature, tfds.features.Image):
            return pa.binary()
        if isinstance(feature, tfds.features.Text):
            return pa.string()
        kind = pa.from_numpy_dtype(feature.np_dtype)
        for size in reversed(feature.shape):
            kind = pa.list_(kind, size)
        return kind

    schema = pa.schema(schema_of(features))
    table = pa.Table.from_pylist(rows, schema)
    with path.open("wb") as file:
        # Small groups and no dictionaries of JPEGs: half the memory for who reads it.
        pa.parquet.write_table(table, file, row_group_size=64, use_dictionary=False)


def _node(kind: str, own_id: str, description: str, **others: Any) -> dict[str, Any]:
    name = own_id.rpartition("/")[2]
    known = {"@type": f"cr:{kind}", "@id": own_id, "name": name}
    return {**known, "description": description, **others}


def _file_object(folder: epath.Path, name: str) -> dict[str, Any]:
    path = folder / name
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return _node(
        "FileObject",
        name,
        "A table.",
        contentUrl=name,
        contentSize=f"{path.stat().length} B",
        encodingFormat=_PARQUET,
        sha256=sha256,
    )


def _file_set(splits: Iterable[str]) -> dict[str, Any]:
    return _node(
        "FileSet",
        _TABLES["@id"],
        "All tables; a split is a folder.",
        encodingFormat=_PARQUET,
        includes=[f"{split}/*.parquet" for split in splits],
    )


def _split_record_set(splits: Iterable[str]) -> dict[str, Any]:
    name = _SPLIT_NAMES["@id"]
    field = _node("Field", name, "Name of the split.", dataType="sc:Text")
    return _node(
        "RecordSet",
        "splits",
        "The splits.",
        dataType="cr:Split",
        key=_SPLIT_NAMES,
        field=[field],
        data=[{name: split} for split in splits],
    )


def _record_set(features: Features, splits: Iterable[str]) -> dict[str, Any]:
    name = record_set_of(features)
    key = ["split", "index"] if name == "people" else ["image_name"]
    split = _node(
        "Field",
        f"{name}/split",
        "The split, from the folder of the table.",
        dataType="sc:Text",
        references={"field": _SPLIT_NAMES},
        source={
            "fileSet": _TABLES,
            "extract": {"fileProperty": "fullpath"},
            # mlcroissant applies it again, to what it has found, when it joins.
            "transform": {"regex": f"({'|'.join(splits)})(?:/.+parquet)?$"},
        },
    )
    return _node(
        "RecordSet",
        name,
        f"The {name}, one a row.",
        key=[{"@id": f"{name}/{column}"} for column in key],
        field=[split, *_fields(features, name)],
    )


def _fields(
    features: Features, parent: str, *, in_column: str | None = None
) -> list[dict[str, Any]]:
    """Returns the descriptions of columns, or of what a column has a list of."""
    return [
        _node(
            "Field",
            f"{parent}/{name}",
            feature.doc.desc or "",
            **_kind_and_source(feature, name, parent, in_column),
        )
        for name, feature in sorted(features.items())
    ]


def _kind_and_source(
    feature: Any, name: str, parent: str, in_column: str | None
) -> dict[str, Any]:
    if isinstance(feature, tfds.features.Sequence):
        parts = _fields(feature.feature, f"{parent}/{name}", in_column=name)
        return {"isArray": True, "subField": parts}
    source = {"fileSet": _TABLES, "extract": {"column": in_column or name}}
    if in_column:
        source["transform"] = {"jsonPath": name}
    if isinstance(feature, tfds.features.Image):
        return {"dataType": "sc:ImageObject", "source": source}
    if isinstance(feature, tfds.features.Text):
        return {"dataType": "sc:Text", "source": source}
    kind = f"cr:{np.dtype(feature.np_dtype).name.capitalize()}"  # As in "cr:Float32".
    if not feature.shape:
        return {"dataType": kind, "source": source}
    shape = ",".join(map(str, feature.shape))
    return {"dataType": kind, "isArray": True, "arrayShape": shape, "source": source}
