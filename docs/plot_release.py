"""Plots the figures of the dataset card from a copy of MPII.

    python docs/plot_release.py ~/mpii --output docs/figures

Any copy will do that tells occluded keypoints from visible ones and knows the sizes of
its images: the official .mat with images, or CPM's mpii_annotations.json.
"""

import argparse
import collections
import pathlib
from collections.abc import Sequence

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.figure import Figure

from mpii_pose import PersonAnnotation
from mpii_pose.release.release import read_sized_people
from mpii_pose.skeleton import KEYPOINTS, Visibility

# From head to feet, as a body is read.
ORDER = (
    "head_top",
    "upper_neck",
    "thorax",
    "pelvis",
    "right_shoulder",
    "left_shoulder",
    "right_elbow",
    "left_elbow",
    "right_wrist",
    "left_wrist",
    "right_hip",
    "left_hip",
    "right_knee",
    "left_knee",
    "right_ankle",
    "left_ankle",
)
BLUE, LIGHT_BLUE, ORANGE = "#2166ac", "#92c5de", "#e08214"
GREY, DARK = "#d9d9d9", "#333333"
STYLE = {
    "font.size": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.edgecolor": "#888888",
    "text.color": DARK,
    "axes.ymargin": 0.02,
    "figure.constrained_layout.h_pad": 0.12,
    "figure.constrained_layout.w_pad": 0.12,
    "savefig.dpi": 110,
}


def plot_visibility(people: Sequence[PersonAnnotation]) -> Figure:
    """Shows how often each keypoint is visible, occluded and missing."""
    states = np.array([person.visibility for person in people])
    rows = states[:, [KEYPOINTS.index(name) for name in ORDER]]
    figure, axes = pyplot.subplots(figsize=(8, 5.6), layout="constrained")
    left = np.zeros(len(ORDER))
    names = [name.replace("_", " ") for name in ORDER]
    for state, color, ink in (
        (Visibility.VISIBLE, BLUE, "white"),
        (Visibility.OCCLUDED, LIGHT_BLUE, DARK),
        (Visibility.MISSING, GREY, DARK),
    ):
        share = 100 * (rows == state).mean(axis=0)
        bars = axes.barh(names, share, left=left, color=color, label=state.name.lower())
        labels = [f"{value:.0f}" if value >= 4 else "" for value in share]
        axes.bar_label(bars, labels, label_type="center", color=ink, fontsize=10)
        left += share
    axes.invert_yaxis()
    axes.set(xlabel="share of people [%]", xlim=(0, 100))
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"Keypoints of {len(people):,} people", pad=32)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, frameon=False)
    return figure


def plot_person_size(people: Sequence[PersonAnnotation]) -> Figure:
    """Shows how large people are, and with them heads and crops."""
    scale = np.array([person.scale for person in people])
    edges = np.geomspace(90, 5200, 46)
    figure, axes = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
    axes.hist(200 * scale, edges, color=BLUE, edgecolor="white", linewidth=0.5)
    axes.set_xscale("log")
    ticks = [100, 200, 400, 800, 1600, 3200]
    axes.set_xticks(ticks, [f"{t}" for t in ticks])
    axes.minorticks_off()
    axes.set(xlabel="height of the person: 200 x scale [px]", ylabel="people")
    median = float(np.median(200 * scale))
    axes.axvline(median, color=ORANGE, linewidth=2)
    top = axes.get_ylim()[1]
    axes.text(
        median * 1.05,
        top,
        f"median {median:.0f} px",
        color=ORANGE,
        va="top",
        weight="bold",
    )
    heads = axes.secondary_xaxis(-0.27, functions=(lambda h: h / 8, lambda h: 8 * h))
    heads.set_xticks([t / 8 for t in ticks], [f"{t / 8:g}" for t in ticks])
    heads.minorticks_off()
    heads.set_xlabel("head size, the unit of PCKh: 25 x scale [px]")
    axes.set_title(f"Size of {len(people):,} people")
    return figure


def plot_images(
    people: Sequence[PersonAnnotation], sizes: Sequence[tuple[int, int]]
) -> Figure:
    """Shows the sizes of images, and how many people are labelled in one."""
    figure, (left, right) = pyplot.subplots(
        1, 2, figsize=(8, 4.2), layout="constrained"
    )
    common = collections.Counter(sizes).most_common(8)
    others = len(sizes) - sum(count for _, count in common)
    names = [f"{width} x {height}" for (height, width), _ in common] + ["others"]
    shares = 100 * np.array([count for _, count in common] + [others]) / len(sizes)
    bars = left.barh(names, shares, color=[BLUE] * len(common) + [GREY])
    left.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=4, fontsize=10)
    left.invert_yaxis()
    left.set_title(f"Size of {len(sizes):,} images", pad=10)

    in_image = collections.Counter(person.image_name for person in people).values()
    numbers = [sum(n == k for n in in_image) for k in range(1, 8)]
    numbers.append(len(in_image) - sum(numbers))
    labels = [*map(str, range(1, 8)), "8+"]
    bars = right.barh(labels, 100 * np.array(numbers) / len(in_image), color=BLUE)
    right.bar_label(bars, [f"{n:,}" for n in numbers], padding=4, fontsize=10)
    right.invert_yaxis()
    right.set_title("Images by labelled people", pad=10)
    for axes in (left, right):
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.2)
    return figure


def main() -> None:
    """Writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="a copy of MPII")
    parser.add_argument("--output", default="docs/figures", help="folder to write into")
    args = parser.parse_args()

    release = read_sized_people(args.path)
    people = [
        person
        for group in release.people.values()
        for person in group
        if person.visibility.any()
    ]
    names = dict.fromkeys(person.image_name for person in people)
    sizes = [release.image_sizes[name] for name in names if name in release.image_sizes]
    folder = pathlib.Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context(STYLE):
        figures = {
            "visibility": plot_visibility(people),
            "person_size": plot_person_size(people),
            "images": plot_images(people, sizes),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png")
            print(f"Wrote {folder / name}.png")


if __name__ == "__main__":
    main()
