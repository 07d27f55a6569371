"""Files appear whole or not at all, where the user meant them to."""

import os

import pytest

from mpii_pose import files


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_failure_leaves_everything_as_it_was(tmp_path, before, error):
    path = tmp_path / "out"
    if before is not None:
        path.write_bytes(before)

    with pytest.raises(error), files.whole_file(path) as file:  # noqa: PT012
        file.write(b"half")
        raise error

    assert (path.read_bytes() if path.exists() else None) == before
    assert len(list(tmp_path.iterdir())) == (before is not None)


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_is_made_or_replaced_and_nothing_else_left(tmp_path, is_link):
    path, name = tmp_path / "out", tmp_path / "out"
    if is_link:
        name = tmp_path / "link"
        name.symlink_to("out")
    else:
        path.write_bytes(b"old and long")

    with files.whole_file(name) as file:
        file.write(b"new")

    assert path.read_bytes() == b"new"
    assert name.is_symlink() == is_link
    assert set(tmp_path.iterdir()) == {path, name}


@pytest.mark.parametrize("name", ["none/out", "lost"])
def test_a_missing_folder_is_named_with_the_file_that_was_asked_for(tmp_path, name):
    (tmp_path / "lost").symlink_to(tmp_path / "none" / "out")

    with pytest.raises(FileNotFoundError) as caught, files.whole_file(tmp_path / name):
        pass

    assert caught.value.filename == str(tmp_path / name)


def test_a_folder_is_not_replaced_and_an_error_keeps_its_words(tmp_path):
    with pytest.raises(IsADirectoryError), files.whole_file(tmp_path):
        pass
    with pytest.raises(OSError, match="no codec"), files.whole_file(tmp_path / "a"):
        raise OSError("no codec")


def test_a_pipe_is_written_to_and_stays(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    with files.whole_file(path) as file:
        file.write(b"through")

    assert os.read(reader, 99) == b"through"
    assert path.is_fifo()
    os.close(reader)


def test_a_link_stays_and_its_file_is_replaced_with_the_same_mode(tmp_path):
    (tmp_path / "disk").mkdir()
    path, link = tmp_path / "disk" / "out", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o600)
    link.symlink_to(path.relative_to(tmp_path))

    for content in (b"new", b"newer"):
        with files.whole_file(link) as file:
            file.write(content)
            (partial,) = path.parent.glob(".out.*")
            assert partial.stat().st_mode & 0o777 == 0o600
        assert link.is_symlink()
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o600
