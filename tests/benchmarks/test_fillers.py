"""Tests the files that benchmarks read in place of MPII's images."""

import importlib
import io
import pathlib
import sys

import pytest
from PIL import Image

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def fillers(monkeypatch):
    """The module as the benchmarks beside it import it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield importlib.import_module("fillers")
    del sys.modules["fillers"]


@pytest.mark.parametrize("num_bytes", [30_000, 40_001, 100_000, 300_000])
def test_a_filler_is_a_whole_jpeg_of_exactly_the_wanted_size(fillers, num_bytes):
    data = fillers.filler_image((240, 321), num_bytes=num_bytes, seed=3)

    image = Image.open(io.BytesIO(data))
    image.load()
    assert len(data) == num_bytes
    assert data.endswith(b"\xff\xd9")
    assert image.mode == "RGB"
    assert image.size == (321, 240)


def test_fillers_differ_by_seed_and_only_by_seed(fillers):
    first, again, other = (
        fillers.filler_image((64, 64), num_bytes=5_000, seed=seed) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_a_size_that_no_quality_reaches_is_refused(fillers):
    with pytest.raises(ValueError, match="got num_bytes = 100"):
        fillers.filler_image((480, 640), num_bytes=100, seed=0)
