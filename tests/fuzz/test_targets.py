"""A short, repeatable run of what `python -m tests.fuzz` does at length."""

import random

import pytest

from tests.fuzz.targets import TARGETS, seeds

ROUNDS = 300


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Changes, removes, repeats or exchanges a few bytes."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 5)):
        at, size = rng.randrange(len(changed)), rng.randint(1, 8)
        match rng.randrange(5):
            case 0:
                changed[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
            case 1:
                del changed[at : at + size]
            case 2:
                changed[at:at] = changed[at : at + size]
            case 3:
                changed[at : at + size] = rng.randbytes(size)
            case _:
                start = rng.randrange(len(changed))
                changed[at : at + size] = changed[start : start + size]
    return bytes(changed or b"0")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.filterwarnings("ignore")
def test_reader_survives_changed_files(target):
    rng, files = random.Random(0), seeds(target)
    for data in files:
        TARGETS[target](data)

    for _ in range(ROUNDS):
        TARGETS[target](mutate(rng.choice(files), rng))
