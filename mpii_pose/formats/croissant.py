"""A dataset as Parquet tables, described in Croissant's JSON-LD, version 1.1.

    croissant.json       what the dataset is, its files, and what each column means
    README.md            splits and types, for `load_dataset` of Hugging Face
    train/00000.parquet  one row for each example, in the dataset's order

The bytes of JPEGs stand in the tables. A table has some 64 MB: writing or reading a
split, one table after the other, takes some 400 MB of memory.

Croissant: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html
"""

import datetime
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath, epy

from mpii_pose import files, progress, workplace

with epy.lazy_imports():
    import mlcroissant as mlc
    import pyarrow as pa
    import pyarrow.parquet as pq

DESCRIPTION_FILE = "croissant.json"
# A table is closed when its images have that many bytes.
TABLE_BYTES = 64 * 2**20

_VERSION = "http://mlcommons.org/croissant/1.1"
# What version 1.1 adds to the terms that mlcroissant writes.
_TERMS = {
    "arrayShape": "cr:arrayShape",
    "containedIn": "cr:containedIn",
    "description": {"@container": "@language"},
    "isArray": "cr:isArray",
    "name": {"@container": "@language"},
}
_TABLES = "tables"
_SPLIT_NAMES = "splits/name"
_CREATOR = "Max Planck Institute for Informatics"
# MPII's: of CVPR 2014, which was in June. The format needs a day.
_PUBLISHED = datetime.date(2014, 6, 1)

Features = Mapping[str, Any]


def record_set_of(features: Features) -> str:
    """Returns the name of the records: "people", or "images" with several people."""
    return "images" if "people" in features else "people"


def write_croissant(
    folder: epath.PathLike,
    builder: tfds.core.DatasetBuilder,
    *,
    read: Callable[[Any, str], Iterable[Mapping[str, Any]]],
    splits: Sequence[str] | None = None,
) -> dict[str, int]:
    """Writes a folder of tables and their description, which appears once it is whole.

    Args:
        folder: Where to write. It must not exist.
        builder: The builder of a dataset of any layout and file format.
        read: Yields the examples of a split, in NumPy and with images as bytes; takes
            the builder and the split's name.
        splits: The splits to write; None for all.

    Returns:
        The number of examples of each split.

    Raises:
        FileExistsError: The folder exists.
        FileNotFoundError: The dataset is not of `mpii_pose`, or has no such split.
    """
    folder, info = files.user_path(folder), builder.info
    if info.name != "mpii_pose":
        raise FileNotFoundError(
            f"{builder.data_dir} has {info.full_name}, not mpii_pose"
        )
    if unknown := [split for split in splits or () if split not in info.splits]:
        raise FileNotFoundError(
            f"{builder.data_dir} has no split {', '.join(unknown)}; it has "
            f"{', '.join(info.splits)}"
        )
    chosen = list(dict.fromkeys(splits or info.splits))
    counts: dict[str, int] = {}

    def write(unfinished: epath.Path) -> None:
        for split in chosen:
            (unfinished / split).mkdir()
            counts[split] = 0
            examples = progress.bar(
                read(builder, split),
                total=info.splits[split].num_examples,
                desc=f"Writing {split}",
                unit=" examples",
            )
            tables = _tables(examples, info.features)
            for number, table in enumerate(tables):
                with (unfinished / split / f"{number:05d}.parquet").open("wb") as file:
                    # Small groups and no dictionaries of JPEGs halve a reader's memory.
                    pq.write_table(table, file, row_group_size=64, use_dictionary=False)
                counts[split] += len(table)
        description = _metadata(unfinished, chosen, builder).to_json()
        text = json.dumps(description, indent=2, ensure_ascii=False)
        (unfinished / DESCRIPTION_FILE).write_text(text + "\n")
        (unfinished / "README.md").write_text(_readme(chosen, builder))

    workplace.make_once(folder, write)
    if not counts:
        raise FileExistsError(
            f"{folder} exists; name a folder that is not there yet, or remove this one"
        )
    return counts


def _tables(examples: Iterable[Mapping[str, Any]], features: Features) -> Iterator[Any]:
    """Yields Arrow's tables, one after the other."""
    schema = pa.schema(_columns(features))
    rows: list[dict[str, Any]] = []
    size = 0
    for example in examples:
        rows.append({name: _value(example[name]) for name in features})
        size += len(example["image"])
        if size >= TABLE_BYTES:
            yield pa.Table.from_pylist(rows, schema)
            rows, size = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, schema)


def _value(value: Any) -> Any:
    """Returns a value as Arrow takes it: bytes, numbers, lists, and dicts of them."""
    if isinstance(value, Mapping):
        columns = [np.asarray(column).tolist() for column in value.values()]
        return [
            dict(zip(value, one, strict=True)) for one in zip(*columns, strict=True)
        ]
    return value if isinstance(value, bytes) else np.asarray(value).tolist()


def _columns(features: Features) -> list[tuple[str, Any]]:
    """Returns names and Arrow's types of columns."""
    # Sorted, as TFDS reads features in an order that changes from run to run.
    return [(name, _types(feature)[0]) for name, feature in sorted(features.items())]


def _types(feature: Any) -> tuple[Any, Any, Any]:
    """Returns a feature's types: Arrow's, Croissant's of its values, Hugging Face's."""
    if isinstance(feature, tfds.features.Sequence):
        kind = pa.list_(pa.struct(_columns(feature.feature)))
        return kind, None, {"list": _described(feature.feature)}
    if isinstance(feature, tfds.features.Image):
        return pa.binary(), mlc.DataType.IMAGE_OBJECT, {"dtype": "image"}
    if isinstance(feature, tfds.features.Text):
        return pa.string(), mlc.DataType.TEXT, {"dtype": "string"}
    name = np.dtype(feature.np_dtype).name
    kind, described = pa.from_numpy_dtype(name), {"dtype": name}
    for size in reversed(feature.shape):
        kind = pa.list_(kind, size)
        inner = described.get("dtype", described)
        described = {"sequence": inner, "length": size}
    return kind, getattr(mlc.DataType, name.upper()), described


def _described(features: Features) -> list[dict[str, Any]]:
    """Returns columns as `dataset_info` of Hugging Face has them."""
    return [{"name": name} | _types(f)[2] for name, f in sorted(features.items())]


def _metadata(folder: epath.Path, splits: Sequence[str], builder: Any) -> Any:
    """Returns the description of the tables in a folder."""
    context = mlc.Context(conforms_to=_VERSION)
    context.rdf.context.update(_TERMS)
    node = functools.partial(_node, context)
    features = builder.info.features
    name = record_set_of(features)
    key = ["image_name"] if name == "images" else ["split", "index"]
    tables = node(
        mlc.FileSet,
        _TABLES,
        "All tables; a split is a folder.",
        encoding_formats=[mlc.EncodingFormat.PARQUET],
        includes=[f"{split}/*.parquet" for split in splits],
    )
    text = [mlc.DataType.TEXT]
    split_names = node(
        mlc.RecordSet,
        "splits",
        "The splits.",
        data_types=[mlc.DataType.SPLIT],
        key=[_SPLIT_NAMES],
        fields=[node(mlc.Field, _SPLIT_NAMES, "Name of the split.", data_types=text)],
        data=[{_SPLIT_NAMES: split} for split in splits],
    )
    # When it joins, mlcroissant applies the pattern again, to the names it has found.
    folder_name = mlc.Transform(regex=f"({'|'.join(splits)})(?:/.+parquet)?$")
    path = mlc.Extract(file_property="fullpath")
    split = node(
        mlc.Field,
        f"{name}/split",
        "The split, from the folder of the table.",
        data_types=text,
        references=mlc.Source(field=_SPLIT_NAMES),
        source=mlc.Source(file_set=_TABLES, extract=path, transforms=[folder_name]),
    )
    records = node(
        mlc.RecordSet,
        name,
        f"The {name}, one a row.",
        key=[f"{name}/{column}" for column in key],
        fields=[split, *_fields(node, features, name)],
    )
    paths = [path for each in splits for path in sorted((folder / each).iterdir())]
    return mlc.Metadata(
        ctx=context,
        **_about(builder),
        distribution=[tables, *(_file(node, folder, path) for path in paths)],
        record_sets=[split_names, records],
    )


def _node(context: Any, kind: Any, own_id: str, description: str, **others: Any) -> Any:
    """Returns a part of the description; its name is the last part of its id."""
    name = own_id.rpartition("/")[2]
    return kind(ctx=context, id=own_id, name=name, description=description, **others)


def _about(builder: Any) -> dict[str, Any]:
    """Returns the description of the dataset as a whole."""
    info = builder.info
    about = {
        "url": info.homepage,
        "license": [info.redistribution_info.license],
        "cite_as": info.citation,
        "version": str(info.version),
    }
    if (info.metadata or {}).get("drawn"):
        written = epath.Path(builder.data_dir) / "dataset_info.json"
        return about | {
            "license": [info.metadata["license"]],
            "name": f"Synthetic people, {info.config_name}",
            "description": "Synthetic people with the features of MPII Human Pose; "
            "none of them is MPII's.",
            "date_published": datetime.date.fromtimestamp(written.stat().mtime),
        }
    texts = (info.config_description, info.description)
    return about | {
        "name": f"MPII Human Pose, {info.config_name}",
        "description": "\n\n".join(filter(None, texts)),
        "date_published": _PUBLISHED,
        "creators": [mlc.Organization(name=_CREATOR, url=info.homepage)],
    }


def _readme(splits: Sequence[str], builder: Any) -> str:
    """Returns a text whose head, which is YAML, names splits and types."""
    files = [{"split": split, "path": f"{split}/*.parquet"} for split in splits]
    configs = json.dumps([{"config_name": "default", "data_files": files}])
    info = json.dumps({"features": _described(builder.info.features)})
    about = _about(builder)
    return (
        f"---\nconfigs: {configs}\ndataset_info: {info}\n---\n"
        f"# {about['name']}\n\n{about['description']}\n"
    )


def _file(node: Callable[..., Any], folder: epath.Path, path: epath.Path) -> Any:
    """Returns the description of a table, with its size and checksum."""
    name = str(path.relative_to(folder))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return node(
        mlc.FileObject,
        name,
        "A table.",
        content_url=name,
        content_size=f"{path.stat().length} B",
        encoding_formats=[mlc.EncodingFormat.PARQUET],
        sha256=sha256,
    )


def _fields(
    node: Callable[..., Any], features: Features, parent: str, in_column: str = ""
) -> list[Any]:
    """Returns the descriptions of columns, or of what a column has a list of."""
    fields = []
    for name, feature in sorted(features.items()):
        own_id = f"{parent}/{name}"
        if isinstance(feature, tfds.features.Sequence):
            parts = _fields(node, feature.feature, own_id, in_column=name)
            about = {"is_array": True, "sub_fields": parts}
        else:
            about = {"data_types": [_types(feature)[1]]}
            about["source"] = mlc.Source(
                file_set=_TABLES,
                extract=mlc.Extract(column=in_column or name),
                transforms=[mlc.Transform(json_path=name)] if in_column else [],
            )
            if feature.shape and not isinstance(feature, tfds.features.Image):
                shape = ",".join(map(str, feature.shape))
                about |= {"is_array": True, "array_shape": shape}
        fields.append(node(mlc.Field, own_id, feature.doc.desc or "", **about))
    return fields
