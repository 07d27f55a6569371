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
    "--config",
    "few",
    "--image_size",
    "32",
    "--batch_size",
    "4",
    "--steps_per_epoch",
    "2",
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """Where `mpii_pose/few` stands."""
    folder = tmp_path_factory.mktemp("data")
    builds.build(folder, config=PEOPLE)
    return folder


@pytest.fixture
def train(data_dir, tmp_path):
    """Runs the script on few people; returns its scores."""
    import train

    def run(*arguments):
        output = ("--data_dir", str(data_dir), "--output_dir", str(tmp_path))
        return train.main([*FEW, *output, "--verbose", "0", *arguments])

    yield run
    keras.mixed_precision.set_global_policy("float32")


def log(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_leaves_logs_checkpoint_scores_and_predictions(
    train, tmp_path, data_dir
):
    scores = train("--epochs", "2")

    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1"]
    assert keras.models.load_model(tmp_path / "best.keras", compile=False)
    assert (tmp_path / "pckh.md").read_text() == f"{scores}\n"
    builder = mpii_pose.Builder(data_dir=data_dir, config=PEOPLE)
    people = sorted(builds.read(builder, "validation"), key=lambda e: e["index"])
    names = ("keypoints", "visibility", "head_size")
    truth = (np.array([person[name] for person in people]) for name in names)
    predicted = scipy.io.loadmat(tmp_path / "pred.mat")["preds"] - 1
    assert pckh(predicted, *truth).total == pytest.approx(scores.total)


@pytest.mark.slow
def test_interrupted_training_goes_on_and_finished_training_is_not_repeated(
    train, tmp_path, monkeypatch
):
    import train as script

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    callbacks = script.callbacks
    monkeypatch.setattr(
        script, "callbacks", lambda options: [Interrupt(), *callbacks(options)]
    )
    with pytest.raises(KeyboardInterrupt):
        train("--epochs", "3")
    interrupted = log(tmp_path)
    monkeypatch.setattr(script, "callbacks", callbacks)

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
    ],
)
def test_options_work(train, tmp_path, options):
    scores = train("--epochs", "1", *options.split())

    assert scores.num_labelled.sum() > 0
    assert np.isfinite(float(log(tmp_path)[0]["loss"]))


@pytest.mark.slow
def test_logs_for_tensorboard_are_written(train, tmp_path):
    pytest.importorskip("tensorboard")

    train("--epochs", "1", "--tensorboard")

    assert list((tmp_path / "tensorboard").rglob("events.*"))


def test_sizes_that_do_not_divide_are_refused(train, capsys):
    with pytest.raises(SystemExit):
        train("--image_size", "100")

    assert "must be a multiple of 32, got 100" in capsys.readouterr().err
