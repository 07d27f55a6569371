"""Each formula gives the same on every array library, and answers in kind."""

import numpy as np
import pytest
import tensorflow as tf

from mpii_pose.transforms import augmentation, geometry
from mpii_pose.transforms.arrays import namespace
from mpii_pose.transforms.decoding import METHODS, decode_heatmaps, flip_test
from mpii_pose.transforms.heatmaps import encode, encode_heatmaps
from mpii_pose.transforms.simcc import decode_simcc, encode_simcc
from mpii_pose.transforms.spec import ENCODINGS, CropSpec
from tests import builds
from tests.libraries import LIBRARIES, Cases
from tests.transforms.gaussians import gaussians, random_cells

RNG = np.random.default_rng(0)
KEYPOINTS = RNG.uniform(-20, 150, (3, 16, 2)).astype(np.float32)
VISIBILITY = RNG.integers(-1, 3, (3, 16)).astype(np.int8)
KEYPOINTS[VISIBILITY < 1] = np.nan
POSES = KEYPOINTS, VISIBILITY
CENTER = RNG.uniform(0, 500, (3, 2)).astype(np.float32)
SIDE = RNG.uniform(100, 500, 3).astype(np.float32)


def crop(center, side, angle, flip):
    grid = {"image_size": (128, 96), "alignment": geometry.ALIGNMENTS["udp"]}
    return geometry.crop_to_image_matrix(
        center, side, rotation=angle, flip=flip, **grid
    )


MATRIX = crop(CENTER, SIDE, SIDE, SIDE > 300)
MAPS = gaussians(random_cells((2, 16), size=(33, 48), margin=-1.0), size=(33, 48))
MAPS[0, ..., 3], MAPS[1, 5, 5, 4], MAPS[1, 0, 0, 7] = 0.0, np.nan, -np.inf
BINS = RNG.uniform(-1, 1, (2, 16, 162)).astype(np.float32)
BINS[0, 3, :96], BINS[1, 4, 5], BINS[1, 7, 100] = 0.0, np.nan, -np.inf
BODY = np.nan_to_num(KEYPOINTS[0], nan=-1.0), np.abs(VISIBILITY[0])


def encoded(**fields):
    spec = CropSpec(image_size=(128, 96), heatmap_size=(32, 24), **fields)
    return lambda *arrays: encode_heatmaps(*arrays, spec=spec)


def encoded_channels_first(*arrays):
    return encode(namespace(*arrays), *arrays, CropSpec(), channels_first=True)


def simcc(**fields):
    spec = CropSpec(image_size=(128, 96), **fields)
    return lambda *arrays: encode_simcc(*arrays, spec=spec)


def decode(method, **fields):
    return lambda maps: decode_heatmaps(
        maps, method=method, image_size=(132, 192), **fields
    )


def half(upper):
    def square(keypoints, visibility, center, side):
        return augmentation.half_body_square(
            namespace(center), keypoints, visibility, upper, center, side
        )

    return square


def change_square(center, side, keypoints, visibility, flag):
    xp = namespace(center)
    shift = xp.array(np.float32([0.1, 0]))
    draw = augmentation.Draw(0.0, 1.25, shift, flag, flag, flag, 1, 0)
    return augmentation.apply_to_square(xp, draw, center, side, keypoints, visibility)


def in_crop(*arrays):
    return geometry.into_crop(namespace(*arrays), *arrays)


CASES = Cases(
    {
        "crop": (crop, (CENTER, SIDE, SIDE, SIDE > 300)),
        "invert": (geometry.invert_affine, (MATRIX,)),
        "compose": (geometry.compose_affine, (MATRIX, MATRIX[[2, 1, 0]])),
        "apply": (geometry.apply_affine, (MATRIX, KEYPOINTS)),
        "to frame": (geometry.crop_to_frame, (KEYPOINTS, MATRIX)),
        "missing": (geometry.mark_missing, POSES),
        "labelled": (geometry.is_labelled, (VISIBILITY,)),
        "labelled flags": (geometry.is_labelled, (VISIBILITY > 0,)),
        "into crop": (in_crop, (*BODY, MATRIX[0], np.array(True))),
        "half upper": (half(True), (*BODY, CENTER[0], SIDE[0])),
        "half lower": (half(False), (*BODY, CENTER[0], SIDE[0])),
        "square": (change_square, (CENTER[0], SIDE[0], *BODY, np.array(True))),
        "encode": (encoded(), POSES),
        "encode one": (encoded(alignment="legacy"), (KEYPOINTS[0], VISIBILITY[0])),
        "encode msra": (encoded(encoding="msra", weighting="visible"), POSES),
        "encode all": (encoded(alignment="udp", weighting="all"), POSES),
        "encode flags": (encoded(), (KEYPOINTS, VISIBILITY > 0)),
        "encode channels first": (encoded_channels_first, BODY),
        "simcc": (simcc(simcc_normalize=True), POSES),
        "simcc one": (simcc(encoding="msra", weighting="visible"), BODY),
        "decode simcc": (
            lambda x, y: decode_simcc(x, y, alignment="udp", image_size=(33, 48)),
            (BINS[..., :96], BINS[..., 96:]),
        ),
        **{f"decode {method}": (decode(method), (MAPS,)) for method in METHODS},
        "decode as they are": (decode("dark", sigma=0, alignment="udp"), (MAPS,)),
        "flip test": (
            lambda maps: flip_test(lambda x: x / 2, maps, alignment="legacy"),
            (np.nan_to_num(MAPS),),
        ),
        "flip test of simcc": (
            lambda images, *xy: flip_test(
                lambda _: xy, images, alignment="legacy", image_size=(33, 48)
            ),
            (np.zeros((33, 48, 3), np.float32), BINS[..., :96], BINS[..., 96:]),
        ),
    }
)


@pytest.mark.parametrize("case", CASES.table)
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same(library, case):
    expected = CASES.found("numpy", case)

    found = CASES.found(library, case)

    for ours, numpys in zip(found, expected, strict=True):
        assert ours.dtype == numpys.dtype
        assert ours.dtype in (np.float32, np.int8, np.bool_)
        np.testing.assert_allclose(ours, numpys, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", CASES.table)
def test_torch_stays_on_its_device(case):
    # No values, and no way to NumPy: "meta" stands for a GPU.
    torch = pytest.importorskip("torch")
    function, arrays = CASES.table[case]

    found = function(*(torch.tensor(array, device="meta") for array in arrays))

    found = found if isinstance(found, tuple) else (found,)
    for ours, numpys in zip(found, CASES.found("numpy", case), strict=True):
        assert ours.device.type == "meta"
        assert ours.shape == numpys.shape
        assert str(ours.dtype) == f"torch.{numpys.dtype}"


@pytest.mark.parametrize("values", [np.float64, np.float32, list])
def test_numbers_and_lists_are_numpys(values):
    keypoints = np.nan_to_num(KEYPOINTS)
    given = keypoints.tolist() if values is list else keypoints.astype(values)

    heatmaps, weights = encode_heatmaps(given, VISIBILITY.tolist())
    moved = geometry.apply_affine(MATRIX.tolist(), given)

    assert isinstance(heatmaps, np.ndarray)
    assert heatmaps.dtype == weights.dtype == np.float32
    np.testing.assert_allclose(heatmaps, encode_heatmaps(keypoints, VISIBILITY)[0])
    np.testing.assert_allclose(moved, geometry.apply_affine(MATRIX, keypoints))


def test_arrays_beside_tensors_become_tensors():
    torch = pytest.importorskip("torch")
    matrix = np.broadcast_to(MATRIX[0], MATRIX.shape)[::-1]  # Read-only, and strided.
    expected = geometry.apply_affine(matrix, KEYPOINTS)
    derived = type("Points", (torch.Tensor,), {})  # As torchvision has them.
    points = torch.tensor(KEYPOINTS).as_subclass(derived)

    of_tensorflow = geometry.apply_affine(matrix, tf.constant(KEYPOINTS))
    of_torch = geometry.apply_affine(matrix, points)

    assert tf.is_tensor(of_tensorflow)
    assert isinstance(of_torch, torch.Tensor)
    for found in (of_tensorflow, of_torch):
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_formulas_on_arrays_load_no_tensorflow(library):
    pytest.importorskip(library)
    code = f"""
import sys, types
from {library} import asarray
package = types.ModuleType("mpii_pose")
package.__path__ = ["mpii_pose"]
sys.modules["mpii_pose"] = package
import numpy as np
from mpii_pose.transforms import augmentation, decoding, geometry, heatmaps
from mpii_pose.transforms import simcc, spec
keypoints, visibility = asarray(np.full((16, 2), 99.0)), asarray(np.full(16, 2))
crop = spec.CropSpec(image_size=(128, 128))
maps, _ = heatmaps.encode_heatmaps(keypoints, visibility, spec=crop)
for method in decoding.METHODS:
    decoding.decode_heatmaps(maps, method=method, spec=crop)
simcc.decode_simcc(*simcc.encode_simcc(keypoints, visibility)[:2])
decoding.flip_test(lambda images: maps, asarray(np.zeros((128, 128, 3))), spec=crop)
found = geometry.crop_to_frame(keypoints, np.eye(2, 3))
assert type(found) is type(maps) is type(keypoints)
augmentation.Augmentation.hrnet().draw(seed=[1, 2])
print({{"tensorflow", "keras", "jax", "tensorflow_datasets"}} & set(sys.modules))
"""
    assert builds.output_of(code) == "set()\n"


def test_tracing_formulas_warns_of_nothing():
    code = """
import tensorflow as tf
from mpii_pose.transforms.heatmaps import encode_heatmaps
tf.function(encode_heatmaps)(tf.zeros([16, 2]), tf.zeros([16], tf.int32))
"""
    ended = builds.run("python", "-c", code)

    assert ended.returncode == 0, ended.stderr
    assert "AutoGraph" not in ended.stderr


def test_missing_keypoints_make_numpy_warn_of_nothing():
    points, missing = np.full([16, 2], np.nan, np.float32), np.zeros(16, np.int8)
    with np.errstate(divide="raise", invalid="raise"):
        for encoding in ENCODINGS:
            maps, _ = encode_heatmaps(points, missing, encoding=encoding)
            decode_simcc(*encode_simcc(points, missing, encoding=encoding)[:2])
        for method in METHODS:
            keypoints, _ = decode_heatmaps(maps, method=method)
        half(True)(points, missing, CENTER[0], SIDE[0])
        geometry.crop_to_frame(keypoints, MATRIX[0])
