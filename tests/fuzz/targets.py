"""What is fuzzed: each reader on any bytes, with files to start from.

A target takes bytes and may raise nothing: the errors that a reader promises are
caught, whatever else it raises is a bug.
"""

import contextlib
import functools
import io
import json
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np
import PIL.Image
import scipy.io

import mpii_pose
from mpii_pose import AnnotationError
from mpii_pose.formats import predictions
from mpii_pose.release import find, matlab_file
from mpii_pose.shards.images import ImageError, ImageFile
from tests import releases

# Files in memory, where there is such a folder, are faster.
_MEMORY = pathlib.Path("/dev/shm")
_FOLDER = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)


def _file(name: str, data: bytes) -> pathlib.Path:
    path = pathlib.Path(_FOLDER.name) / name
    path.write_bytes(data)
    return path


def read_matlab(data: bytes) -> None:
    """Reads the official .mat."""
    with contextlib.suppress(AnnotationError):
        mpii_pose.read_people(_file("release.mat", data))


def read_predictions(data: bytes) -> None:
    """Reads pred.mat."""
    with contextlib.suppress(AnnotationError):
        points = predictions.read_predictions(_file("pred.mat", data))
        assert points.shape[1:] == (16, 2)


def read_cpm(data: bytes) -> None:
    """Reads CPM's JSON."""
    files = {"all": _file("mpii_annotations.json", data)}
    with contextlib.suppress(AnnotationError):
        source = find.Source(find.SourceKind.CPM, files)
        source.is_mpii()
        source.read()


def read_hrnet(data: bytes) -> None:
    """Reads HRNet's JSON, with labels and without."""
    path = _file("train.json", data)
    for split in ("train", "test"):
        with contextlib.suppress(AnnotationError):
            source = find.Source(find.SourceKind.HRNET, {split: path})
            source.is_mpii()
            source.read()


def read_image(data: bytes) -> None:
    """Checks an image, and that what comes of it is a JPEG."""
    path = _file("1.jpg", data)
    try:
        found = ImageFile(str(path), len(data)).read()
    except ImageError:
        return
    assert found.startswith(b"\xff\xd8")
    assert found.endswith(b"\xff\xd9")


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "matlab": read_matlab,
    "predictions": read_predictions,
    "cpm": read_cpm,
    "hrnet": read_hrnet,
    "image": read_image,
}


def seeds(target: str) -> list[bytes]:
    """Returns valid files for a target, from a small drawn release."""
    if target == "predictions":
        return [_predictions(np.ones((n, 16, 2)) * n) for n in (1, 2, 5)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        sizes = [(64, 80)] if target == "image" else [(64, 64)]
        release = functools.partial(
            mpii_pose.synthetic.write_release, image_sizes=sizes
        )
        release(folder, num_people=8, seed=1)
        people = mpii_pose.read_people(folder)
        if target == "matlab":
            (path,) = folder.rglob("*.mat")
            data = path.read_bytes()
            small = {"train": people["train"][:1]}
            plain = releases.write_matlab(folder / "plain", small).read_bytes()
            return [plain, matlab_file.cut_out(plain, "RELEASE"), data]
        if target == "cpm":
            releases.write_cpm(folder / "cpm.json", people)
            records = json.loads((folder / "cpm.json").read_bytes())
            return [json.dumps(records[:n]).encode() for n in (1, 2, len(records))]
        if target == "hrnet":
            records = [releases.hrnet_record(person) for person in people["train"]]
            return [json.dumps(records[:n]).encode() for n in (1, 2, len(records))]
        return _images([path.read_bytes() for path in folder.glob("images/*")][:2])


def _predictions(points: np.ndarray) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"preds": points})
    return file.getvalue()


def _images(jpegs: list[bytes]) -> list[bytes]:
    pixels = PIL.Image.fromarray(np.uint8(np.mgrid[:6, :8].sum(axis=0) * 19))
    others = []
    for mode, kind in (("RGB", "PNG"), ("P", "GIF"), ("CMYK", "JPEG"), ("L", "JPEG")):
        file = io.BytesIO()
        pixels.convert(mode).save(file, kind)
        others.append(file.getvalue())
    return [*jpegs, *others]
