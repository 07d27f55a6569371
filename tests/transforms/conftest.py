import pytest

from tests.transforms import scenes


@pytest.fixture(params=[scenes.tensors, dict], ids=["TensorFlow", "NumPy"])
def given(request):
    """Makes an example's arrays into what one of the two libraries transforms."""
    return request.param


@pytest.fixture
def _without_xla(monkeypatch):
    monkeypatch.setattr("mpii_pose.transforms.on_tensorflow.xla_works", lambda: False)
