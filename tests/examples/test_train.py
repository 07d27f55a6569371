import csv

import keras
import numpy as np
import pytest
import scipy.io

import mpii_pose
from mpii_pose.evaluation.pckh import pckh
from tests import builds

PEOPLE = mpii_pose.mpii_pose_dataset_builder.PoseConfig(
    name="few", num_people=30, seed=1
)
FEW = (
    *("--config", "few", "--image_size", "32"),
    *("--batch_size", "4", "--steps_per_epoch", "2"),
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Where `mpii_pose/few` stands."""
    folder = tmp_path_factory.mktemp("data")
    builds.build(folder, config=PEOPLE)
    return folder


@pytest.fixture
def script():
    import train

    return train


@pytest.fixture
def train(script, data_dir, tmp_path):
    """Runs the script on few people; returns its scores."""

    def run(*arguments):
        output = ("--data_dir", str(data_dir), "--output_dir", str(tmp_path))
        return script.main([*FEW, *output, "--verbose", "0", *arguments])

    yield run
    keras.mixed_precision.set_global_policy("float32")


def log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_training_leaves_its_results(train, tmp_path, data_dir, capsys):
    scores = train("--epochs", "2")
    flipped = train("--epochs", "2", "--flip_test")  # Beside the others.

    assert f"Wrote {tmp_path / 'best.keras'}, the network" in capsys.readouterr().out
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1"]
    assert keras.models.load_model(tmp_path / "best.keras", compile=False)
    assert (tmp_path / "pckh.md").read_text() == f"{scores}\n"
    assert (tmp_path / "pckh_flip_test.md").read_text() == f"{flipped}\n"
    assert (tmp_path / "pred_flip_test.mat").exists()
    builder = mpii_pose.Builder(data_dir=data_dir, config=PEOPLE)
    people = sorted(builds.read(builder, "validation"), key=lambda e: e["index"])
    names = ("keypoints", "visibility", "head_size")
    truth = (np.array([person[name] for person in people]) for name in names)
    predicted = scipy.io.loadmat(tmp_path / "pred.mat")["preds"] - 1
    assert pckh(predicted, *truth).total == pytest.approx(scores.total)


@pytest.mark.slow
def test_interrupted_training_goes_on_and_finished_is_not_repeated(
    script, train, tmp_path, monkeypatch
):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    callbacks = script.callbacks
    with monkeypatch.context() as patch:
        patch.setattr(script, "callbacks", lambda o: [Interrupt(), *callbacks(o)])
        with pytest.raises(KeyboardInterrupt):
            train("--epochs", "3")
    interrupted = log(tmp_path)

    scores = train("--epochs", "3")
    again = train("--epochs", "3")

    assert [row["epoch"] for row in interrupted] == ["0"]
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1", "2"]
    assert log(tmp_path)[0] == interrupted[0]
    np.testing.assert_array_equal(again.per_keypoint, scores.per_keypoint)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        "--network MobileNet --augmentation hrnet --precision mixed_bfloat16",
        "--loss squared --augmentation none --distribute --flip_test",
        "--tensorboard",
        "--head simcc --flip_test",
    ],
)
def test_options_work(train, tmp_path, options):
    if "--tensorboard" in options:
        pytest.importorskip("tensorboard")

    scores = train("--epochs", "1", *options.split())

    assert scores.num_labelled.sum() > 0
    assert np.isfinite(float(log(tmp_path)[0]["loss"]))
    events = list((tmp_path / "tensorboard").rglob("events.*"))
    assert bool(events) == ("--tensorboard" in options)


def test_image_size_that_does_not_fit_is_refused(script, capsys):
    with pytest.raises(SystemExit):
        script.parse(["--image_size", "100"])

    assert "must be a multiple of 32, got 100" in capsys.readouterr().err


def test_nothing_is_downloaded_unasked(script, tmp_path):
    folders = ["--data_dir", str(tmp_path), "--output_dir", str(tmp_path / "runs")]

    with pytest.raises(ValueError, match=r"mpii_pose/person is not built in .* build"):
        script.main(["--config", "person", *folders])


@pytest.fixture
def begin(script, tmp_path):
    """Parses a command line and claims the output folder, as the script does first."""

    def run(*arguments):
        options = script.parse(["--output_dir", str(tmp_path), *arguments])
        script.claim_output_dir(options)

    return run


def leave_results(folder):
    (folder / "log.csv").write_text("epoch,loss\n0,1.5\n")
    (folder / "pckh.md").write_text("| 12.17 |\n")
    (folder / "backup").mkdir()


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [
        ("--sigma 2", "--sigma is 2.0, was 1.5"),
        ("--epochs 9", "--epochs is 9, was 20"),
        ("--batch_size 8 --loss squared", "was divergence; --batch_size is 8, was 32"),
    ],
)
def test_other_options_are_refused(begin, tmp_path, arguments, difference):
    begin()
    leave_results(tmp_path)
    before = contents(tmp_path)

    with pytest.raises(SystemExit) as refused:
        begin(*arguments.split())

    message = " ".join(str(refused.value).split())
    words = f"{tmp_path} holds a training with other options", difference
    for part in (*words, "another --output_dir", "--overwrite"):
        assert part in message
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--epochs 30",
        "--verbose 2 --tensorboard --flip_test",
        "--data_dir /elsewhere --distribute --xla",
    ],
)
def test_options_that_change_no_training_are_taken(begin, tmp_path, arguments):
    begin()
    leave_results(tmp_path)

    begin(*arguments.split())

    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n0,1.5\n"
    if "--epochs" in arguments:  # More are kept, so that fewer are refused later.
        with pytest.raises(SystemExit, match="--epochs is 20, was 30"):
            begin()


def test_a_training_without_results_may_begin_with_other_options(begin, tmp_path):
    begin("--sigma", "2")
    (tmp_path / "log.csv").touch()  # As Keras does before the first epoch.

    begin("--sigma", "3")
    leave_results(tmp_path)

    begin("--sigma", "3")


@pytest.mark.parametrize("options", [None, "", "[1", "[1]"])
def test_results_of_unknown_options_are_refused(begin, tmp_path, options):
    leave_results(tmp_path)
    if options is not None:
        (tmp_path / "options.json").write_text(options)

    with pytest.raises(SystemExit) as refused:
        begin()

    message = " ".join(str(refused.value).split())
    assert "options.json does not say with which options" in message
    assert "--overwrite" in message


def test_overwrite_removes_results_and_nothing_else(begin, tmp_path):
    begin()
    leave_results(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")

    begin("--sigma", "2", "--overwrite")

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"notes.txt", "options.json"}
    begin("--sigma", "2")
