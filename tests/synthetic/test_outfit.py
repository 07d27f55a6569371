import numpy as np

from mpii_pose.synthetic import outfit


def test_right_sleeves_are_warm_and_left_ones_cool():
    rng = np.random.default_rng(0)
    for _ in range(100):
        worn = outfit.sample_outfit(rng)

        for limb in ("sleeve", "trouser"):
            red, _, blue = getattr(worn, f"right_{limb}")
            assert red > blue
            red, green, blue = getattr(worn, f"left_{limb}")
            assert red < max(green, blue)
