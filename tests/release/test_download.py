"""A release is taken from the folder of the user or downloaded, and nothing else."""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import sys
import time
import types

import pytest
import requests
import tensorflow_datasets as tfds
from etils import epath

import mpii_pose
from mpii_pose import tfds_private, workplace
from mpii_pose.release import archives, disk, download, official
from tests import builds, releases
from tests.servers import Server, serving

ANNOTATIONS = "mpii_human_pose_v1_u12_2"


class Downloads:
    """Stands for TFDS's download manager, with the files already there."""

    def __init__(self, download_dir: pathlib.Path):
        self.download_dir = download_dir

    @property
    def manual_dir(self):
        folder = self.download_dir / "manual"
        if not folder.exists():  # As TFDS does.
            raise AssertionError
        return epath.Path(folder)

    def download(self, urls):
        return {name: epath.Path(self.download_dir) / name for name in urls}


@pytest.fixture
def release(drawn_release, tmp_path):
    """A copy of the drawn release that a test may damage."""
    return pathlib.Path(shutil.copytree(drawn_release, tmp_path / "release"))


@pytest.fixture
def downloads(release, tmp_path, monkeypatch):
    """Downloads of the drawn release, which pass for the published ones."""
    pack(release, tmp_path / "downloads")
    manager = Downloads(tmp_path / "downloads")
    md5 = official.md5(manager.download_dir / official.IMAGES_ARCHIVE)
    monkeypatch.setattr(official, "IMAGES_MD5", md5)
    (matlab_file,) = release.rglob("*.mat")
    blob = official.git_blob_id(matlab_file.read_bytes())
    monkeypatch.setattr(official, "MATLAB_GIT_BLOB", blob)
    sizes = {n: (manager.download_dir / n).stat().st_size for n in official.URLS}
    monkeypatch.setattr(official, "ARCHIVE_BYTES", sizes)
    monkeypatch.setattr(official, "IMAGES_BYTES", sizes[official.IMAGES_ARCHIVE])
    return manager


def pack(release, folder):
    shutil.make_archive(folder / "mpii_human_pose_v1", "gztar", release, "images")
    shutil.make_archive(folder / ANNOTATIONS, "zip", release, ANNOTATIONS)


def assert_whole(release):
    assert list(release.people) == ["train", "validation", "validation_others", "test"]
    assert all((release.image_folder / n).exists() for n in release.image_names)


def test_downloads_are_read_and_the_images_extracted(downloads):
    release = download.obtain_release(downloads)

    assert_whole(release)
    assert downloads.download_dir / "extracted" in release.image_folder.parents


@pytest.mark.parametrize(
    ("name", "kind"), [("IMAGES_MD5", "MD5"), ("MATLAB_GIT_BLOB", "git blob id")]
)
def test_downloads_of_another_identity_are_refused(downloads, monkeypatch, name, kind):
    monkeypatch.setattr(official, name, "0123")

    with pytest.raises(ValueError, match=f"expected {kind} 0123, found"):
        download.obtain_release(downloads)


def test_git_blob_id_is_gits(tmp_path):
    (tmp_path / "file").write_bytes(b"hello\n")

    # What `git hash-object` prints for it.
    expected = "ce013625030ba8dba906f756967f9e9ca394464a"
    assert official.git_blob_id((tmp_path / "file").read_bytes()) == expected


@pytest.mark.parametrize(
    "content",
    [
        '{"images": [], "annotations": []}',
        "not even JSON",
        '[{"image": "1.jpg", "center": [1, 1], "scale": 1, "joints": [[1, 1]]}]',
        '[{"text": "a caption"}]',
    ],
    ids=["coco", "broken", "other_keypoints", "captions"],
)
@pytest.mark.parametrize("name", ["train.json", "mpii_annotations.json"])
def test_files_of_others_in_the_shared_folder_are_not_taken(
    downloads, log, content, name
):
    manual_dir = downloads.download_dir / "manual"
    manual_dir.mkdir()
    (manual_dir / name).write_text(content)

    assert_whole(download.obtain_release(downloads))

    assert "Downloading MPII Human Pose: " in log.text
    assert str(manual_dir / name) in log.text


def test_a_release_in_the_shared_folder_is_taken(downloads, release, monkeypatch):
    shutil.copytree(release, downloads.download_dir / "manual")
    monkeypatch.setattr(download, "download_release", None)

    assert_whole(download.obtain_release(downloads))


def test_damaged_release_in_the_shared_folder_is_an_error(downloads, release):
    people = mpii_pose.read_people(release)
    manual_dir = downloads.download_dir / "manual"
    releases.write_hrnet(manual_dir, people, {"train": "train.json"})
    records = json.loads((manual_dir / "train.json").read_text())
    records[1]["scale"] = 0
    (manual_dir / "train.json").write_text(json.dumps(records))

    with pytest.raises(mpii_pose.AnnotationError, match=r"record 1.* scale must be"):
        download.obtain_release(downloads)


@pytest.mark.parametrize("beside", ["stray", "empty", "other"])
def test_images_are_extracted_if_some_are_missing(downloads, release, tmp_path, beside):
    manual_dir = tmp_path / "mpii"
    pack(release, manual_dir)
    (manual_dir / "images").mkdir()
    names = {"stray": sorted(os.listdir(release / "images"))[:1], "other": ["1.jpg"]}
    for name in names.get(beside, []):
        (manual_dir / "images" / name).write_bytes(b"")

    assert_whole(download.obtain_release(downloads, manual_dir=manual_dir))


def test_images_that_are_all_there_are_not_extracted(
    downloads, release, tmp_path, monkeypatch
):
    pack(release, release)
    monkeypatch.setattr(archives, "extract", None)

    assert_whole(download.obtain_release(downloads, manual_dir=release))


def test_extraction_that_lost_images_is_made_again(downloads):
    first = download.obtain_release(downloads)
    (first.image_folder / first.image_names[0]).unlink()

    second = download.obtain_release(downloads)

    assert_whole(second)
    assert second.image_folder == first.image_folder


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("no route to host"),
        tfds.download.DownloadError("no route to host"),
        TimeoutError("no route to host"),
    ],
)
def test_no_network_and_no_files_tell_what_to_put_where(downloads, monkeypatch, error):
    def fail(urls):
        raise error

    monkeypatch.setattr(downloads, "download", fail, raising=False)

    with pytest.raises(ConnectionError, match="Cannot download MPII Human") as caught:
        download.obtain_release(downloads)

    hints = ("no route", "--manual_dir", official.IMAGES_ARCHIVE, "mpii_pose/synthetic")
    assert all(hint in str(caught.value) for hint in hints)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError("read-only"),
        KeyError("a bug of ours"),
    ],
)
def test_other_errors_while_downloading_are_not_the_networks(
    downloads, monkeypatch, error
):
    def fail(urls):
        raise error

    monkeypatch.setattr(downloads, "download", fail, raising=False)

    with pytest.raises(type(error)) as caught:
        download.obtain_release(downloads)

    assert caught.value is error


@pytest.fixture
def server(downloads):
    """A mirror of the drawn release, whose files pass for the published ones."""
    archives = {name: downloads.download_dir / name for name in official.URLS}
    with serving(
        Server({f"/mpii/{n}": p.read_bytes() for n, p in archives.items()})
    ) as s:
        yield s


@pytest.fixture
def manager(tmp_path):
    return tfds.download.DownloadManager(
        download_dir=tmp_path / "cache", dataset_name="mpii_pose"
    )


@pytest.mark.parametrize("by", ["option", "environment"])
def test_mirror_is_downloaded_from_and_cuts_cost_nothing(
    server, manager, tmp_path, monkeypatch, by
):
    size = len(server.content[f"/mpii/{official.IMAGES_ARCHIVE}"])
    server.cuts = [size // 3, size // 2]
    mirror = f"{server.url}mpii"
    if by == "environment":
        monkeypatch.setenv("MPII_POSE_MIRROR", f"{mirror}/")
        mirror = None

    release = download.obtain_release(manager, mirror=mirror)

    assert_whole(release)
    assert sum(server.sent) <= sum(map(len, server.content.values())) + (2 << 20)
    left = [p.name for p in (tmp_path / "cache" / "mpii_pose").iterdir()]
    # Files as TFDS names them, each with its note.
    assert sorted(left) == sorted(
        name + suffix
        for name in map(tfds_private.get_dl_fname, official.URLS.values())
        for suffix in ("", ".INFO")
    )


def test_what_was_downloaded_is_not_asked_for_again(server, manager, tmp_path):
    download.obtain_release(manager, mirror=f"{server.url}mpii")
    again = tfds.download.DownloadManager(
        download_dir=tmp_path / "cache", dataset_name="mpii_pose"
    )

    assert_whole(download.obtain_release(again, mirror=f"{server.url}mpii"))

    assert len(server.asked) == 2


def test_checksums_are_registered_and_checked_as_tfds_does(server, tmp_path):
    checksums = tmp_path / "checksums.tsv"
    checksums.touch()
    options = {"download_dir": tmp_path / "cache", "dataset_name": "mpii_pose"}
    mirror = f"{server.url}mpii"
    registering = tfds.download.DownloadManager(
        **options, register_checksums=True, register_checksums_path=checksums
    )

    download.obtain_release(registering, mirror=mirror)

    rows = [line.split("\t") for line in checksums.read_text().splitlines()]
    assert sorted(row[0] for row in rows) == sorted(official.URLS.values())
    for url, size, sha256, name in rows:
        content = server.content[f"/mpii/{name}"]
        assert url.endswith(name)
        assert int(size) == len(content)
        assert sha256 == hashlib.sha256(content).hexdigest()
    checking = tfds.download.DownloadManager(**options, force_checksums_validation=True)
    with pytest.raises(ValueError, match="Missing checksums url"):
        download.obtain_release(checking, mirror=mirror)


def test_stopped_download_keeps_what_it_has(server, manager, tmp_path, monkeypatch):
    size = len(server.content[f"/mpii/{official.IMAGES_ARCHIVE}"])
    server.cuts = [size // 2]
    server.on_cut = lambda: server.statuses.extend([404])
    with pytest.raises(ConnectionError, match=r"404 .*are kept in .*\.part") as caught:
        download.obtain_release(manager, mirror=f"{server.url}mpii")
    assert "MPII_POSE_MIRROR" in str(caught.value)
    folder = tmp_path / "cache" / "mpii_pose"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".part"]
    again = tfds.download.DownloadManager(
        download_dir=tmp_path / "cache", dataset_name="mpii_pose"
    )

    assert_whole(download.obtain_release(again, mirror=f"{server.url}mpii"))

    assert sum(server.sent) <= sum(map(len, server.content.values())) + (1 << 20)


def test_ctrl_c_says_what_is_kept_of_a_download_and_the_same_command_goes_on(
    server, tmp_path, monkeypatch
):
    size = len(server.content[f"/mpii/{official.IMAGES_ARCHIVE}"])
    server.cuts = [size // 2]
    monkeypatch.setenv("MPII_POSE_MIRROR", f"{server.url}mpii")

    def interrupt(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", interrupt)  # In the pause after the cut.
        with pytest.raises(KeyboardInterrupt) as caught:
            builds.build(tmp_path)

    (part,) = (tmp_path / "downloads" / "mpii_pose").glob("*.part")
    assert part.stat().st_size == size // 2
    assert str(caught.value) == (
        "Stopped building mpii_pose; what was written of it is removed. "
        f"{server.url}mpii/{official.IMAGES_ARCHIVE}: {size // 2 / 1e6:.1f} MB are "
        f"kept in {part}: the same command goes on there"
    )
    builds.build(tmp_path)
    assert sum(server.sent) <= sum(map(len, server.content.values())) + (1 << 20)


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free on the disk."""

    def set_free(num_bytes):
        usage = types.SimpleNamespace(free=num_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    return set_free


def test_disk_for_all_steps_is_told_before_the_first_byte(
    server, manager, tmp_path, log, free
):
    server.statuses = [404]
    sizes = sum(official.ARCHIVE_BYTES.values()) + official.IMAGES_BYTES
    dataset = disk.Step("building mpii_pose/person", tmp_path, 5, is_estimate=True)
    free(sizes + 5)

    with pytest.raises(ConnectionError, match="404"):
        download.download_release(manager, mirror=f"{server.url}mpii", dataset=dataset)

    (told,) = (r for r in log.records if "MPII Human Pose on disk: " in r.message)
    for name in ("downloading the archives", "extracting the images", str(dataset)):
        assert name in told.message
    assert told.levelname == "INFO"
    assert not server.sent


def test_on_a_terminal_disk_is_told_where_tfds_tells_of_the_dataset(
    server, manager, monkeypatch, capsys, log
):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    download.download_release(manager, mirror=f"{server.url}mpii")

    assert "MPII Human Pose on disk: downloading the" in capsys.readouterr().out
    assert "on disk" not in log.text


def test_disk_that_may_not_be_enough_is_warned_of(server, manager, tmp_path, log, free):
    sizes = sum(official.ARCHIVE_BYTES.values()) + official.IMAGES_BYTES
    dataset = disk.Step("building mpii_pose/person", tmp_path, 5, is_estimate=True)
    free(sizes)

    download.download_release(manager, mirror=f"{server.url}mpii", dataset=dataset)

    (told,) = (r for r in log.records if "MPII Human Pose on disk: " in r.message)
    assert told.levelname == "WARNING"
    assert "may not be enough. Free some space, or" in told.message


def test_disk_that_is_not_enough_is_an_error_before_the_first_byte(
    server, manager, free
):
    free(sum(official.ARCHIVE_BYTES.values()) + official.IMAGES_BYTES - 1)

    with pytest.raises(OSError, match=r"nothing was downloaded.* extracting") as caught:
        download.download_release(manager, mirror=f"{server.url}mpii")

    assert caught.value.errno == errno.ENOSPC
    assert "--extract_dir" in str(caught.value)
    assert not server.asked


def test_download_and_extraction_that_are_there_need_no_room(
    server, manager, log, free
):
    download.obtain_release(manager, mirror=f"{server.url}mpii")
    log.clear()
    free(1)

    download.obtain_release(manager, mirror=f"{server.url}mpii")

    assert "on disk" not in log.text


def test_download_that_another_host_may_be_writing_is_left_alone(
    server, manager, tmp_path
):
    folder = tmp_path / "cache" / "mpii_pose"
    folder.mkdir()
    part = folder / f"{official.IMAGES_ARCHIVE}.part"
    part.write_bytes(b"theirs")
    note = folder / f"{part.name}.owner"
    note.write_text(workplace.Owner("elsewhere", 1, 0.0).to_json())

    with pytest.raises(BlockingIOError, match="process 1 on host elsewhere") as caught:
        download.obtain_release(manager, mirror=f"{server.url}mpii")

    assert part.read_bytes() == b"theirs"
    assert f"rm {note}" in str(caught.value)
    note.unlink()
    assert_whole(download.obtain_release(manager, mirror=f"{server.url}mpii"))


def test_mirror_that_is_no_web_address_is_refused(manager):
    with pytest.raises(ValueError, match=r"http address.*--manual_dir"):
        download.obtain_release(manager, mirror="/mnt/mpii")
