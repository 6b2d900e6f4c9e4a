"""Terms of training losses, all of batches (N, H, W, 3) in 0..1, to be minimised."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import tensorflow as tf

from bokehbench.fidelity.lpips_model import BORDER, LAYERS, SCALE, SHIFT, STRIDE, weights

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_LEAST = 1e-6
"""What a contrast term is at least: a root of it has no slope at 0."""

_BINS = 64
_EVERY = 4
"""Rows and columns of which one is counted in histograms."""


def l1(prediction: Any, target: Any) -> Any:
    """Mean absolute difference."""
    return tf.reduce_mean(tf.abs(prediction - target))


def psnr(prediction: Any, target: Any) -> Any:
    """The negative PSNR in dB of the whole batch, for values of 0..1.

    A mean of the images' own would follow crops that are wholly in focus alone: there a copy of the
    photo has 50 dB and more, and each step away from it costs 20.
    """
    error = tf.reduce_mean(tf.square(prediction - target))
    return 10.0 * tf.math.log(tf.maximum(error, 1e-10)) / np.log(10.0)


def ms_ssim(prediction: Any, target: Any) -> Any:
    """1 - MS-SSIM, after Wang, Simoncelli and Bovik 2003: a Gaussian of 11, sigma 1.5.

    Five scales where the image is large enough (176 pixels), fewer below, with the weights of
    those that are left, scaled to a sum of 1.
    """
    side = min(prediction.shape[1], prediction.shape[2])
    scales = next((n for n in range(len(_MS_WEIGHTS), 0, -1) if side // 2 ** (n - 1) >= _WINDOW), 1)
    shares = np.array(_MS_WEIGHTS[:scales]) / sum(_MS_WEIGHTS[:scales])
    total = tf.constant(1.0)
    for number, share in enumerate(shares):
        similarity, contrast = _ssim_maps(prediction, target)
        chosen = similarity if number == scales - 1 else contrast
        total *= tf.maximum(tf.reduce_mean(chosen, axis=(1, 2, 3)), _LEAST) ** float(share)
        prediction, target = (tf.nn.avg_pool2d(x, 2, 2, "SAME") for x in (prediction, target))
    return 1.0 - tf.reduce_mean(total)


def _ssim_maps(a: Any, b: Any) -> tuple[Any, Any]:
    """SSIM of each window, and its part of contrast and structure alone."""
    mean_a, mean_b = _blur(a), _blur(b)
    var_a, var_b = _blur(a * a) - mean_a**2, _blur(b * b) - mean_b**2
    contrast = (2 * (_blur(a * b) - mean_a * mean_b) + _C2) / (var_a + var_b + _C2)
    light = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return light * contrast, contrast


def _blur(x: Any) -> Any:
    """Windows that lie wholly inside; the Gaussian is applied by rows, then by columns."""
    offsets = np.arange(_WINDOW) - _WINDOW // 2
    line = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    line = np.tile((line / line.sum()).astype(np.float32)[:, None, None, None], (1, 1, 3, 1))
    x = tf.nn.depthwise_conv2d(x, line, (1, 1, 1, 1), "VALID")
    return tf.nn.depthwise_conv2d(x, line.transpose(1, 0, 2, 3), (1, 1, 1, 1), "VALID")


@cache
def _alexnet() -> list[tuple[Any, Any, Any]]:
    """Kernel, bias and the weights of features of each layer."""
    w = weights()
    return [(w[f"conv{n}_w"], w[f"conv{n}_b"], w[f"lin{n}_w"]) for n in range(LAYERS)]


def perceptual(prediction: Any, target: Any) -> Any:
    """LPIPS-Alex v0.1 (Zhang et al. 2018), with the weights that fidelity is measured with."""
    a, b = ((x * 2.0 - 1.0 - SHIFT) / SCALE for x in (prediction, target))
    distance = tf.constant(0.0)
    for number, (kernel, bias, lin) in enumerate(_alexnet()):
        stride, border = (STRIDE, BORDER) if number == 0 else (1, kernel.shape[0] // 2)
        pads = [[0, 0], [border, border], [border, border], [0, 0]]
        if number in (1, 2):
            a, b = (tf.nn.max_pool2d(x, 3, 2, "VALID") for x in (a, b))
        a, b = (tf.nn.relu(tf.nn.conv2d(x, kernel, stride, pads) + bias) for x in (a, b))
        difference = tf.square(_unit(a) - _unit(b))
        distance += tf.reduce_mean(tf.reduce_sum(difference * lin, axis=-1), axis=(1, 2))
    return tf.reduce_mean(distance)


def _unit(x: Any) -> Any:
    # The slope of a root at 0 is infinite, and pixels without any feature are common.
    return x / (tf.sqrt(tf.reduce_sum(x * x, axis=-1, keepdims=True) + 1e-20) + 1e-10)


def histogram(prediction: Any, target: Any) -> Any:
    """Mean distance of the cumulated histograms of each channel: earth mover's, in units of range.

    A value counts for the two bins beside it, by its nearness to each.
    """
    a, b = (
        tf.cumsum(_bins(tf.clip_by_value(x[:, ::_EVERY, ::_EVERY], 0.0, 1.0)), axis=-1)
        for x in (prediction, target)
    )
    return tf.reduce_mean(tf.abs(a - b))


def _bins(x: Any) -> Any:
    """(N, 3, bins): the share of pixels in each bin."""
    centres = np.linspace(0.0, 1.0, _BINS, dtype=np.float32)
    near = tf.nn.relu(1.0 - tf.abs(x[..., None] - centres) * (_BINS - 1.0))
    return tf.reduce_mean(near, axis=(1, 2))


TERMS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "l1": l1,
    "psnr": psnr,
    "ms_ssim": ms_ssim,
    "perceptual": perceptual,
    "histogram": histogram,
}


def total(parts: Mapping[str, float], prediction: Any, target: Any) -> Any:
    """The weighted sum of terms."""
    return tf.add_n([share * TERMS[name](prediction, target) for name, share in parts.items()])
