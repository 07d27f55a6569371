"""Fixtures that several test modules share."""

import collections
import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
from absl import logging

import mpii_pose
from mpii_pose import synthetic
from mpii_pose.release import find

# PyTorch's optimizers load Triton. It and TensorFlow each bring an LLVM, and a process
# that loads Triton's second is aborted.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401

People = Mapping[str, list[mpii_pose.PersonAnnotation]]
SHARED_MPII = pathlib.Path(__file__).parents[2] / "shared" / "mpii"


@pytest.fixture(scope="session")
def real_mpii() -> pathlib.Path:
    """Real annotations and five real images, which are not part of the project."""
    if not SHARED_MPII.is_dir():
        pytest.skip(f"no real MPII data in {SHARED_MPII}")
    return SHARED_MPII


@pytest.fixture(scope="session")
def real_people_and_sizes(real_mpii: pathlib.Path) -> tuple[Mapping, Mapping]:
    """All that CPM's copy of the real annotations says, read once."""
    return find.find(real_mpii / "cpm_annotations.json.gz").source.read()


@pytest.fixture(scope="session")
def real_people(real_people_and_sizes: tuple[Mapping, Mapping]) -> People:
    """All 25,204 labelled people, by split; not to be changed."""
    return real_people_and_sizes[0]


@pytest.fixture(scope="session")
def real_image_sizes(real_people_and_sizes: tuple[Mapping, Mapping]) -> Mapping:
    """(height, width) of the images of `real_people`, by name."""
    return real_people_and_sizes[1]


@pytest.fixture(scope="session")
def drawn_release(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A release of 40 labelled people in the official layout; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    synthetic.write_release(folder, num_people=40, seed=3)
    return folder


@pytest.fixture(scope="session")
def drawn_people(drawn_release: pathlib.Path) -> People:
    """The people of `drawn_release`, by split; not to be changed."""
    return mpii_pose.read_people(drawn_release)


@pytest.fixture
def release(drawn_release: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of `drawn_release` that a test may damage."""
    return pathlib.Path(shutil.copytree(drawn_release, tmp_path / "release"))


@pytest.fixture
def without_rights(tmp_path: pathlib.Path) -> Iterator[Callable[[pathlib.Path], None]]:
    """Takes the rights on a path away, for the rest of a test; from root, too."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no rights of other users on this system")
    root, modes = os.geteuid() == 0, {}

    def close(path: pathlib.Path) -> None:
        for folder in (tmp_path, *tmp_path.parents):
            modes[folder] = folder.stat().st_mode
            if modes[folder] & 0o055 != 0o055:
                folder.chmod(modes[folder] | 0o055)
        modes[path] = path.stat().st_mode
        path.chmod(0)
        if root:
            os.seteuid(65534)

    yield close
    if root:
        os.seteuid(0)
    for path, mode in modes.items():
        if path.stat().st_mode != mode:
            path.chmod(mode)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged, as `tfds build` shows it."""
    caplog.set_level("INFO", logger=logging.get_absl_logger().name)
    return caplog


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints why tests were skipped: a line for each reason."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = collections.Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in reports
    )
    del reasons["Not a test."]  # TFDS's test case is no test of its own.
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} skipped: {reason}")
