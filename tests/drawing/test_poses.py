import functools
import sys

import matplotlib as mpl
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mpii_pose.drawing import poses as visualize
from mpii_pose.drawing.poses import contact_sheet, draw_heatmaps, draw_pose, plot_pckh
from mpii_pose.evaluation.pckh import pckh_curve
from mpii_pose.skeleton import MPII, Visibility

mpl.use("Agg")

GREY = 128
LEFT_WRIST, LEFT_ELBOW, HEAD_TOP, RIGHT_ANKLE = MPII.indices(
    "left_wrist", "left_elbow", "head_top", "right_ankle"
)


def grey(height=200, width=300):
    return np.full((height, width, 3), GREY, np.uint8)


def pose(*known, seed=0):
    """A pose of which only `known` keypoints exist, and its visibility."""
    keypoints = np.random.default_rng(seed).uniform(20, 180, (16, 2))
    visibility = np.full(16, int(Visibility.VISIBLE))
    if known:
        missing = np.setdiff1d(np.arange(16), known)
        keypoints[missing] = -1
        visibility[missing] = Visibility.MISSING
    return keypoints, visibility


def marked(drawn, size=(200, 300)):
    """Which pixels are not the grey of the background."""
    return (np.asarray(drawn) != np.asarray(grey(*size))).any(axis=2)


@pytest.mark.parametrize(
    ("at", "keypoint", "color"),
    [
        ((50.0, 80.0), LEFT_WRIST, visualize.LEFT),
        ((50.5, 80.25), RIGHT_ANKLE, visualize.RIGHT),
        ((120.8, 33.3), HEAD_TOP, visualize.MIDDLE),
    ],
)
def test_dot_lies_on_its_keypoint_in_the_color_of_its_side(at, keypoint, color):
    keypoints, visibility = pose(keypoint)
    keypoints[keypoint] = at

    drawn = draw_pose(grey(), keypoints, visibility, line_width=4)

    change = np.abs(np.asarray(drawn, float) - GREY).sum(axis=2)
    y, x = np.mgrid[:200, :300]
    middle = (change * x).sum() / change.sum(), (change * y).sum() / change.sum()
    np.testing.assert_allclose(middle, at, atol=0.15)
    assert drawn.getpixel((int(at[0]), int(at[1]))) == color


def test_occluded_keypoints_are_rings_and_their_bones_dashed():
    keypoints, visibility = pose(LEFT_WRIST, LEFT_ELBOW)
    keypoints[LEFT_WRIST], keypoints[LEFT_ELBOW] = (20, 100), (280, 100)
    seen = draw_pose(grey(), keypoints, visibility, line_width=6)

    visibility[LEFT_WRIST] = Visibility.OCCLUDED
    hidden = draw_pose(grey(), keypoints, visibility, line_width=6)

    assert {seen.getpixel((x, 100)) for x in (20, 100, 280)} == {visualize.LEFT}
    assert hidden.getpixel((20, 100)) != visualize.LEFT
    assert hidden.getpixel((280, 100)) == visualize.LEFT
    assert marked(seen)[100, 30:270].all()
    assert 0.3 < marked(hidden)[100, 30:270].mean() < 0.9


@pytest.mark.parametrize("nowhere", [(-1, -1), (np.nan, 5), (np.inf, np.inf)])
def test_keypoints_that_are_nowhere_or_missing_are_left_out(nowhere):
    keypoints, _ = pose()

    for missing in (0, -1, -0.5):  # Below 0 is missing to the transforms too.
        state = np.full(16, missing)
        assert not marked(draw_pose(grey(), keypoints, state)).any()
    assert not marked(draw_pose(grey(), np.full((16, 2), nowhere))).any()


def test_lines_grow_with_the_person():
    keypoints, visibility = pose()

    small = draw_pose(grey(900, 900), keypoints, visibility)
    large = draw_pose(grey(900, 900), keypoints * 4, visibility)

    areas = [marked(drawn, (900, 900)).sum() for drawn in (small, large)]
    assert 10 < areas[1] / areas[0] < 20  # 4 x as long, 4 x as wide


def test_head_box_and_crop_are_outlined():
    keypoints, visibility = pose(LEFT_WRIST)
    keypoints[LEFT_WRIST] = 250, 190

    crop = {"crop_to_image": [[0.5, 0, 20], [0, 0.5, 30]], "crop_size": (100, 200)}

    draw = functools.partial(draw_pose, grey(), keypoints, visibility, line_width=4)
    drawn = draw(head_box=[200, 20, 240, 60], **crop)

    assert drawn.getpixel((220, 20)) == drawn.getpixel((200, 40)) == visualize.HEAD_BOX
    left, bottom = round(20 - 0.25), round(30 + 99.5 * 0.5)
    assert drawn.getpixel((left, 50)) == visualize.CROP
    assert drawn.getpixel((70, bottom)) == visualize.CROP
    assert draw(head_box=[-1] * 4) == draw()


def test_crop_is_outlined_where_it_is_in_a_stored_part_of_the_frame():
    # Crop pixels 0 to 39 are the frame's 30 to 69 and 40 to 79.
    drawn = draw_pose(
        grey(60, 60),
        np.full((16, 2), -1.0),
        crop_to_image=[[1, 0, 30], [0, 1, 40]],
        crop_size=(40, 40),
        image_to_frame=[[2, 0, 10.5], [0, 2, 20.5]],
        line_width=1.0,
    )

    rows, columns = np.nonzero(marked(drawn, (60, 60)))
    assert (columns.min(), columns.max()) == pytest.approx((9, 30), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((9, 30), abs=1)


@pytest.mark.parametrize("size", [(1, 1), (5, 400), (200, 300)])
@pytest.mark.parametrize("shift", [-1000, -100, 5000])
def test_people_across_and_beyond_the_border_are_drawn_as_far_as_seen(size, shift):
    keypoints, visibility = pose()

    drawn = draw_pose(grey(*size), keypoints + shift, visibility)

    assert drawn.size == size[::-1]
    assert marked(drawn, size).any() == (shift == -100)


@pytest.mark.parametrize("far", [1e4, 1e7, 1e20])
def test_a_keypoint_anywhere_does_not_spoil_the_picture(far):
    keypoints, visibility = pose()
    keypoints[[LEFT_WRIST, RIGHT_ANKLE]] = [[far, far], [-far, 50]]
    visibility[LEFT_WRIST] = Visibility.OCCLUDED

    drawn = draw_pose(grey(), keypoints, visibility)

    assert 0.01 < marked(drawn).mean() < 0.3


def test_inputs_are_not_modified():
    array, pillow = grey(), Image.fromarray(grey())
    keypoints, visibility = pose()
    before = keypoints.copy(), visibility.copy()

    for image in (array, pillow):
        draw_pose(image, keypoints, visibility, head_box=[1, 1, 50, 50])
        draw_heatmaps(image, np.ones((4, 4, 16)))
        contact_sheet([image])

    assert (array == GREY).all()
    assert (np.asarray(pillow) == GREY).all()
    np.testing.assert_array_equal(keypoints, before[0])
    np.testing.assert_array_equal(visibility, before[1])


def test_images_of_every_kind_are_drawn_alike(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    path, image = tmp_path / "image.png", Image.fromarray(pixels)
    image.save(path)
    png = path.read_bytes()
    kinds = [
        *(pixels, tf.constant(pixels), pixels.astype(np.float32) / 127.5 - 1.0),
        *(image, image.convert("RGBA"), path, str(path)),
        *(png, tf.constant(png), np.array(png)),
    ]

    for image in kinds:
        np.testing.assert_array_equal(visualize.as_image(image), pixels)


def test_deep_pictures_are_scaled_or_refused(tmp_path):
    """A ramp of 16 bits remains a ramp; black and white of floats are not known."""
    ramp = np.arange(256, dtype=np.uint16)[np.newaxis].repeat(2, axis=0)
    deep = Image.fromarray(ramp * 257)
    deep.save(tmp_path / "deep.png")
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "float.tif")
    nowhere = np.full((16, 2), np.nan)

    for image in (deep, tmp_path / "deep.png", (tmp_path / "deep.png").read_bytes()):
        drawn = np.asarray(draw_pose(image, nowhere))
        np.testing.assert_array_equal(drawn, np.stack([ramp] * 3, axis=-1))
    for image in (tmp_path / "float.tif", Image.fromarray(ramp.astype(np.float32))):
        with pytest.raises(ValueError, match="mode F, whose black and white are not"):
            draw_pose(image, nowhere)


POINTS = np.ones((16, 2))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (draw_pose, (np.zeros((4, 4), np.uint8), POINTS), r", 3\], got uint8 \[4, 4\]"),
        (draw_pose, (np.zeros((4, 4, 3), np.int64), POINTS), r"got int64 \[4, 4, 3\]"),
        (draw_pose, (np.full((4, 4, 3), 2.0), POINTS), r"\[-1, 1\], got .* from 2.0"),
        (draw_pose, (np.full((4, 4, 3), np.nan), POINTS), r"lie in \[-1, 1\]"),
        (draw_pose, (grey(), POINTS[:15]), r"keypoints .*\(16, 2\), got \(15, 2\)"),
        (draw_pose, (grey(), POINTS, POINTS), r"visibility must have shape \(16,\)"),
        (draw_pose, {"head_box": np.ones((2, 2))}, r"head_box must have shape \(4,\)"),
        (draw_pose, {"crop_to_image": np.eye(3)}, r"crop_to_image must .* \(2, 3\)"),
        (draw_pose, {"line_width": 0}, "line_width must be above 0 px, got 0"),
        (draw_heatmaps, (grey(), np.ones((4, 4, 14))), "heatmaps must have shape"),
        (draw_heatmaps, (grey(), np.ones((4, 16))), "heatmaps must have shape"),
        (draw_heatmaps, (grey(), np.ones((0, 4, 16))), "heatmaps must have shape"),
        (draw_heatmaps, (grey(), np.ones((1, 4, 4, 16))), "heatmaps must have shape"),
        (contact_sheet, ([],), "one image at least"),
        (contact_sheet, {"captions": ["one"]}, "one for each image: 2, got 1"),
        (contact_sheet, {"columns": 0}, "columns and tile_size must be 1 or more"),
        (contact_sheet, {"tile_size": (0, 5)}, "columns and tile_size must be 1 or"),
    ],
)
def test_wrong_arguments_are_refused(function, arguments, message):
    right = (grey(), POINTS) if function is draw_pose else ([grey(), grey()],)
    options = arguments if isinstance(arguments, dict) else {}

    with pytest.raises(ValueError, match=message):
        function(*(right if options else arguments), **options)


def test_heatmap_shows_at_its_place_in_its_color():
    heatmaps = np.zeros((8, 8, 16), np.float32)
    heatmaps[1, 6, LEFT_WRIST] = 3.0  # only ratios matter
    heatmaps[6, 1, RIGHT_ANKLE] = 1.5
    heatmaps[3, 3, RIGHT_ANKLE] = -9.0

    drawn = draw_heatmaps(grey(80, 80), heatmaps, opacity=1.0)

    assert drawn.getpixel((65, 15)) == pytest.approx(visualize.LEFT, abs=30)
    half = (np.array(visualize.RIGHT) + GREY) / 2
    assert drawn.getpixel((15, 65)) == pytest.approx(half, abs=30)
    assert drawn.getpixel((35, 35)) == (GREY,) * 3
    for nothing in (0.0, -1.0, np.nan):
        assert not marked(draw_heatmaps(grey(), np.full((4, 4, 16), nothing))).any()


def test_mirrored_pose_is_the_mirrored_picture_with_the_sides_exchanged():
    points, _ = pose()
    mirrored = points[list(MPII.mirrored)] * [-1, 1] + [299, 0]

    before = np.asarray(draw_pose(grey(), points, line_width=6))
    after = np.asarray(draw_pose(grey(), mirrored, line_width=6))

    left, right, middle = visualize.LEFT, visualize.RIGHT, visualize.MIDDLE
    for color, other in ((left, right), (right, left), (middle, middle)):
        there = (before[:, ::-1] == color).all(axis=2)
        here = (after == other).all(axis=2)
        # Later strokes cover earlier ones, and they are the other side's now.
        assert (here & there).sum() > 0.7 * (here | there).sum() > 100


@pytest.mark.parametrize(
    ("count", "columns", "across", "down"), [(1, 4, 1, 1), (4, 4, 4, 1), (7, 3, 3, 3)]
)
def test_contact_sheet_has_a_place_for_each_image(count, columns, across, down):
    sheet = contact_sheet([grey(60, 80)] * count, columns=columns, tile_size=(60, 80))

    assert sheet.size == (across * 82 + 2, down * 62 + 2)
    assert (~marked(sheet, sheet.size[::-1])).sum() == count * 60 * 80
    narrow = contact_sheet([grey(300, 100)], tile_size=(120, 160))
    assert (~marked(narrow, narrow.size[::-1])).sum() == 120 * 40  # Its shape is kept.


def test_captions_stay_within_their_tile():
    images = [grey(60, 80)] * 2

    short, long = (
        np.asarray(contact_sheet(images, captions=[caption, ""], tile_size=(60, 80)))
        for caption in ("abc", "a caption far\ntoo long for a tile of 80 px")
    )

    assert short.shape == long.shape
    for sheet in (short, long):
        ink = (sheet < 100).all(axis=2)
        assert ink[62:, :84].any()
        assert not ink[:, 84:].any()
    narrow = contact_sheet([grey(4, 4)], captions=["caption"], tile_size=(4, 4))
    assert narrow.width == 4 + 2 * 2


def curve(error):
    truth = np.zeros((3, 16, 2))
    predicted = truth + np.array([error, 0.0])
    return pckh_curve(predicted, truth, np.ones((3, 16)), np.full(3, 10.0))


@pytest.mark.parametrize("group", ["total", "wrist"])
def test_plot_has_a_line_for_each_name(group):
    axes = plot_pckh({"good": curve(1.0), "bad": curve(4.0)}, group=group)

    good, bad = axes.get_lines()
    assert good.get_label().startswith("good")
    assert good.get_xdata()[[0, -1]].tolist() == [0.0, 0.5]
    assert good.get_ydata().tolist() == [0.0] * 10 + [100.0] * 41
    assert bad.get_ydata().tolist() == [0.0] * 40 + [100.0] * 11
    assert axes.get_legend() is not None
    assert axes.get_title() == f"PCKh {group}"
    with pytest.raises(ValueError, match=r"total or one of \['head'.*: nose"):
        plot_pckh({"a": curve(1.0)}, group="nose")


def test_plot_without_matplotlib_has_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ImportError, match="pip install matplotlib"):
        plot_pckh({"a": curve(1.0)})
