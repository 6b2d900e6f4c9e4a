"""PSNR, SSIM and MS-SSIM of RGB images, exact in float64.

Images are (height, width, 3): uint8, or floats from 0 to `data_range`. SSIM is that of Wang et
al. 2004 (doi:10.1109/TIP.2003.819861), MS-SSIM that of Wang et al. 2003
(doi:10.1109/ACSSC.2003.1292216).
"""

import math
from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bokehbench.errors import UsageError
from bokehbench.facts import SsimRules
from bokehbench.fidelity import native
from bokehbench.fidelity.threads import map_threads, usable_cores
from bokehbench.fidelity.window import Window, make_window

GAUSSIAN: Final = SsimRules(window="gaussian", size=11, sigma=1.5, covariance="population")
"""Wang's window; scikit-image's `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`."""

UNIFORM: Final = SsimRules(window="uniform", size=7, covariance="sample")
"""scikit-image's default."""

MS_SSIM_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The five scales of Wang et al. 2003, the finest first."""

# The sums of a chunk do not depend on how many threads share the chunks, nor does the total.
_CHUNK_ROWS = 128
_MIN_PIXELS_FOR_THREADS = 1 << 16

Image = NDArray[Any]


class Kernels(Protocol):
    """Sums over pixels, as `native` and `portable` compute them."""

    def squared_error(self, prediction: Image, reference: Image) -> float:
        """Sum of squared differences; exact for uint8."""

    def ssim_sums(
        self, prediction: Image, reference: Image, window: Window, top: int, rows: int
    ) -> NDArray[np.float64]:
        """Sums of SSIM, then of contrast-structure, by channel."""

    def lpips_layer(
        self, a: NDArray[np.float32], b: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> float:
        """Sum over pixels of one layer's distance."""

    def lpips_input(
        self,
        image: NDArray[np.uint8],
        values: NDArray[np.float32],
        corner: tuple[int, int],
        out: NDArray[np.float32],
    ) -> None:
        """uint8 RGB -> float32 RGB through a table, into blocks of 4x4 pixels."""


def best_kernels() -> Kernels:
    """The kernels in C where they are built for this machine, else those of OpenCV."""
    found = native.load()
    if found is not None:
        return found
    from bokehbench.fidelity import portable

    return portable.load()


def psnr(
    prediction: Image,
    reference: Image,
    *,
    data_range: float | None = None,
    kernels: Kernels | None = None,
) -> float:
    """Peak signal-to-noise ratio in dB; infinite for identical images.

    Args:
        prediction: (height, width, 3) uint8, or floats.
        reference: the same shape.
        data_range: the peak; 255 for uint8 and 1 for floats unless given.
        kernels: what computes the sums; the best for this machine unless given.

    Raises:
        UsageError: the arrays are not two RGB images of one shape and kind, or hold NaN.
    """
    a, b = check_pair(prediction, reference)
    squared = (kernels or best_kernels()).squared_error(a, b)
    if squared == 0:
        return math.inf
    peak = _range(a, data_range)
    if peak <= 0:
        return -math.inf
    return 10.0 * math.log10(peak * peak * a.size / squared)


def ssim(
    prediction: Image,
    reference: Image,
    *,
    rules: SsimRules = GAUSSIAN,
    data_range: float | None = None,
    threads: int | None = None,
    kernels: Kernels | None = None,
) -> float:
    """Structural similarity: the mean over channels and positions where the window fits.

    Args:
        prediction: (height, width, 3) uint8, or floats; both sides at least the window's.
        reference: the same shape.
        rules: window and covariance.
        data_range: the span of values; 255 for uint8 and 1 for floats unless given.
        threads: all usable cores unless given; the value does not depend on it.
        kernels: what computes the sums; the best for this machine unless given.

    Raises:
        UsageError: the arrays are not two RGB images of one shape and kind, hold NaN, or are
            smaller than the window.
    """
    a, b = check_pair(prediction, reference)
    if min(a.shape[:2]) < rules.size:
        raise UsageError(
            f"an image of {a.shape[0]}x{a.shape[1]} is smaller than SSIM's window: "
            f"use images of at least {rules.size}x{rules.size}"
        )
    window = make_window(rules, _range(a, data_range))
    means = _means(a, b, window, threads or usable_cores(), kernels or best_kernels())
    return math.fsum(means[:3]) / 3


def ms_ssim(
    prediction: Image,
    reference: Image,
    *,
    rules: SsimRules = GAUSSIAN,
    weights: Sequence[float] = MS_SSIM_WEIGHTS,
    data_range: float | None = None,
    threads: int | None = None,
    kernels: Kernels | None = None,
) -> float:
    """Multi-scale SSIM: contrast-structure of all scales, SSIM of the coarsest, by channel.

    Each scale is the mean of 2x2 pixels of the one before; a last odd row or column is
    repeated. Contrast-structure below 0 counts as 0, as its power is no number.

    Raises:
        UsageError: as `ssim`; or the images are too small (161 with five scales of 11).
    """
    a, b = check_pair(prediction, reference)
    least = ms_ssim_least(rules, len(weights))
    if min(a.shape[:2]) < least:
        raise UsageError(
            f"an image of {a.shape[0]}x{a.shape[1]} is too small for MS-SSIM of {len(weights)} "
            f"scales: use images of at least {least}x{least}, or a protocol without it"
        )
    window = make_window(rules, _range(a, data_range))
    product = np.ones(3)
    for scale, weight in enumerate(weights):
        if scale:
            a, b = _halved(a), _halved(b)
        means = _means(a, b, window, threads or usable_cores(), kernels or best_kernels())
        last = scale == len(weights) - 1
        product *= np.maximum(means[:3] if last else means[3:], 0.0) ** weight
    return math.fsum(product) / 3


def ms_ssim_least(rules: SsimRules, scales: int) -> int:
    """The smallest side that has room for the window at the coarsest scale."""
    return int((rules.size - 1) * 2 ** (scales - 1) + 1)


def _means(
    a: Image, b: Image, window: Window, threads: int, kernels: Kernels
) -> NDArray[np.float64]:
    """Means of SSIM, then of contrast-structure, by channel: 6 values."""
    halo = len(window.taps) - 1
    rows, columns = a.shape[0] - halo, a.shape[1] - halo
    if rows * columns < _MIN_PIXELS_FOR_THREADS:
        threads = 1
    sums = map_threads(
        lambda top: kernels.ssim_sums(a, b, window, top, min(_CHUNK_ROWS, rows - top)),
        range(0, rows, _CHUNK_ROWS),
        threads,
    )
    totals = [math.fsum(part[i] for part in sums) for i in range(6)]
    means: NDArray[np.float64] = np.array(totals) / (rows * columns)
    return means


def _halved(image: Image) -> NDArray[np.float64]:
    """Means of 2x2 pixels; a last odd row or column is repeated."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = padded[0::2].astype(np.float64) + padded[1::2]
    return np.asarray((wide[:, 0::2] + wide[:, 1::2]) / 4.0)


def _range(image: Image, data_range: float | None) -> float:
    if data_range is not None:
        return data_range
    return 255.0 if image.dtype == np.uint8 else 1.0


def check_pair(prediction: Image, reference: Image) -> tuple[Image, Image]:
    """Both images, floats as float64.

    Raises:
        UsageError: they are not two RGB images of one shape and kind, or hold NaN.
    """
    for name, image in (("prediction", prediction), ("reference", reference)):
        known = image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating)
        if not known or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise UsageError(
                f"the {name} is {image.dtype} of shape {image.shape}: "
                "give uint8 or floats of shape (height, width, 3)"
            )
    if prediction.shape != reference.shape:
        raise UsageError(
            f"the prediction is {prediction.shape[0]}x{prediction.shape[1]} but the reference "
            f"{reference.shape[0]}x{reference.shape[1]}: give images of one size"
        )
    if (prediction.dtype == np.uint8) != (reference.dtype == np.uint8):
        raise UsageError(
            f"the prediction is {prediction.dtype} but the reference {reference.dtype}: "
            "give both as uint8 or both as floats"
        )
    if prediction.dtype == np.uint8:
        return prediction, reference
    for name, image in (("prediction", prediction), ("reference", reference)):
        if not np.isfinite(image).all():
            raise UsageError(f"the {name} holds NaN or infinite values: give finite ones")
    return prediction.astype(np.float64, copy=False), reference.astype(np.float64, copy=False)
