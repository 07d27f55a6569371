"""Scoring, drawing, exporting, auditing and transforming arrays need no TensorFlow."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]

# The package's own __init__ registers the builder, and so loads TFDS, but not
# TensorFlow. Without it, nothing may load either.
_WITHOUT_INIT = f"""
import sys, types
package = types.ModuleType("mpii_pose")
package.__path__ = [{str(ROOT / "mpii_pose")!r}]
sys.modules["mpii_pose"] = package
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


def loaded(code, *arguments):
    """What of TensorFlow and TFDS a program has loaded at its end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return run.stdout.splitlines()[-1]


def test_modules_load_neither_tensorflow_nor_tfds(drawn_release, tmp_path):
    assert loaded(_WITHOUT_INIT + _WORK, drawn_release, tmp_path) == "loaded:"


def test_users_load_no_tensorflow(drawn_release, tmp_path):
    found = loaded("import mpii_pose\n" + _WORK, drawn_release, tmp_path)

    assert found in ("loaded:", "loaded: tensorflow_datasets")


_TRANSFORM = """
import sys, mpii_pose, tensorflow_datasets as tfds
from mpii_pose.mpii_pose_dataset_builder import PoseConfig

config = PoseConfig(name="few", num_people=12)
builder = mpii_pose.Builder(
    data_dir=sys.argv[1], config=config, file_format="array_record"
)
builder.download_and_prepare()
transform = mpii_pose.PoseTransform(
    augmentation=mpii_pose.Augmentation.hrnet(), seed=0
)
for method in (transform, transform.supervised, transform.hrnet):
    assert mpii_pose.data_source("train", dataset=builder, transform=method)[0]
print("loaded:", *{"tensorflow", "keras"} & set(sys.modules))
"""


def test_building_reading_and_transforming_load_no_tensorflow(tmp_path):
    assert loaded(_TRANSFORM, tmp_path) == "loaded:"
