"""Opens copies of MPII and datasets that were built, and reads their people."""

import io
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import PIL.Image
from etils import epath

from mpii_pose.checks import MpiiPoseError, not_installed
from mpii_pose.files import user_path
from mpii_pose.person import UNKNOWN, PersonAnnotation
from mpii_pose.release import download, find
from mpii_pose.release.release import Release, read_sized_people
from mpii_pose.transforms.geometry import apply_affine, mark_missing

# TFDS's file in the folder of each version of a dataset.
INFO_FILE = "dataset_info.json"
_TEXTS = ("image_name", "activity", "category", "video_id")
_NUMBERS = ("index", "person_index", "separated", "frame_sec", "scale", "head_size")


def read_people_of(
    path: epath.PathLike, *, image_folder: epath.PathLike | None = None
) -> Release:
    """Reads people and the sizes of their images from a copy of MPII or a dataset.

    Args:
        path: What `read_sized_people` reads, or a folder with one dataset that was
            built, such as `~/tensorflow_datasets/mpii_pose/image`.
        image_folder: The folder with the release's images, where it is not beside the
            annotations.

    Raises:
        MpiiPoseError: There are several datasets in the folder.
    """
    folder = user_path(path)
    datasets = find_datasets(folder)
    if not datasets or (datasets != [folder] and find.find(folder).sources):
        return read_sized_people(path, image_folder=image_folder)
    if len(datasets) > 1:
        raise MpiiPoseError(
            f"{path} has several datasets: name one of {', '.join(map(str, datasets))}"
        )
    release = _read_dataset(datasets[0])
    return release if image_folder is None else release.with_images(image_folder)


def unknown_sizes(release: Release) -> str:
    """Returns why the sizes of some images are not known; nothing if all are."""
    unknown = sum(name not in release.image_sizes for name in release.image_names)
    if unknown and release.image_folder is None:
        return "No whole images were found"
    return f"{unknown:,} images are missing or cannot be read" if unknown else ""


def find_datasets(path: epath.PathLike) -> list[epath.Path]:
    """Returns the folders of datasets: the path itself, or those below it.

    It is the folder of a dataset, such as "mpii_pose/person/1.0.0", of its versions, of
    its configs, or of all that TFDS keeps.
    """
    path = epath.Path(path).expanduser()
    if any((path / name).exists() for name in (INFO_FILE, "features.json")):
        return [path]
    # Of a folder of the same name, others' are left out.
    named_so = (path / download.OURS).is_dir()
    below = [f"{download.OURS}/*/*"] if named_so else ["*", "*/*"]
    files = {file for place in below for file in path.glob(f"{place}/{INFO_FILE}")}
    return sorted(
        file.parent for file in files if file.parts[-4:-3] == (download.OURS,)
    )


def open_dataset(folder: epath.PathLike) -> Any:
    """Returns TFDS's builder of a dataset that was built.

    Raises:
        FileNotFoundError: There is no dataset in the folder.
        OSError: The description of the dataset is damaged.
        MpiiPoseError: The dataset is not MPII's.
    """
    import tensorflow_datasets as tfds

    if not (epath.Path(folder) / INFO_FILE).exists():
        raise FileNotFoundError(
            f"{folder} is no dataset that was built, as it has no {INFO_FILE}; "
            "name a folder such as ~/tensorflow_datasets/mpii_pose/person/1.0.0"
        )
    try:
        builder = tfds.builder_from_directory(folder)
        builder.info.splits  # noqa: B018  reads the description
    except Exception as error:  # Damage gives errors of protobuf, JSON and TFDS.
        raise _unreadable(f"{folder} cannot be opened", error) from error
    if not all(name in builder.info.features for name in ("image", "image_name")):
        raise MpiiPoseError(
            f"{folder} has {builder.info.full_name}, not mpii_pose: expected features "
            f"image, image_name and others, found {', '.join(builder.info.features)}"
        )
    return builder


def read_examples(builder: Any, split: str) -> Iterator[Mapping[str, Any]]:
    """Yields the examples of a split, in NumPy and in their order.

    `image` remains the bytes of a JPEG.

    Raises:
        OSError: A record is damaged or missing.
    """
    import tensorflow_datasets as tfds

    decoders = {"image": tfds.decode.SkipDecoding()}
    count, expected = 0, builder.info.splits[split].num_examples
    try:
        if builder.info.file_format.value != "tfrecord":  # Needs no TensorFlow.
            # Shard by shard, as TFDS loads all Parquet files of a split at once.
            num_shards = builder.info.splits[split].num_shards
            shards = (f"{split}[{k}shard]" for k in range(num_shards))
            sources = (builder.as_data_source(s, decoders=decoders) for s in shards)
            examples = itertools.chain.from_iterable(sources)
        else:
            import tensorflow  # noqa: F401  TFDS's error takes nine lines.

            config = tfds.ReadConfig(try_autocache=False, interleave_cycle_length=1)
            dataset = builder.as_dataset(split, read_config=config, decoders=decoders)
            examples = dataset.as_numpy_iterator()
        for example in examples:
            yield example
            count += 1
        if count != expected:
            raise EOFError("no more records")
    except ModuleNotFoundError as error:
        raise OSError(str(not_installed(str(builder.data_dir), error))) from error
    except Exception as error:  # Each file format has errors of its own.
        where = f"Split {split} of {builder.data_dir}"
        after = f"after {count:,} of {expected:,}"
        what = f"{where} has a damaged record or lacks one, {after}"
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: Exception) -> OSError:
    """Returns the error of a dataset, with what to do."""
    if "permission denied" in str(error).lower():
        return PermissionError(f"{error}: ask its owner to let you read it")
    return OSError(f"{what} ({type(error).__name__}: {error}): build the dataset again")


def _read_dataset(folder: epath.Path) -> Release:
    """Reads the people of a dataset of any layout, in pixels of the release's frames.

    Frames that are not stored whole have no known size.
    """
    builder = open_dataset(folder)
    people: dict[str, list[PersonAnnotation]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for split in builder.info.splits:
        for example in read_examples(builder, split):
            if "image_to_frame" not in example:
                with PIL.Image.open(io.BytesIO(example["image"])) as image:
                    sizes[example["image_name"].decode()] = image.size[::-1]
            several = example.get("people", {"index": [example.get("index")]})
            for k in range(len(several["index"])):
                own = {name: values[k] for name, values in several.items()}
                person = {**example, **own}
                own_split = person.get("split", split.encode()).decode()
                people.setdefault(own_split, []).append(_person_from_example(person))
    for group in people.values():
        group.sort(key=lambda person: person.index)
    source = f"dataset {builder.info.full_name} in {folder}"
    return Release(source=source, people=people, image_folder=None, image_sizes=sizes)


def _person_from_example(example: Mapping[str, Any]) -> PersonAnnotation:
    """Returns a person from the features of one, in NumPy."""
    keypoints, center = example["keypoints"], example["center"]
    head_box, factor = example["head_box"], 1.0
    if "image_to_frame" in example:
        matrix = example["image_to_frame"]
        keypoints = apply_affine(matrix, keypoints)
        center = apply_affine(matrix, center[np.newaxis])[0]
        if (head_box != UNKNOWN).any():
            head_box = apply_affine(matrix, head_box.reshape(2, 2)).reshape(4)
        factor = matrix[0, 0]
    numbers = {name: np.asarray(example[name]).item() for name in _NUMBERS}
    lengths = {name: float(factor * example[name]) for name in ("scale", "head_size")}
    return PersonAnnotation(
        keypoints=mark_missing(keypoints, example["visibility"]),
        visibility=example["visibility"],
        center=center,
        head_box=head_box,
        **{name: example[name].decode() for name in _TEXTS},
        **numbers | lengths,
    )
