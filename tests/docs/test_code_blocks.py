"""Every code block of README and guides runs; commands and figures are right."""

import gzip
import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import unittest

import numpy as np
import pytest

sybil = pytest.importorskip("sybil")

import keras  # noqa: E402
import tensorflow_datasets as tfds  # noqa: E402

import mpii_pose  # noqa: E402
from mpii_pose.release import official  # noqa: E402
from mpii_pose.release.download import in_gb  # noqa: E402
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
    arrays = ["--file_format", "array_record", "--data_dir", str(folder / "arrays")]
    assert main(["build", "synthetic", *arrays, "--max_examples_per_split", "40"]) == 0
    export = ["export", "croissant", str(data_dir / "mpii_pose" / "person" / "1.0.0")]
    assert main([*export, str(folder / "mpii_croissant")]) == 0
    annotations = folder / "path" / "to" / "mpii_annotations.json.gz"
    annotations.parent.mkdir(parents=True)
    plain = folder / "annotations.json"
    releases.write_cpm(plain, mpii_pose.read_people(drawn_release))
    annotations.write_bytes(gzip.compress(plain.read_bytes()))
    return folder


def refuse(self, address):
    # PyTorch's workers talk to their process.
    assert self.family == socket.AF_UNIX, "code of the documentation opens a connection"
    return connect(self, address)


connect = socket.socket.connect


def given():
    """What the text speaks of without making it."""
    pose = np.zeros([3, 16, 2], np.float32) + 50
    layer = keras.layers.Conv2D(16, 5, strides=4, padding="same", name="heatmaps")
    return {
        "installed": {"torch"} if importlib.util.find_spec("torch") else set(),
        "image": np.zeros([400, 600, 3], np.uint8),
        "model": BrieflyTrained([layer]),
        "predicted": pose + 1,
        "truth": pose,
        "visibility": np.full([3, 16], 2),
        "head_size": np.full(3, 20.0),
    }


@pytest.mark.slow
@pytest.mark.parametrize("path", blocks.DOCUMENTS, ids=lambda path: path.stem)
def test_each_code_block_runs(path, home, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    # TFDS has asked for the home already.
    monkeypatch.setattr(
        tfds.core.constants, "DATA_DIR", str(home / "tensorflow_datasets")
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(home)
    document = blocks.parse(path)
    document.namespace.update(given())

    skipped = []
    for example in document.examples():
        try:
            example.evaluate()
        except unittest.SkipTest as reason:
            skipped.append(f"line {example.line}: {reason}")
    if path.name == "README.md":
        assert document.namespace["metric"].scores().total == 100
        load = "import mpii_pose.keras, keras; keras.models.load_model('pose.keras')"
        subprocess.run([sys.executable, "-c", load], check=True)
    if path.name == "frameworks.md" and not skipped:
        predicted = mpii_pose.read_predictions("pred_test.mat")
        assert predicted.shape == (40, 16, 2)
    if skipped:
        pytest.skip(f"all others ran; {', '.join(skipped)}")


# Whether what each row of README's table makes is as it should be.
MADE = {
    "Keras": lambda made: made["model"].optimizer.iterations == len(made["train"]),
    "PyTorch": lambda made: next(iter(made["loader"]))[0].shape[1:] == (3, 256, 256),
    "JAX, grain": lambda made: made["batches"][0]["image"].shape[1:] == (256, 256, 3),
    "NumPy": lambda made: made["example"]["image"].shape == (256, 256, 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("framework", MADE)
def test_each_row_of_what_i_use_runs(framework, drawn_release, tmp_path, monkeypatch):
    rows = blocks.table(blocks.ROOT / "README.md", "I use")
    assert rows.keys() == MADE.keys()
    made = given() | {"mpii_pose": mpii_pose}
    if framework == "PyTorch":
        made["DataLoader"] = pytest.importorskip("torch.utils.data").DataLoader
    if framework == "JAX, grain":
        made["grain"] = pytest.importorskip("grain")
    made["t"] = mpii_pose.PoseTransform(augmentation=mpii_pose.Augmentation.hrnet())
    made["model"] = keras.Sequential([keras.layers.Conv2D(16, 5, 4, padding="same")])
    made["model"].compile("adam", mpii_pose.HeatmapLoss())
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    builds.build(tmp_path, drawn_release, file_format="array_record")

    exec("\n".join(rows[framework]), made)

    assert MADE[framework](made)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("bash", "python -m mpii_pose doctr ~/mpii"),
        ("bash", "python -m mpii_pose audit ~/mpii --htm page.html --nope"),
        ("bash", "python examples/training.py"),
        ("bash", "python examples/train.py --epoch_count 3"),
        ("bash", "tfds build mpii_pose --folder ~/mpii"),
        ("bash", "pip install '.[plots]'"),
        ("bash", "scripts/demonstrate"),
        ("bash", "mpii build"),
        ("python", "import mpii_pose; mpii_pose.pckhh"),
    ],
)
def test_code_that_does_not_run_is_found(language, code, tmp_path):
    path = tmp_path / "guide.md"
    path.write_text(f"# Guide\n\n```{language}\n{code}  # as one may write\n```\n")
    (example,) = blocks.parse(path).examples()

    with pytest.raises((blocks.BadCommandError, AttributeError)):
        example.evaluate()


def test_disk_is_told_as_a_build_tells_it():
    sizes = {name: in_gb(count) for name, count in official.DATASET_BYTES.items()}
    words = " ".join((blocks.ROOT / "README.md").read_text().split())

    assert f"about {sizes['person_crop']} instead of {sizes['person'][:-3]}," in words
    for page in ("build.md", "dataset_card.md"):
        text = (blocks.ROOT / "docs" / page).read_text()
        for name, size in sizes.items():
            assert re.search(rf"^\| `{name}` \|.* about {size} \|", text, re.MULTILINE)
