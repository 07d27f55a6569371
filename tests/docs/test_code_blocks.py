"""Every code block of README and guides runs, and its commands exist."""

import gzip
import shutil
import socket

import numpy as np
import pytest

sybil = pytest.importorskip("sybil")

import keras  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402

import mpii_pose  # noqa: E402
from mpii_pose.tools.main import main  # noqa: E402
from tests import builds, releases  # noqa: E402
from tests.docs import blocks  # noqa: E402

NUM_STEPS = 1


class BrieflyTrained(keras.Sequential):
    """A network of which the text trains for days."""

    def fit(self, *args, **kwargs):
        kwargs |= {"steps_per_epoch": NUM_STEPS, "epochs": 1, "verbose": 0}
        return super().fit(*args, **kwargs)


@pytest.fixture(scope="module")
def home(tmp_path_factory, drawn_release):
    """A home with a drawn release in ~/mpii and datasets built from it."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(drawn_release, folder / "mpii")
    data_dir = folder / "tensorflow_datasets"
    builds.build(data_dir, folder / "mpii")
    builds.build(data_dir, config="synthetic", max_examples_per_split=40)
    export = ["export", "croissant", str(data_dir / "mpii_pose" / "person" / "1.0.0")]
    assert main([*export, str(folder / "mpii_croissant")]) == 0
    annotations = folder / "path" / "to" / "mpii_annotations.json.gz"
    annotations.parent.mkdir(parents=True)
    plain = folder / "annotations.json"
    releases.write_cpm(plain, mpii_pose.read_people(drawn_release))
    annotations.write_bytes(gzip.compress(plain.read_bytes()))
    return folder


def refuse(*args):
    raise AssertionError("a code block of the documentation opens a connection")


def given():
    """What the text speaks of without making it."""
    pose = np.zeros([3, 16, 2], np.float32) + 50
    model = BrieflyTrained(
        [keras.layers.Conv2D(16, 5, strides=4, padding="same", name="heatmaps")]
    )
    return {
        "image": np.zeros([400, 600, 3], np.uint8),
        "model": model,
        "predicted": pose + 1,
        "truth": pose,
        "visibility": np.full([3, 16], 2),
        "head_size": np.full(3, 20.0),
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", blocks.DOCUMENTS, ids=lambda path: path.stem)
def test_each_code_block_runs(path, home, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    # TFDS has asked for the home already.
    monkeypatch.setattr(
        tfds.core.constants, "DATA_DIR", str(home / "tensorflow_datasets")
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(home)
    document = blocks.parse(path)
    document.namespace.update(given())

    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize(
    "command",
    [
        "python -m mpii_pose doctr ~/mpii",
        "python -m mpii_pose audit ~/mpii --htm page.html --nope",
        "python examples/training.py",
        "python examples/train.py --epoch_count 3",
        "tfds build mpii_pose --folder ~/mpii",
        "pip install '.[plots]'",
        "scripts/demonstrate",
        "mpii build",
    ],
)
def test_a_command_that_does_not_work_is_found(command, tmp_path):
    path = tmp_path / "guide.md"
    path.write_text(f"# Guide\n\n```bash\n{command}  # as one may write\n```\n")
    (example,) = blocks.parse(path).examples()

    with pytest.raises(blocks.BadCommandError):
        example.evaluate()


def test_code_that_does_not_run_is_found(tmp_path):
    path = tmp_path / "guide.md"
    path.write_text("```python\nimport mpii_pose\nmpii_pose.pckhh\n```\n")
    (example,) = blocks.parse(path).examples()

    with pytest.raises(AttributeError):
        example.evaluate()
