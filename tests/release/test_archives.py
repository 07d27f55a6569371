"""An archive is extracted as it is, or refused with nothing of it left anywhere."""

import gzip
import io
import pathlib
import random
import stat
import struct
import tarfile
import zipfile

import pytest

from mpii_pose.release import archives
from mpii_pose.release.archives import ArchiveError, extract

FILES = {"images/1.jpg": bytes(range(256)) * 99, "images/2.jpg": b"", "a.csv": b"1,2"}


def make_tar(path, entries, mode="w:gz", **options):
    """Writes a tar of (name, content, attributes of its `TarInfo`)."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content, attributes in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))


def make_zip(path, entries):
    """Writes a zip of (name, content, attributes of its `ZipInfo`)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, attributes in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)


MAKERS = {
    "r.tar.gz": make_tar,
    "r.tar": lambda path, entries: make_tar(path, entries, "w"),
    "r.zip": make_zip,
}


@pytest.fixture(params=MAKERS)
def archive(request, tmp_path):
    """A whole archive of each kind."""
    path = tmp_path / request.param
    MAKERS[request.param](path, [(name, data, {}) for name, data in FILES.items()])
    return path


@pytest.fixture
def target(tmp_path):
    """A folder to extract to, deep enough for ../.. to lead somewhere."""
    return tmp_path / "data" / "extracted"


def below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in pathlib.Path(folder).rglob("*")
        if path.is_file()
    }


def assert_refused(path, target, message):
    before = below(path.parent)

    with pytest.raises(ArchiveError, match=message) as caught:
        extract(path, target)

    assert str(path) in str(caught.value)
    assert below(path.parent) == before
    assert not list(target.iterdir())


def test_archive_is_extracted_as_it_is(archive, target):
    folder = extract(archive, target)

    assert below(folder) == FILES
    assert list(target.iterdir()) == [folder]


def test_archive_made_of_a_folder_is_extracted(tmp_path, target):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "1.jpg").write_bytes(b"1")
    with tarfile.open(tmp_path / "r.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "images", "./images")

    assert below(extract(tmp_path / "r.tar.gz", target)) == {"images/1.jpg": b"1"}


def test_extracted_archive_is_not_extracted_again(archive, target, monkeypatch):
    folder = extract(archive, target)
    monkeypatch.setattr(archives, "_extract", None)

    assert extract(archive, target) == folder


def test_other_archive_of_the_same_name_and_size_is_extracted(archive, target):
    first = extract(archive, target)
    files = {name: data[::-1] for name, data in FILES.items()}
    MAKERS[archive.name](archive, [(name, data, {}) for name, data in files.items()])

    second = extract(archive, target)

    assert below(first) == FILES
    assert below(second) == files


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "images/../../evil", "/tmp/evil", "..", "a/..\\..\\evil"),
        *("C:evil", "evil\n", "\x1b[2Jevil", "e" * 300),
    ],
)
def test_name_outside_the_folder_is_refused(tmp_path, target, kind, name):
    MAKERS[kind](tmp_path / kind, [("fine", b"1", {}), (name, b"2", {})])

    assert_refused(tmp_path / kind, target, "outside its folder")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"6", b"S"],
)
def test_what_is_no_plain_file_is_refused(tmp_path, target, kind):
    link = {"type": kind, "linkname": "/etc/passwd"}
    make_tar(tmp_path / "r.tar.gz", [("link", b"", link), ("link/file", b"1", {})])

    assert_refused(tmp_path / "r.tar.gz", target, "link or device, 'link'")


def test_link_in_a_zip_is_refused(tmp_path, target):
    link = {"external_attr": (stat.S_IFLNK | 0o777) << 16}
    make_zip(tmp_path / "r.zip", [("link", b"/etc", link), ("link/passwd", b"1", {})])

    assert_refused(tmp_path / "r.zip", target, "link or device, 'link'")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("again", ["1.jpg", "./1.jpg", "images/.././1.jpg"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_that_comes_twice_is_refused(tmp_path, target, kind, again):
    MAKERS[kind](tmp_path / kind, [("1.jpg", b"1", {}), (again, b"2", {})])

    assert_refused(tmp_path / kind, target, "'1.jpg' twice|outside its folder")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a/b/c"), ("a/b", "a")])
def test_name_that_is_a_file_and_a_folder_is_refused(tmp_path, target, kind, names):
    MAKERS[kind](tmp_path / kind, [(name, b"1", {}) for name in names])

    assert_refused(tmp_path / kind, target, "truncated or damaged")


def test_folder_that_is_listed_again_is_extracted(tmp_path, target):
    folder = {"type": tarfile.DIRTYPE}
    entries = [("a", b"", folder), ("a/b", b"1", {}), ("a/", b"", folder)]
    make_tar(tmp_path / "r.tar.gz", entries)

    assert below(extract(tmp_path / "r.tar.gz", target)) == {"a/b": b"1"}


@pytest.mark.parametrize("kind", MAKERS)
def test_too_many_files_are_refused(tmp_path, target, kind, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 20)
    MAKERS[kind](tmp_path / kind, [(str(i), b"", {}) for i in range(21)])

    assert_refused(tmp_path / kind, target, "more than 20 files")


def test_zip_with_a_million_files_is_refused_before_they_are_listed(
    tmp_path, target, monkeypatch
):
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 7, *[0] * 6)
    entries = b"".join(entry + b"%07d" % i for i in range(1_000_000))
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entries), 0, 0)
    (tmp_path / "r.zip").write_bytes(b"PK\3\4" + entries + end)
    monkeypatch.setattr(zipfile, "ZipFile", None)

    assert_refused(tmp_path / "r.zip", target, "more than 100000 files")


def zeros(num_bytes):
    """A gzip stream of zeros, made quickly of one that is repeated."""
    part = gzip.compress(bytes(10_000_000))
    return part * (num_bytes // 10_000_000)


def test_gigabytes_of_zeros_are_refused(tmp_path, target):
    info = tarfile.TarInfo("zeros")
    info.size = 10_000_000_000
    (tmp_path / "r.tar.gz").write_bytes(gzip.compress(info.tobuf()) + zeros(info.size))

    assert_refused(tmp_path / "r.tar.gz", target, "more than 100 times its size")


def test_zeros_behind_the_end_are_not_read_for_ever(tmp_path, target):
    end = zeros(1_000_000_000)
    (tmp_path / "r.tar.gz").write_bytes(gzip.compress(bytes(1024)) + end)

    assert_refused(tmp_path / "r.tar.gz", target, "headers that are longer")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_endless_header_is_refused(tmp_path, target, kind):
    info = tarfile.TarInfo("header")
    info.type, info.size = kind, 1_000_000_000
    (tmp_path / "r.tar.gz").write_bytes(gzip.compress(info.tobuf()) + zeros(info.size))

    assert_refused(tmp_path / "r.tar.gz", target, "headers that are longer")


def test_zip_of_zeros_is_refused(tmp_path, target):
    make_zip(tmp_path / "r.zip", [(str(i), bytes(50_000_000), {}) for i in range(4)])

    assert_refused(tmp_path / "r.zip", target, "more than 100 times its size")


def test_zip_that_understates_its_size_is_refused(tmp_path, target):
    make_zip(tmp_path / "r.zip", [("zeros", bytes(1_000_000), {})])
    data = (tmp_path / "r.zip").read_bytes()
    size = (1_000_000).to_bytes(4, "little")
    (tmp_path / "r.zip").write_bytes(data.replace(size, (10).to_bytes(4, "little")))

    assert_refused(tmp_path / "r.zip", target, "truncated or damaged")


def test_truncated_archive_is_refused_wherever_it_ends(archive, target):
    rng = random.Random(0)
    data = archive.read_bytes()
    # A tar ends with zeros, up to a multiple of 10,240; without some it is whole.
    whole = len(data.rstrip(b"\0")) + 512 if archive.suffix == ".tar" else len(data)

    for length in [*(rng.randrange(whole) for _ in range(10)), 0, whole - 1]:
        archive.write_bytes(data[:length])
        assert_refused(archive, target, "truncated or damaged")


@pytest.mark.parametrize("kind", ["r.tar.gz", "r.zip"])
def test_changed_byte_is_noticed(tmp_path, target, kind):
    noise = random.Random(0).randbytes(5000)
    MAKERS[kind](tmp_path / kind, [("noise", noise, {})])
    data = bytearray((tmp_path / kind).read_bytes())
    data[3000] ^= 255
    (tmp_path / kind).write_bytes(data)

    assert_refused(tmp_path / kind, target, "truncated or damaged")


def test_encrypted_zip_is_refused(tmp_path, target):
    make_zip(tmp_path / "r.zip", [("secret", b"1", {})])
    data = (tmp_path / "r.zip").read_bytes()
    flagged = data.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\1\0")
    assert flagged != data
    (tmp_path / "r.zip").write_bytes(flagged)

    assert_refused(tmp_path / "r.zip", target, "truncated or damaged")


@pytest.mark.parametrize(
    "data", [b"", b"<html>404</html>", b"PK", b"\x1f\x8b", bytes(5)]
)
def test_file_that_is_no_archive_is_refused(tmp_path, target, data):
    (tmp_path / "r.tar.gz").write_bytes(data)

    assert_refused(tmp_path / "r.tar.gz", target, "truncated or damaged")


def test_full_disk_is_told_from_a_damaged_archive(archive, target, monkeypatch):
    monkeypatch.setattr(
        archives.tfds.core.utils, "has_sufficient_disk_space", lambda *args: False
    )

    with pytest.raises(OSError, match="Not enough disk space to extract"):
        extract(archive, target)

    assert not list(target.iterdir())
