"""Chooses what a person wears.

Real people are told left from right by many small signs; here one strong sign helps
small networks: right limbs are dressed in warm colors (red to yellow), left limbs in
cool ones (green to violet), whichever way the person faces.
"""

import dataclasses

import numpy as np

from mpii_pose.synthetic.canvas import Color, hsv_color

_SKINS = ((245, 208, 178), (224, 172, 128), (186, 126, 86), (132, 84, 58), (96, 62, 46))
_HAIRS = ((40, 28, 24), (92, 58, 34), (150, 96, 48), (214, 178, 106), (150, 150, 150))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outfit:
    """Colors and cut of what a person wears; "right" is the person's right."""

    skin: Color
    hair: Color
    shirt: Color
    hips: Color
    right_sleeve: Color
    left_sleeve: Color
    right_trouser: Color
    left_trouser: Color
    shoes: Color
    long_sleeves: bool
    long_trousers: bool
    girth: float  # 1 is neither slim nor stout.


def sample_outfit(rng: np.random.Generator) -> Outfit:
    """Draws an outfit."""
    warm, cool = rng.uniform(-0.04, 0.13, 2), rng.uniform(0.36, 0.72, 2)
    return Outfit(
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        shirt=hsv_color(rng.random(), rng.uniform(0, 0.45), rng.uniform(0.35, 0.95)),
        hips=hsv_color(rng.random(), 0.3, 0.3),
        right_sleeve=hsv_color(warm[0], rng.uniform(0.6, 0.95), rng.uniform(0.7, 1)),
        left_sleeve=hsv_color(cool[0], rng.uniform(0.5, 0.95), rng.uniform(0.6, 1)),
        right_trouser=hsv_color(warm[1], rng.uniform(0.5, 0.9), rng.uniform(0.45, 0.8)),
        left_trouser=hsv_color(cool[1], rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.75)),
        shoes=hsv_color(rng.random(), 0.3, rng.uniform(0.15, 0.9)),
        long_sleeves=bool(rng.random() < 0.7),
        long_trousers=bool(rng.random() < 0.7),
        girth=float(rng.uniform(0.9, 1.15)),
    )
