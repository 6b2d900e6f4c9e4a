"""Terms of losses against the metrics that fidelity is measured with."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bokehbench.fidelity import metrics
from bokehbench.fidelity.lpips import shared_lpips

pytestmark = pytest.mark.usefixtures("tensorflow")

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Noise with shapes, and the same blurred; two images of 192x208."""
    rng = np.random.default_rng(3)
    image = (rng.random((2, 192, 208, 3)) * 120).astype(np.uint8)
    image[:, 40:120, 50:150] += np.uint8(100)
    blurred = np.stack([cv2.GaussianBlur(one, (0, 0), 1.5) for one in image])
    return image, blurred.astype(np.uint8)


def loss_of(name: str, pair: Pair) -> float:
    import tensorflow as tf

    from bokehbench.zoo.losses import TERMS

    a, b = (tf.constant(images.astype(np.float32) / 255) for images in pair)
    return float(TERMS[name](a, b))


def test_psnr(pair: Pair) -> None:
    # Of the batch as a whole: its images side by side are one.
    a, b = (np.concatenate(list(images), axis=1) for images in pair)
    assert -loss_of("psnr", pair) == pytest.approx(metrics.psnr(a, b, data_range=255), abs=1e-4)


def test_ms_ssim(pair: Pair) -> None:
    wanted = np.mean([metrics.ms_ssim(a, b, data_range=255) for a, b in zip(*pair, strict=True)])
    assert 1 - loss_of("ms_ssim", pair) == pytest.approx(wanted, abs=5e-4)


def test_perceptual_is_lpips(pair: Pair) -> None:
    distances = [
        shared_lpips(None).distance(a, b, value_range=(-1.0, 1.0), data_range=255)
        for a, b in zip(*pair, strict=True)
    ]
    assert loss_of("perceptual", pair) == pytest.approx(np.mean(distances), abs=1e-5)


def test_histograms_move_with_brightness_and_not_with_order(pair: Pair) -> None:
    image = pair[0]
    brighter = (image.astype(np.int16) + 20).clip(0, 255).astype(np.uint8)
    turned = np.ascontiguousarray(image[:, ::-1, ::-1])
    # 20 of 255 levels, and the distance is in units of the range.
    assert loss_of("histogram", (image, brighter)) == pytest.approx(20 / 255, abs=2e-3)
    assert loss_of("histogram", (image, turned)) < 2e-2


@pytest.mark.parametrize("name", ["l1", "psnr", "ms_ssim", "perceptual", "histogram"])
def test_slopes_are_finite_where_images_are_equal_or_flat(name: str) -> None:
    import tensorflow as tf

    from bokehbench.zoo.losses import TERMS

    flat = tf.zeros((1, 64, 64, 3))
    for other in (flat, flat + 0.5):
        prediction = tf.Variable(other)
        with tf.GradientTape() as tape:
            loss = TERMS[name](prediction, flat)
        gradient = tape.gradient(loss, prediction)
        assert np.isfinite(float(loss))
        assert np.isfinite(gradient.numpy()).all()
