"""Draws what is behind people and in front of them."""

import numpy as np
from PIL import Image, ImageDraw

from mpii_pose.synthetic.canvas import (
    BACKGROUND,
    Canvas,
    Color,
    capsule,
    ellipse,
    hsv_color,
    shade,
)

# The label of things in front of people.
OCCLUDER = 255


def draw_background(rng: np.random.Generator, *, size: tuple[int, int]) -> Image.Image:
    """Returns a landscape or a room, RGB of size (height, width) in px."""
    height, width = size
    horizon = rng.uniform(0.4, 0.75)
    outdoors = rng.random() < 0.6
    if outdoors:
        far, ground = _muted(rng, hue=(0.52, 0.62)), _muted(rng, hue=(0.08, 0.35))
    else:
        far, ground = _muted(rng, hue=(0, 1)), _muted(rng, hue=(0.03, 0.12))
    image = _mottled(rng, far, size=size)
    floor_top = round(horizon * height)
    floor = _mottled(rng, ground, size=(height - floor_top, width))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 7)):
        draw_thing = _draw_landmark if outdoors else _draw_picture
        draw_thing(draw, rng, size=size, base=floor_top)
    image.paste(floor, (0, floor_top))
    return image


def draw_occluder(
    canvas: Canvas, rng: np.random.Generator, *, at: np.ndarray, length: float
) -> None:
    """Draws a thing of some `length` px over a point [2], with the label `OCCLUDER`."""
    color = _muted(rng, hue=(0, 1))
    kind = rng.integers(4)
    if kind == 0:  # A post.
        reach = np.array((rng.normal(0, 0.05), 1)) * length * 2.5
        _draw_solid(canvas, capsule(at - reach, at + reach, length * 0.16), color)
    elif kind == 1:  # A box.
        x, y = np.array((1, rng.uniform(0.5, 0.9))) * length / 2
        corners = np.array(((-x, -y), (x, -y), (x, y), (-x, y)))
        _draw_solid(canvas, at + corners, color)
    elif kind == 2:  # A ball.
        axis = np.array((length * 0.38, 0))
        _draw_solid(canvas, ellipse(at, axis, 1), color)
    else:  # A bush.
        green = _muted(rng, hue=(0.2, 0.4))
        for offset in rng.uniform(-0.3, 0.3, (12, 2)):
            axis = np.array((length * rng.uniform(0.15, 0.25), 0))
            leaves = ellipse(at + length * offset, axis, rng.uniform(0.6, 1))
            _draw_solid(canvas, leaves, shade(green, rng.uniform(0.7, 1.2)))


def draw_stool(
    canvas: Canvas, rng: np.random.Generator, *, seat: np.ndarray, height: float
) -> None:
    """Draws a stool behind whoever comes next, with the label `BACKGROUND`.

    The middle of its seat is at `seat` [2], `height` px above the floor.
    """
    color = shade(_muted(rng, hue=(0.03, 0.1)), 0.8)
    half, thick = np.array((0.5 * height, 0)), 0.07 * height
    for end in (-0.8, 0.8):
        foot = seat + end * 1.15 * half + (0, height)
        canvas.fill(
            capsule(seat + end * half, foot, thick), shade(color, 0.6), BACKGROUND
        )
    canvas.fill(capsule(seat - half, seat + half, 1.4 * thick), color, BACKGROUND)


def add_grain(
    image: Image.Image, rng: np.random.Generator, *, strength: int
) -> Image.Image:
    """Adds what a sensor adds: noise of up to `strength` levels either way."""
    pixels = np.asarray(image, np.int16)
    grain = rng.integers(-strength, strength, pixels.shape, np.int8, endpoint=True)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8))


def _draw_solid(canvas: Canvas, outline: np.ndarray, color: Color) -> None:
    canvas.fill(outline, shade(color, 0.5), OCCLUDER)
    middle = outline.mean(axis=0)
    canvas.fill(middle + 0.9 * (outline - middle), color)


def _muted(rng: np.random.Generator, *, hue: tuple[float, float]) -> Color:
    return hsv_color(rng.uniform(*hue), rng.uniform(0.05, 0.35), rng.uniform(0.35, 0.9))


def _mottled(
    rng: np.random.Generator, color: Color, *, size: tuple[int, int]
) -> Image.Image:
    """A color with soft patches and a soft gradient from top to bottom."""
    patches = rng.normal(0, 12, (6, 8, 1)) + rng.normal(0, 4, (6, 8, 3))
    gradient = np.linspace(-1, 1, 6).reshape(6, 1, 1) * rng.normal(0, 15)
    small = np.clip(np.array(color) + patches + gradient, 0, 255).astype(np.uint8)
    height, width = size
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def _draw_landmark(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    base: int,
) -> None:
    """A hill, a house or a tree on the horizon."""
    height, width = size
    x, half = rng.uniform(0, width), rng.uniform(0.03, 0.12) * width
    top = base - rng.uniform(0.12, 0.4) * height
    kind = rng.integers(3)
    if kind == 0:
        hill = (x - 2.5 * half, top, x + 2.5 * half, 2 * base - top)
        draw.ellipse(hill, fill=_muted(rng, hue=(0.2, 0.45)))
    elif kind == 1:
        wall, roof = _muted(rng, hue=(0, 1)), _muted(rng, hue=(0, 0.1))
        draw.rectangle((x - half, top, x + half, base), fill=wall)
        ridge = (x, top - 0.7 * half)
        draw.polygon((x - 1.2 * half, top, *ridge, x + 1.2 * half, top), fill=roof)
        for left in (x - 0.6 * half, x + 0.2 * half):
            window = (left, top + 0.3 * half, left + 0.4 * half, top + 0.8 * half)
            draw.rectangle(window, fill=shade(wall, 0.5))
    else:
        trunk, crown = _muted(rng, hue=(0.05, 0.1)), _muted(rng, hue=(0.2, 0.4))
        draw.rectangle((x - half / 8, top, x + half / 8, base), fill=shade(trunk, 0.6))
        for dx, dy in ((-0.35, 0), (0.35, 0), (0, -0.45)):
            cx, cy, r = x + dx * half, top + dy * half, 0.55 * half
            leaves = shade(crown, rng.uniform(0.75, 1.05))
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=leaves)


def _draw_picture(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    base: int,
) -> None:
    """A framed picture or a window on the wall."""
    height, width = size
    x, y = rng.uniform(0, width), rng.uniform(0, base * 0.7)
    half_width, half_height = rng.uniform(0.03, 0.12, 2) * (width, height)
    corners = (x - half_width, y - half_height, x + half_width, y + half_height)
    frame = max(1, round(0.01 * height))
    inside, rim = _muted(rng, hue=(0, 1)), _muted(rng, hue=(0, 1))
    draw.rectangle(corners, fill=inside, outline=rim, width=frame)
