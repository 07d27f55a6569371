"""Chooses real people and writes down what is known of them.

python -m tests.golden.make FOLDER_WITH_THE_REAL_ANNOTATIONS

Writes into this folder:

* mpii_annotations.json: 50 people of MPII's validation list, as CPM's copy of the
  annotations has them (pixels counted from 1).
* tompson.json: Tompson et al.'s predictions for them and the corners of their head
  boxes, from `validation_truth.mat` (pixels counted from 1).
* expected.json: their crops, the scores that heatmaps can reach at best, the scores of
  Tompson's predictions and how many keypoints an audit reports, by `plain.py`.

These are facts about published images: names, coordinates and scores, no pixels.
"""

import gzip
import itertools
import json
import pathlib
import re
import sys

import numpy as np
import scipy.io

from tests.golden import plain

FOLDER = pathlib.Path(__file__).parent
NUM_PEOPLE = 50
SEED = 0
# Kinds of people of which at least so many are chosen.
AT_LEAST = {
    "outside_image": 6,
    "coincident": 3,
    "outside_crop": 5,
    "impossible_head": 2,
    "suspected_swap": 3,
    "missing": 8,
    "occluded": 8,
    "smallest": 2,
    "largest": 2,
}
KEPT_FIELDS = (
    "dataset",
    "isValidation",
    "img_paths",
    "img_width",
    "img_height",
    "objpos",
    "joint_self",
    "scale_provided",
    "annolist_index",
    "people_index",
)
ALIGNMENTS = ("half_pixel", "udp", "legacy")
# What a crop does, besides showing the square upright: degrees, and whether mirrored.
TURNS = ((30.0, False), (-45.0, False), (0.0, True), (60.0, True))
CEILINGS = (
    *(("unbiased", "dark", alignment) for alignment in ALIGNMENTS),
    ("unbiased", "quarter", "half_pixel"),
    ("unbiased", "argmax", "half_pixel"),
    ("msra", "argmax", "half_pixel"),
    ("msra", "quarter", "legacy"),
)


def read(folder):
    """Returns the records of all validation people and the published predictions."""
    with gzip.open(folder / "cpm_annotations.json.gz") as file:
        records = [r for r in json.load(file) if r["isValidation"] == 1]
    return records, scipy.io.loadmat(folder / "validation_truth.mat")


def parse(record):
    """Returns keypoints from 0, which are labelled, center, scale and image size."""
    points = np.array(record["joint_self"])
    labelled = (points != 0).any(axis=1)
    center = np.array(record["objpos"]) - 1
    size = record["img_width"], record["img_height"]
    return points[:, :2] - 1, labelled, center, record["scale_provided"], size


def kinds(record):
    """Returns the kinds of a person, of those that do not depend on others."""
    points = np.array(record["joint_self"])
    missing = (points == 0).all(axis=1)
    found = {name for name, count in plain.audit(*parse(record)).items() if count}
    if missing.any():
        found.add("missing")
    if (~missing & (points[:, 2] == 0)).any():
        found.add("occluded")
    return found


def choose(records, mat):
    """Returns the places of the chosen people among all.

    The published truth has 13 wrong keypoints; whom they belong to is not chosen.
    """
    truth = mat["pos_gt_src"].transpose(2, 0, 1)
    points = np.array([r["joint_self"] for r in records])
    missing = (points == 0).all(axis=2)
    agree = (abs(truth - points[..., :2]).max(axis=2) < 0.01) | missing
    order = np.random.default_rng(SEED).permutation(np.flatnonzero(agree.all(axis=1)))
    by_kind = {name: [] for name in AT_LEAST}
    for place in order:
        for name in kinds(records[place]):
            by_kind[name].append(place)
    scales = np.array([records[place]["scale_provided"] for place in order])
    by_size = order[scales.argsort()]
    by_kind |= {"smallest": by_size, "largest": by_size[::-1]}
    chosen = []
    for name, count in AT_LEAST.items():
        chosen += [place for place in by_kind[name] if place not in chosen][:count]
    chosen += [place for place in order if place not in chosen][
        : NUM_PEOPLE - len(chosen)
    ]
    # As the release orders images, then people.
    return sorted(
        chosen,
        key=lambda p: (records[p]["annolist_index"], records[p]["people_index"]),
    )


def ceilings(people):
    """Returns what heatmaps lose, for each way of making and reading them."""
    found = []
    for encoding, method, alignment in CEILINGS:
        predicted = np.full((len(people), 16, 2), np.nan)
        for person, (keypoints, labelled, center, scale, _) in enumerate(people):
            matrix = plain.crop_to_image(center, scale, alignment=alignment)
            for k in np.flatnonzero(labelled):
                predicted[person, k] = plain.through_heatmap(
                    keypoints[k],
                    matrix,
                    alignment=alignment,
                    encoding=encoding,
                    method=method,
                )
        arguments = predicted, *truth_of(people)
        found.append(
            {
                "encoding": encoding,
                "method": method,
                "alignment": alignment,
                "totals": [
                    rounded(plain.pckh(*arguments, threshold=t)["total"])
                    for t in (0.5, 0.1, 0.05)
                ],
                "auc": rounded(plain.auc(*arguments)),
            }
        )
    return found


def truth_of(people):
    """Returns what PCKh needs of people: keypoints, labelled, head size."""
    keypoints, labelled, _, scale, _ = (
        list(part) for part in zip(*people, strict=True)
    )
    return np.array(keypoints), np.array(labelled), 25 * np.array(scale)


def crops(people):
    """Returns where the first and the last pixel of each crop lie in the image."""
    last = plain.CROP - 1
    found = {}
    for alignment in ALIGNMENTS:
        matrices = [
            plain.crop_to_image(center, scale, alignment=alignment)
            for _, _, center, scale, _ in people
        ]
        found[alignment] = [
            [
                rounded(c)
                for c in (*plain.apply(m, (0, 0)), *plain.apply(m, (last, last)))
            ]
            for m in matrices
        ]
    return found


def turned_crops(people):
    """Returns a few `crop_to_image` of crops that are turned or mirrored."""
    found = []
    pairs = itertools.product(ALIGNMENTS, TURNS)
    for person, (alignment, (degrees, flip)) in enumerate(pairs):
        _, _, center, scale, _ = people[person]
        matrix = plain.crop_to_image(
            center, scale, alignment=alignment, rotation=np.radians(degrees), flip=flip
        )
        found.append(
            {
                "person": person,
                "alignment": alignment,
                "degrees": degrees,
                "flip": flip,
                "crop_to_image": [
                    [rounded(value, 5) for value in row] for row in matrix
                ],
            }
        )
    return found


def tompson_scores(people, tompson):
    """Returns the rows of Tompson's predictions, in each dialect."""
    predicted = np.array(tompson["predictions"]) - 1
    corners = np.array(tompson["head_boxes"])
    head_size = 0.6 * np.hypot(*(corners[:, 2:] - corners[:, :2]).T)
    keypoints, labelled, _ = truth_of(people)
    arguments = predicted, keypoints, labelled, head_size
    return {
        "rows": {
            dialect: {
                threshold: {
                    name: rounded(value)
                    for name, value in plain.pckh(
                        *arguments, threshold=float(threshold), dialect=dialect
                    ).items()
                }
                for threshold in ("0.5", "0.1")
            }
            for dialect in plain.DIALECTS
        },
        "auc": rounded(plain.auc(*arguments)),
    }


def rounded(value, digits=3):
    return round(float(value), digits)


def lines(values):
    """JSON with one value of a list a line."""
    return "[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]"


def make(folder):
    """Returns the text of each file, by name."""
    records, mat = read(folder)
    chosen = choose(records, mat)
    records = [{name: records[p][name] for name in KEPT_FIELDS} for p in chosen]
    predictions = mat["pos_pred_src"].transpose(2, 0, 1)[chosen].round(2)
    boxes = mat["headboxes_src"].transpose(2, 0, 1)[chosen].round().reshape(-1, 4)
    tompson = {"head_boxes": boxes.tolist(), "predictions": predictions.tolist()}
    people = [parse(record) for record in records]
    audits = [plain.audit(*person) for person in people]
    expected = {
        "crops": crops(people),
        "turned_crops": turned_crops(people),
        "ceilings": ceilings(people),
        "tompson": tompson_scores(people, tompson),
        "audit": {name: sum(a[name] for a in audits) for name in audits[0]},
    }
    return {
        "mpii_annotations.json": lines(records) + "\n",
        "tompson.json": "{\n"
        + ",\n".join(f'"{name}": {lines(rows)}' for name, rows in tompson.items())
        + "\n}\n",
        "expected.json": re.sub(
            r"\[\s+([^][{}]+?)\s+\]",  # Lists of numbers on one line.
            lambda match: f"[{' '.join(match[1].split())}]",
            json.dumps(expected, indent=1),
        )
        + "\n",
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, text in make(pathlib.Path(sys.argv[1])).items():
        (FOLDER / name).write_text(text)
        print(f"{name}: {len(text) / 1000:.0f} kB")
