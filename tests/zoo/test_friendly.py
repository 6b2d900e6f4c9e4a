"""The rewrites for GPU delegates: the same within a tolerance that is printed, and taken whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bokehbench.model.predict import forecast
from tests.zoo.small import GPU_2022, GPU_TODAY, LITERT, THIN, converted, kinds, thin

pytestmark = pytest.mark.usefixtures("tensorflow")

Told = Callable[[str, float, float], None]

# Largest difference of the outputs over their standard deviation. Sensebrain's is of GELU, an
# approximation; the others' are of rounding, which random weights carry through all layers.
TOLERANCE = {"sensebrain": 2e-3, "vic": 1e-4, "pynet": 1e-3}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Prints a difference beside its tolerance, and holds it."""

    def tell(what: str, difference: float, tolerance: float) -> None:
        with capsys.disabled():
            print(f"\n  friendly {what}: differs by {difference:.2g}, tolerance {tolerance:.2g}")
        assert difference <= tolerance

    return tell


def numbers(*shape: int, spread: float = 1.0, middle: float = 0.0) -> NDArray[np.float32]:
    random = np.random.default_rng(sum(shape))
    return random.normal(middle, spread, shape).astype(np.float32)


@pytest.mark.parametrize("name", THIN)
def test_a_friendly_model_is_the_same_model(name: str, told: Told) -> None:
    original, friendly = thin(name, friendly=False), thin(name, friendly=True)
    ours, theirs = original.get_weights(), friendly.get_weights()
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    # Scales of 1 and shifts of 0 would hide one that is not applied.
    random = np.random.default_rng(3)
    changed = [one + random.normal(0.0, 0.05, one.shape).astype(np.float32) for one in ours]
    outputs = []
    image = random.random((1, *THIN[name], 3)).astype(np.float32)
    for model in (original, friendly):
        model.set_weights(changed)
        outputs.append(model({"image": image})["bokeh"].numpy())
    assert outputs[0].shape == image.shape
    assert np.isfinite(outputs[0]).all()
    mirrored = original({"image": image[:, ::-1]})["bokeh"].numpy()
    assert np.abs(mirrored - outputs[0]).max() > 1e-3
    difference = np.abs(outputs[0] - outputs[1]).max() / outputs[0].std()
    told(name, float(difference), TOLERANCE[name])


# PyNET is taken whole in either form; its only rewrite is the norm.
@pytest.mark.parametrize("name", ["sensebrain", "vic", "instance norm"])
def test_gpu_delegates_take_the_friendly_form_whole(name: str, tmp_path: Path) -> None:
    import keras

    from bokehbench.zoo.layers import Norm

    if name == "instance norm":
        x = keras.Input((16, 24, 8), batch_size=1)
        model = keras.Model(x, Norm((1, 2), 1e-3, friendly=True)(x))
    else:
        model = thin(name, friendly=True)
    structure = converted(model, tmp_path / "friendly.tflite")
    for target in (GPU_2022, GPU_TODAY, LITERT):
        seen = forecast(structure, target)
        assert seen.prediction.outcome == "whole", seen.prediction.operators
        assert [one for one in seen.judged if one.rule.verdict != "delegated"] == []


@pytest.mark.parametrize("axes", [(1, 2), (-1,), (1, 2, 3)])
@pytest.mark.parametrize(("spread", "middle"), [(1.0, 0.0), (1e-3, 0.5), (2000.0, -300.0)])
def test_standardising_is_the_same(
    axes: tuple[int, ...], spread: float, middle: float, told: Told
) -> None:
    from bokehbench.zoo import friendly

    x = numbers(1, 24, 40, 16, spread=spread, middle=middle)
    ours = np.asarray(friendly.standardise(x, axes, 1e-5))
    difference = np.abs(ours - standardised(x, axes)).max()
    told(f"norm over {axes} of {middle} ± {spread}", float(difference), 1e-4)


def standardised(x: NDArray[np.float32], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """The textbook's, in double precision, with epsilon 1e-5."""
    exact = x.astype(np.float64)
    deviation = exact - exact.mean(axes, keepdims=True)
    result: NDArray[np.float64] = deviation / np.sqrt(
        (deviation**2).mean(axes, keepdims=True) + 1e-5
    )
    return result


def test_standardising_stays_in_half_precision(told: Told) -> None:
    """Deviations of 1000 have squares of a million; fp16 ends at 65504."""
    import tensorflow as tf

    from bokehbench.zoo import friendly

    x = numbers(1, 8, 8, 32, spread=1000.0)
    half = tf.constant(x, tf.float16)
    plain = tf.reduce_mean(tf.math.squared_difference(half, tf.reduce_mean(half, -1, True)), -1)
    assert not np.isfinite(plain.numpy()).all()
    ours = np.asarray(friendly.standardise(half, (-1,), 1e-5))
    assert ours.dtype == np.float16
    told("layer norm in fp16", float(np.abs(ours - standardised(x, (-1,))).max()), 1e-2)


def test_gelu(told: Told) -> None:
    import keras
    import tensorflow as tf

    from bokehbench.zoo import friendly

    x = np.linspace(-20.0, 20.0, 40001, dtype=np.float32)
    exact = np.asarray(keras.ops.gelu(x, approximate=False))
    told("GELU", float(np.abs(np.asarray(friendly.gelu(x)) - exact).max()), 4.8e-4)
    far = np.asarray(friendly.gelu(tf.constant([-1000.0, -300.0, 300.0, 1000.0], tf.float16)))
    np.testing.assert_array_equal(far, np.array([0.0, 0.0, 300.0, 1000.0], np.float16))


def test_positions_are_resized_before_the_export(tmp_path: Path, told: Told) -> None:
    """The converter itself folds constants of less than 1 MiB alone; these have 1.5."""
    import keras

    from bokehbench.zoo.vit import Tokens

    image = keras.Input((32, 48, 256), batch_size=1)
    plain, ours = (
        keras.Model(image, Tokens(friendly=friendly)(image)) for friendly in (False, True)
    )
    ours.set_weights(plain.get_weights())
    x = numbers(1, 32, 48, 256)
    difference = np.abs(plain(x).numpy() - ours(x).numpy()[0]).max()
    told("tokens", float(difference), 1e-6)
    assert kinds(converted(plain, tmp_path / "plain.tflite"))["RESIZE_BILINEAR"] == 1
    assert kinds(converted(ours, tmp_path / "ours.tflite"))["RESIZE_BILINEAR"] == 0


def test_attention_head_by_head(told: Told) -> None:
    from bokehbench.zoo import friendly, vit

    x = numbers(1, 37, 3 * 40, spread=2.0)
    plain = np.asarray(vit.attend(x, heads=5))
    ours = np.asarray(friendly.attend(x[None], heads=5))[0]
    told("attention", float(np.abs(plain - ours).max()), 1e-5)


def test_separable_attention_without_batches(told: Told) -> None:
    from bokehbench.zoo import friendly, mobilevit

    scores, keys, values = numbers(1, 6, 8, 1), numbers(1, 6, 8, 5), numbers(1, 6, 8, 5, middle=1.0)
    plain = np.asarray(mobilevit.attend_separably(scores, keys, values, 2))
    ours = np.asarray(friendly.attend_separably(scores, keys, values, 2))
    told("separable attention", float(np.abs(plain - ours).max()), 1e-5)


@pytest.mark.parametrize(("limit", "groups"), [(1 << 26, 1), (4 * 6 * 10 * 8 // 2, 4)])
def test_enlarging_some_channels_at_a_time(
    monkeypatch: pytest.MonkeyPatch, limit: int, groups: int, told: Told
) -> None:
    import keras

    from bokehbench.zoo import friendly
    from bokehbench.zoo.layers import EnlargeConvolve

    monkeypatch.setattr(friendly, "LARGE", limit)
    assert friendly.groups_of(4 * 6 * 10 * 8, 8) == groups
    keras.utils.set_random_seed(4)
    plain, ours = EnlargeConvolve(3), EnlargeConvolve(3, friendly=True)
    x = numbers(1, 6, 10, 8)
    expected = np.asarray(plain(x))
    ours.build(x.shape)
    ours.set_weights([one + 0.5 for one in plain.get_weights()])
    plain.set_weights(ours.get_weights())
    changed = np.asarray(plain(x))
    assert np.abs(changed - expected).max() > 0.1
    told(f"enlarging in {groups}", float(np.abs(np.asarray(ours(x)) - changed).max()), 1e-4)


@pytest.mark.parametrize(("limit", "groups"), [(1 << 26, 1), (6 * 10 * 16 // 2, 4)])
@pytest.mark.parametrize("stride", [1, 2])
def test_widening_some_channels_at_a_time(
    monkeypatch: pytest.MonkeyPatch, limit: int, groups: int, stride: int, told: Told
) -> None:
    from bokehbench.zoo import friendly, mobilevit

    monkeypatch.setattr(friendly, "LARGE", limit)
    assert friendly.groups_of(6 * 10 * 16, 16) == groups
    x = numbers(1, 6, 10, 8)
    plain, ours = (mobilevit.Widen(8, stride, friendly=one) for one in (False, True))
    plain.build(x.shape)
    ours.build(x.shape)
    weights = [np.abs(numbers(*one.shape)) + 0.1 for one in plain.get_weights()]
    plain.set_weights(weights)
    ours.set_weights(weights)
    expected = np.asarray(plain(x))
    assert expected.std() > 0.1
    difference = np.abs(np.asarray(ours(x)) - expected).max() / expected.std()
    told(f"widening in {groups}, stride {stride}", float(difference), 1e-4)


def test_a_pixel_without_deviation_stays_finite() -> None:
    from bokehbench.zoo import friendly

    flat: Any = np.full((1, 4, 4, 8), 3.0, np.float32)
    np.testing.assert_array_equal(np.asarray(friendly.standardise(flat, (1, 2), 1e-5)), 0.0)
