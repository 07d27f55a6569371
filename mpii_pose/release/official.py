"""Published facts of the official release: names, places, sizes, identities."""

import functools
import hashlib
from collections.abc import Mapping
from typing import Final

from etils import epath

IMAGES_ARCHIVE: Final = "mpii_human_pose_v1.tar.gz"
ANNOTATIONS_ARCHIVE: Final = "mpii_human_pose_v1_u12_2.zip"
MATLAB_FILE: Final = "mpii_human_pose_v1_u12_1.mat"

_SITE = "https://datasets.d2.mpi-inf.mpg.de/andriluka14cvpr"
URLS: Final[Mapping[str, str]] = {
    name: f"{_SITE}/{name}" for name in (IMAGES_ARCHIVE, ANNOTATIONS_ARCHIVE)
}

# Nobody has published a sha256 of the two files, which is what TFDS could check. What
# is known: the MD5 that three public code bases state for the images, and the id under
# which three public git repositories store the .mat.
IMAGES_MD5: Final = "b6bc9c6869d3f035a5570b2e68ec84c4"
MATLAB_GIT_BLOB: Final = "114563d045f8b537e978b3f63e03bc2b0f719e0b"

# People of each split, as Tompson's list divides the labelled ones.
PEOPLE: Final[Mapping[str, int]] = {
    "train": 22_246,
    "validation": 2_958,
    "validation_others": 3_679,
    "test": 11_731,
}

# What a build takes on disk: the archives, the images in them, which hardly shrink, and
# a dataset of all splits in each layout. The last are estimates: 40,614 people times
# 528 KB, the mean image of a labelled one; crops of 79 KB (five photos' have 54, those
# of drawn grain 104); 24,027 images of 511 KB.
ARCHIVE_BYTES: Final[Mapping[str, int]] = {
    IMAGES_ARCHIVE: 12_900_000_000,
    ANNOTATIONS_ARCHIVE: 12_500_000,
}
IMAGES_BYTES: Final = 12_900_000_000
DATASET_BYTES: Final[Mapping[str, int]] = {
    "person": 21_400_000_000,
    "person_crop": 3_200_000_000,
    "image": 12_300_000_000,
}


def md5(path: epath.PathLike) -> str:
    """Returns the MD5 of a file, in hexadecimal."""
    with epath.Path(path).open("rb") as file:
        make_hash = functools.partial(hashlib.md5, usedforsecurity=False)
        return hashlib.file_digest(file, make_hash).hexdigest()


def git_blob_id(data: bytes) -> str:
    """Returns the id under which git stores a file's bytes, as `git hash-object`."""
    data = b"blob %d\0" % len(data) + data
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
