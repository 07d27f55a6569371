"""A release is taken from the folder of the user or downloaded, and nothing else."""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import time
import types
from unittest import mock

import pytest
import requests
import tensorflow_datasets as tfds
from etils import epath

import mpii_pose
from mpii_pose import tfds_private
from mpii_pose.release import archives, download, official
from mpii_pose.shards.layouts import LAYOUTS
from tests import releases
from tests.releases import ANNOTATIONS, MATLAB_PATH
from tests.servers import Server, serving

# Address of the images on the mirror.
IMAGES = f"/mpii/{official.IMAGES_ARCHIVE}"


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
def downloads(release, tmp_path, monkeypatch):
    """Downloads of the drawn release, which pass for the published ones."""
    pack(release, tmp_path / "downloads")
    manager = Downloads(tmp_path / "downloads")
    md5 = official.md5(manager.download_dir / official.IMAGES_ARCHIVE)
    monkeypatch.setattr(official, "IMAGES_MD5", md5)
    blob = official.git_blob_id((release / MATLAB_PATH).read_bytes())
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


@pytest.mark.parametrize(
    ("name", "kind"), [("IMAGES_MD5", "MD5"), ("MATLAB_GIT_BLOB", "git blob id")]
)
def test_downloads_of_another_identity_are_refused(downloads, monkeypatch, name, kind):
    published = getattr(official, name)
    monkeypatch.setattr(official, name, "0123")
    path = downloads.download_dir / official.IMAGES_ARCHIVE
    if kind != "MD5":
        path = downloads.download_dir / official.ANNOTATIONS_ARCHIVE / MATLAB_PATH

    with pytest.raises(ValueError, match="expected") as caught:
        download.obtain_release(downloads)

    assert str(caught.value) == (
        f"{path}: expected {kind} 0123, found {published}; the download is damaged, or "
        "a mirror (MPII_POSE_MIRROR) has another file: remove it and try again"
    )


def test_identities_are_those_of_git_and_md5sum_on_fips_too(tmp_path, monkeypatch):
    for name in ("md5", "sha1"):
        function = getattr(hashlib, name)

        def without_security(data=b"", *, usedforsecurity=True, function=function):
            assert not usedforsecurity
            return function(data)

        monkeypatch.setattr(hashlib, name, without_security)
    (tmp_path / "file").write_bytes(b"hello\n")

    # What `git hash-object` and `md5sum` print for it.
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"
    assert official.git_blob_id((tmp_path / "file").read_bytes()) == blob
    assert official.md5(tmp_path / "file") == "b1946ac92492d2347c6235b4d2611184"


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
def test_others_files_in_the_shared_folder_are_left(downloads, log, content, name):
    manual_dir = downloads.download_dir / "manual"
    manual_dir.mkdir()
    (manual_dir / name).write_text(content)

    assert_whole(download.obtain_release(downloads))

    assert "Downloading MPII Human Pose: " in log.text
    assert str(manual_dir / name) in log.text


def test_a_release_in_the_shared_folder_is_taken(downloads, release, monkeypatch):
    pack(release, release)
    shutil.copytree(release, downloads.download_dir / "manual")
    monkeypatch.setattr(download, "download_release", None)
    monkeypatch.setattr(archives, "extract", None)

    assert_whole(download.obtain_release(downloads))


def test_damaged_release_in_the_shared_folder_is_an_error(downloads, drawn_people):
    manual_dir = downloads.download_dir / "manual"
    releases.write_hrnet(manual_dir, drawn_people, {"train": "train.json"})
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


def fail_with(error, downloads, monkeypatch):
    def fail(urls):
        raise error

    monkeypatch.setattr(downloads, "download", fail, raising=False)
    with pytest.raises(Exception, match=r".") as caught:
        download.obtain_release(downloads)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectionError("no route to host"),
        tfds.download.DownloadError("no route to host"),
        TimeoutError("no route to host"),
    ],
)
def test_no_network_and_no_files_name_what_to_put_where(downloads, monkeypatch, error):
    found = fail_with(error, downloads, monkeypatch)

    assert type(found) is ConnectionError
    assert str(found).startswith("Cannot download MPII Human Pose (no route to host)")
    hints = ("--manual_dir", official.IMAGES_ARCHIVE, "mpii_pose/synthetic")
    assert all(hint in str(found) for hint in hints)
    assert str(found).endswith("on the web: MPII_POSE_MIRROR=https://...")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyError("a bug")]
)
def test_other_errors_are_not_the_networks(downloads, monkeypatch, error):
    assert fail_with(error, downloads, monkeypatch) is error


@pytest.fixture
def server(downloads, monkeypatch):
    """A mirror of the drawn release, whose files pass for the published ones."""
    folder = downloads.download_dir
    files = {f"/mpii/{name}": (folder / name).read_bytes() for name in official.URLS}
    with serving(Server(files)) as running:
        monkeypatch.setenv("MPII_POSE_MIRROR", f"{running.url}mpii/")
        yield running


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free on the disk."""

    def set_free(num_bytes):
        usage = types.SimpleNamespace(free=num_bytes)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    return set_free


def new_manager(tmp_path, **options):
    return tfds.download.DownloadManager(
        download_dir=tmp_path / "cache", dataset_name="mpii_pose", **options
    )


@pytest.fixture
def manager(tmp_path):
    return new_manager(tmp_path)


def assert_nearly_all_was_sent_once(server, again=1 << 20):
    assert sum(server.sent) <= sum(map(len, server.content.values())) + again


def test_mirror_is_downloaded_from_once_and_cuts_cost_nothing(
    server, manager, tmp_path, log, free
):
    size = len(server.content[IMAGES])
    server.cuts = [size // 3, size // 2]

    release = download.obtain_release(manager)

    assert_whole(release)
    assert tmp_path / "cache" / "extracted" in release.image_folder.parents
    assert_nearly_all_was_sent_once(server, again=2 << 20)
    left = [p.name for p in (tmp_path / "cache" / "mpii_pose").iterdir()]
    # Files as TFDS names them, each with its note.
    assert sorted(left) == sorted(
        name + suffix
        for name in map(tfds_private.get_dl_fname, official.URLS.values())
        for suffix in ("", ".INFO")
    )
    log.clear()
    free(1)
    asked = len(server.asked)
    assert_whole(download.obtain_release(new_manager(tmp_path)))
    assert len(server.asked) == asked
    assert "on disk" not in log.text


def test_checksums_are_registered_and_checked_as_tfds_does(server, tmp_path):
    checksums = tmp_path / "checksums.tsv"
    checksums.touch()
    registering = new_manager(
        tmp_path, register_checksums=True, register_checksums_path=checksums
    )

    download.obtain_release(registering)

    rows = [line.split("\t") for line in checksums.read_text().splitlines()]
    assert sorted(row[0] for row in rows) == sorted(official.URLS.values())
    for url, size, sha256, name in rows:
        content = server.content[f"/mpii/{name}"]
        assert url.endswith(name)
        assert int(size) == len(content)
        assert sha256 == hashlib.sha256(content).hexdigest()
    checking = new_manager(tmp_path, force_checksums_validation=True)
    with pytest.raises(ValueError, match="Missing checksums url"):
        download.obtain_release(checking)


@pytest.mark.parametrize("stop", [ConnectionError, KeyboardInterrupt])
def test_stopped_download_goes_on(server, manager, tmp_path, monkeypatch, stop):
    size = len(server.content[IMAGES])
    server.cuts = [size // 2]
    if stop is ConnectionError:
        server.on_cut = lambda: server.statuses.extend([404])
    else:
        pause = mock.Mock(side_effect=KeyboardInterrupt)
        monkeypatch.setattr(time, "sleep", pause)  # After the cut.
    with pytest.raises(stop) as caught:
        download.obtain_release(manager)
    folder = tmp_path / "cache" / "mpii_pose"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".part"]
    (part,) = folder.glob("*.part")
    assert part.stat().st_size == size // 2
    text = f"{size // 2 / 1e6:.1f} MB are kept in {part}: the same command goes on ther"
    assert f"{server.url[:-1]}{IMAGES}: " in str(caught.value)
    assert text in str(caught.value)

    assert_whole(download.obtain_release(new_manager(tmp_path)))

    assert_nearly_all_was_sent_once(server)


@pytest.mark.parametrize(
    ("lacking", "level"), [(0, "WARNING"), (1, "WARNING"), (5, "WARNING"), (6, None)]
)
def test_disk_is_logged_first(server, manager, tmp_path, log, free, lacking, level):
    server.statuses = [404]
    sizes = sum(official.ARCHIVE_BYTES.values()) + official.IMAGES_BYTES
    dataset = download.Step("building mpii_pose/person", tmp_path, 5, is_estimate=True)
    free(sizes + 5 - lacking)

    with pytest.raises(OSError, match=r".") as caught:
        download.download_release(manager, dataset=dataset)

    logged = [r for r in log.records if "MPII Human Pose on disk: " in r.message]
    assert [r.levelname for r in logged] == [level] * bool(level)
    text = logged[0].message if level else str(caught.value)
    for name in ("downloading the archives", "extracting the images", str(dataset)):
        assert name in text
    if level:
        assert "the server answered 404" in str(caught.value)
        assert ("That may not be enough. Free some space" in text) == bool(lacking)
        assert not server.sent
    else:
        assert caught.value.errno == errno.ENOSPC
        assert "Not enough disk space; nothing was downloaded" in text
        assert not server.asked
    assert ("choose other disks with --data_dir, --dow" in text) == bool(lacking)


def test_mirror_that_is_no_web_address_is_refused(manager, monkeypatch):
    monkeypatch.setenv("MPII_POSE_MIRROR", "/mnt/mpii")

    with pytest.raises(ValueError, match=r"http address.*--manual_dir"):
        download.obtain_release(manager)


def test_bytes_that_are_there_are_not_written_again(tmp_path):
    def steps():
        found = download.release_steps(tmp_path, tmp_path / "extracted")
        return [(step.name.split()[0], step.num_bytes) for step in found]

    def write(path, num_bytes):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(num_bytes)

    archives = sum(official.ARCHIVE_BYTES.values())
    everything = [("downloading", archives), ("extracting", official.IMAGES_BYTES)]
    assert steps() == everything
    write(tmp_path / "else.tar.gz", 10**9)
    write(tmp_path / "extracted/mpii_pose/incomplete.ABC123_a/1.jpg", 10**9)
    assert steps() == everything
    write(tmp_path / "mpii_pose/a.tar.gz.part", 9 * 10**9)
    assert steps() == [("downloading", archives - 9 * 10**9), everything[1]]
    write(tmp_path / "mpii_pose/a.tar.gz.part", archives - 10**7)
    assert steps() == everything[1:]
    write(tmp_path / "extracted/mpii_pose/a.tar.gz.0123/1.jpg", official.IMAGES_BYTES)
    assert not steps()


@pytest.mark.parametrize("layout", [*LAYOUTS, "of_my_own"])
def test_a_few_examples_of_a_layout_take_a_part_of_its_size(layout):
    whole = download.dataset_step(layout, "data")
    some = download.dataset_step(layout, "data", max_examples=10)

    assert whole.num_bytes == official.DATASET_BYTES.get(layout, 21_400_000_000)
    assert f"mpii_pose/{layout} about " in str(whole)
    share = 40 / sum(official.PEOPLE.values())
    assert some.num_bytes == pytest.approx(whole.num_bytes * share, abs=1)


def test_steps_on_one_file_system_are_summed_and_on_others_not(tmp_path, monkeypatch):
    other = pathlib.Path("/proc")
    if not other.exists() or other.stat().st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("needs two file systems")
    free = {tmp_path: 3 * 10**9, other: 10**9}
    usage = lambda path: types.SimpleNamespace(free=free[path])  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)

    steps = [
        download.Step("downloading", tmp_path / "not" / "yet", 10**9),
        download.Step("extracting", other / "nor_this", 2 * 10**9),
        download.Step("building", tmp_path, 2 * 10**9, is_estimate=True),
        download.Step("storing", "gs://bucket/data", 9 * 10**9),
    ]

    here, there = download.by_disk(steps)

    words = "downloading 1.0 GB + building about 2.0 GB = 3.0 GB; 3.0 GB are free in"
    assert here.text == f"{words} {tmp_path}"
    assert here.suffices
    assert there.text == f"extracting 2.0 GB; 1.0 GB are free in {other}"
    assert not there.suffices
