"""Building, reading, transforming and scoring arrays, and more, need no TensorFlow."""

import pytest

from tests import builds

# The package's own __init__ registers the builder, and so loads TFDS, but not
# TensorFlow. Without it, nothing may load either.
_WITHOUT_INIT = f"""
import sys, types
package = types.ModuleType("mpii_pose")
package.__path__ = [{str(builds.ROOT / "mpii_pose")!r}]
package.__version__ = "0"
sys.modules["mpii_pose"] = package
"""
# As where they are not installed.
_WITHOUT_TENSORFLOW = """
import importlib.machinery, sys

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in ("tensorflow", "keras", "apache_beam", "mlcroissant"):
            return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(Finder.__base__)] = Finder
"""
_WORK = """
import pathlib, sys, numpy as np
from mpii_pose.drawing import poses
from mpii_pose.evaluation.pckh import pckh
from mpii_pose.formats import coco, predictions, submission
from mpii_pose.tools import audit as audits, pages, people
from mpii_pose.tools.main import main
from mpii_pose.transforms.augmentation import Augmentation
from mpii_pose.transforms.pose_transform import PoseTransform

EXAMPLE = "image_name index keypoints visibility center scale head_size".split()
release, folder = sys.argv[1], pathlib.Path(sys.argv[2])
audit = audits.audit_release(people.read_people_of(release))
pages.write(folder / "page.html", audits.render_page(audit))
everybody = audit.release.everybody
coco.write_coco(folder / "coco.json", everybody)
points = np.array([person.keypoints for person in everybody])
visibility = np.array([person.visibility for person in everybody])
sizes = [person.head_size for person in everybody]
assert pckh(points, points, visibility, sizes).total == 100
predictions.write_predictions(folder / "pred.mat", points)
predictions.read_predictions(folder / "pred.mat")
poses.draw_pose(np.zeros((9, 9, 3), np.uint8), points[0])
main(["export", "coco", release, sys.argv[2]])
for person in everybody[:2]:
    example = {name: getattr(person, name) for name in EXAMPLE}
    image = pathlib.Path(release, "images", person.image_name).read_bytes()
    transform = PoseTransform(augmentation=Augmentation.hrnet(), seed=1)
    assert transform({**example, "image": image})["image"].shape == (256, 256, 3)
    drawn = poses.draw_example({**example, "image": image})["image"]
    assert drawn.shape == (256, 256, 3)
    people = {name: [example[name]] for name in ("keypoints", "visibility")}
    frame = poses.draw_example({"image": image, "people": people})["image"]
    assert frame.shape[2] == 3 and frame.dtype == np.uint8
train = [p.keypoints for p in audit.release.people["train"]]
np.save(folder / "pred.npy", np.array(train) + 1)
main(["evaluate", str(folder / "pred.npy"), release, "--split", "train",
      "--html", str(folder / "pred.html")])
print("loaded:", *{"tensorflow", "tensorflow_datasets"} & set(sys.modules))
"""
# From a release to a dataset, crops, heatmaps, keypoints and a score.
_DATASET = """
import pathlib, sys, mpii_pose, numpy as np
from mpii_pose.tools.main import main

release, folder = sys.argv[1], pathlib.Path(sys.argv[2])
for words in (
    ["build", "person", release, "--data_dir", folder / "arrays"],
    ["build", "image", release, "--data_dir", folder, "--file_format", "parquet"],
    ["audit", folder / "mpii_pose" / "image" / "1.0.0", "--html", folder / "audit"],
    ["doctor", release, "--data_dir", folder / "arrays"],
    ["doctor", folder / "arrays"],
    ["export", "yolo", release, folder / "yolo"],
    ["export", "submission", folder / "test.mat", release, folder / "out.mat"],
):
    if "submission" in words:
        people = mpii_pose.read_people(release)["test"]
        points = np.array([[person.center] * 16 for person in people], np.float64)
        mpii_pose.write_predictions(words[2], points)
    assert main([*map(str, words)]) == 0, words

t = mpii_pose.PoseTransform(augmentation=mpii_pose.Augmentation.hrnet(), seed=0)

def read(transform):
    options = {"dataset": "mpii_pose/person", "data_dir": folder / "arrays"}
    return mpii_pose.data_source("train", transform=transform, **options)

for method in (t.supervised, t.hrnet, t.hugging_face):
    assert read(method)[1, 0]
truth = np.array([example["keypoints"] for example in read(None)])
crops = [*read(mpii_pose.PoseTransform())]
batch = {name: np.stack([crop[name] for crop in crops]) for name in crops[0]}
keypoints, _ = mpii_pose.decode_heatmaps(batch["heatmaps"])
found = mpii_pose.crop_to_frame(keypoints, batch["crop_to_image"])
visibility = np.where(batch["weights"], batch["visibility"], 0)
scores = mpii_pose.pckh(found, truth, visibility, batch["head_size"])
assert (visibility > 0).sum() > 100 and scores.total == 100, scores
mpii_pose.flip_test(lambda images: batch["heatmaps"], batch["image"])
"""
_OF_KERAS = ("HeatmapEncoder", "HeatmapLoss", "PCKh", "SimCCLoss")
_OF_TENSORFLOW = ("Preprocessor", "input_pipeline")
_REFUSED = f"""
import sys, mpii_pose
from pathlib import Path
from mpii_pose import *
from mpii_pose.tools.main import main

for name in {_OF_KERAS + _OF_TENSORFLOW}:
    assert name not in [*globals(), *dir(mpii_pose)]
    try:
        getattr(mpii_pose, name)
    except ModuleNotFoundError as error:
        assert error.__suppress_context__
        print(error)
release, folder = sys.argv[1:]
sys.stderr = sys.stdout
file = str(next(Path(release, "images").iterdir()))
main(["predict", file, file])
main(["build", "person", release, "--data_dir", folder, "--file_format", "tfrecord"])
main(["build", "person", release, "--data_dir", folder + "/other"])
built = folder + "/other/mpii_pose/person/1.0.0"
main(["export", "croissant", built, folder + "/croissant"])
try:
    data_source("train", dataset="mpii_pose/person", data_dir=folder)
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize("imports", [False, True], ids=["modules", "package"])
def test_tensorflow_is_not_loaded_nor_tfds(imports, drawn_release, tmp_path):
    start = "import mpii_pose\n" if imports else _WITHOUT_INIT

    printed = builds.output_of(start + _WORK, drawn_release, tmp_path)

    loaded = set(printed.splitlines()[-1].removeprefix("loaded:").split())
    assert loaded <= ({"tensorflow_datasets"} if imports else set())


def test_arrays_are_made_and_scored_without_tensorflow(drawn_release, tmp_path):
    assert builds.output_of(_WITHOUT_TENSORFLOW + _DATASET, drawn_release, tmp_path)


def test_what_needs_tensorflow_names_the_package_in_one_line(drawn_release, tmp_path):
    printed = builds.output_of(_WITHOUT_TENSORFLOW + _REFUSED, drawn_release, tmp_path)

    lines = printed.splitlines()
    found = [line for line in lines if " need" in line or "is not built" in line]
    build = "python -m mpii_pose build person ~/mpii --file_format array_record"
    expected = (
        *(f"mpii_pose.{name} needs keras, " for name in _OF_KERAS),
        *(f"mpii_pose.{name} needs tensorflow, " for name in _OF_TENSORFLOW),
        "error: this command needs keras, which is not installed: pip install tensorf",
        "error: tfrecord needs tensorflow: pip install tensorflow, or choose another",
        "error: this command needs mlcroissant, which is not installed: pip install ",
        f"mpii_pose/person is not built in {tmp_path} (built there: nothing). Build "
        "it from your copy of MPII in ~/mpii (--download in its place downloads 12.9 "
        f"GB): {build} --data_dir {tmp_path}",
    )
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start), line
