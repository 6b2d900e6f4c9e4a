"""Parameters and structure of the small models, against what their modules say."""

import re

import numpy as np
import pytest

from bokehbench import zoo

pytestmark = pytest.mark.usefixtures("tensorflow")

MIB = 1 << 20
OWN = ["antins_cv", "enerzai", "miaigo", "zjut_vision"]


@pytest.mark.parametrize("name", OWN)
def test_parameters_are_as_documented(name: str) -> None:
    entry = zoo.find(name)
    model = zoo.build(name, 64, 64)
    said = re.search(
        r"Parameters: ([\d,]+), that is ([\d.]+) MiB", zoo.module_of(entry).__doc__ or ""
    )
    assert said is not None
    assert model.count_params() == int(said[1].replace(",", ""))
    assert model.count_params() * 4 / MIB == pytest.approx(float(said[2]), abs=0.006)
    # What the file adds to its weights is below 1 % of the large ones and 4 kB of the smallest.
    low, high = (
        (0.055, 0.065) if name == "antins_cv" else (0.97 * entry.size_mib, 1.03 * entry.size_mib)
    )
    assert low <= model.count_params() * 4 / MIB <= high


def test_weights_do_not_depend_on_the_size() -> None:
    for name in OWN:
        step = zoo.find(name).multiple
        small, large = zoo.build(name, step, step), zoo.build(name, 2 * step, 3 * step)
        for one, other in zip(small.get_weights(), large.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", OWN)
def test_outputs_are_finite_and_depend_on_the_image(name: str) -> None:
    model = zoo.build(name, 32, 64)
    image = np.random.default_rng(1).random((1, 32, 64, 3), np.float32)
    first = model({"image": image})["bokeh"].numpy()
    second = model({"image": image[:, ::-1]})["bokeh"].numpy()
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 1e-3


def test_instance_norm_gives_mean_and_variance_of_its_weights() -> None:
    import keras

    from bokehbench.zoo.blocks import ChannelScale, instance_norm

    place = keras.Input((6, 5, 4), batch_size=1)
    model = keras.Model(place, instance_norm(place))
    (scale,) = [layer for layer in model.layers if isinstance(layer, ChannelScale)]
    gamma, beta = np.array([1, 2, 3, 4], np.float32), np.array([0, 1, -1, 5], np.float32)
    scale.set_weights([gamma, beta])
    x = np.random.default_rng(2).normal(7.0, 3.0, (1, 6, 5, 4)).astype(np.float32)
    answer = model(x).numpy()
    np.testing.assert_allclose(answer.mean((1, 2))[0], beta, atol=1e-5)
    np.testing.assert_allclose(answer.std((1, 2))[0], gamma, rtol=1e-4)
