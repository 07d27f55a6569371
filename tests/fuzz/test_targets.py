"""A short, repeatable run of what `python -m tests.fuzz` does at length."""

import random

import pytest

from tests.fuzz.targets import TARGETS, seeds


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Changes, removes, repeats or exchanges a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at, start = rng.randrange(len(changed)), rng.randrange(len(changed))
        size = rng.randint(0, 8)
        new = [rng.randbytes(size), b"", bytes(size), changed[start : start + size]]
        changed[at : at + rng.randint(0, 8)] = rng.choice(new)
    return bytes(changed or b"0")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_reader_survives_changed_files(target, tmp_path):
    rng, files = random.Random(0), seeds(target)
    for data in files:
        assert TARGETS[target](tmp_path, data), "a valid file is refused"

    for _ in range(300):
        TARGETS[target](tmp_path, mutate(rng.choice(files), rng))
