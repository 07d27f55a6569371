"""Exports write what they promise, and refuse what cannot be written."""

import json
import struct

import numpy as np
import scipy.io

import mpii_pose
from mpii_pose.tools.main import main
from tests import builds, releases


def test_unreadable_images_stop_no_command(release, drawn_people, tmp_path, capsys):
    """One is missing, two are no images, one says that it has 65,500 x 65,500 px."""
    names = sorted({person.image_name for person in drawn_people["train"]})[:4]
    missing, text, dds, giant = (release / "images" / name for name in names)
    missing.unlink()
    text.write_text("no image")
    dds.write_bytes(b"DDS " + bytes([124]) + bytes(200))
    data = giant.read_bytes()
    at = data.index(b"\xff\xc0") + 5
    giant.write_bytes(data[:at] + 2 * struct.pack(">H", 65_500) + data[at + 4 :])
    page = str(tmp_path / "audit.html")

    assert main(["audit", str(release), "--html", page]) == 0
    assert main(["export", "coco", str(release), str(tmp_path / "coco")]) == 0

    audited, exported = capsys.readouterr().out.split("Wrote " + page)
    assert "4 images are missing or cannot be read" in audited
    assert "4 images are missing or cannot be read" in exported
    unknown = {
        image["file_name"]
        for path in (tmp_path / "coco").iterdir()
        for image in json.loads(path.read_text())["images"]
        if "width" not in image
    }
    assert unknown == {path.name for path in (missing, text, dds, giant)}


def test_submission_problems_need_force(drawn_release, drawn_people, tmp_path, capsys):
    people = drawn_people["test"]
    points = np.array([[person.center] * 16 for person in people], np.float64)
    pred, output = tmp_path / "pred.mat", tmp_path / "out.mat"

    def export(points, *options):
        mpii_pose.write_predictions(pred, points)
        output.unlink(missing_ok=True)
        paths = map(str, (pred, drawn_release, output))
        code = main(["export", "submission", *paths, *options])
        assert output.exists() == (code == 0)
        return code, *capsys.readouterr()

    assert export(points) == (0, f"Wrote {output}\n", "")

    code, _, error = export(points[..., ::-1])
    assert code == 1
    assert "x and y are exchanged" in error
    assert "--force" in error

    code, printed, _ = export(points[..., ::-1], "--force")
    assert code == 0
    assert "PROBLEM  The predicted poses do not follow" in printed

    points[next(p.index for p in people if p.separated == 1)] = np.nan
    code, _, error = export(points)
    assert (code, "16 keypoints of 1 people are not predicted" in error) == (1, True)

    code, _, error = export(points[1:], "--force")
    assert (code, f"the {len(people)} people of test" in error) == (1, True)
    scipy.io.savemat(tmp_path / "other.mat", {"RELEASE": np.zeros(3)})
    paths = map(str, (pred, tmp_path / "other.mat", output))
    assert main(["export", "submission", *paths]) == 1
    assert "other.mat: expected one struct named RELEASE" in capsys.readouterr().err


def test_submission_needs_the_official_file(release, drawn_people, tmp_path, capsys):
    source = tmp_path / "mpii_annotations.json"
    releases.write_cpm(source, drawn_people)
    built = builds.build(tmp_path / "data", release, file_format="array_record")

    for path, words in (
        (source, f"{source}: a submission needs the official .mat"),
        (built.data_dir_root, "with mpii_human_pose_v1_u12_1.mat;"),
    ):
        assert main(["export", "submission", "none.mat", str(path), "out.mat"]) == 1
        assert words in capsys.readouterr().err
