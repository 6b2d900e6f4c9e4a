"""PSNR and SSIM of uint8 RGB images, exact in float64.

Both take arrays of shape (height, width, 3) and dtype uint8 with a range of 255. SSIM is that
of Wang et al. 2004 (doi:10.1109/TIP.2003.819861) as scikit-image computes it with
`gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
"""

import math
import threading

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.errors import UsageError

SSIM_WINDOW = 11
SSIM_SIGMA = 1.5
_PAD = (SSIM_WINDOW - 1) // 2
_RANGE = 255.0
_C1 = (0.01 * _RANGE) ** 2
_C2 = (0.03 * _RANGE) ** 2

# Variances are differences of squares; around zero they lose no digits to a large mean.
_SHIFT = 127.5

# Eight float64 buffers of a tile stay in a core's cache: 64x256 takes 90 ms where whole rows
# take 115 ms at 1024x1536. A second thread changed nothing on two shared cores.
_TILE_ROWS = 64
_TILE_COLUMNS = 256
_BUFFERS = 8


def psnr(prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB; infinite for identical images.

    Args:
        prediction: (height, width, 3) uint8.
        reference: the same shape.

    Raises:
        UsageError: the arrays are not two uint8 RGB images of one shape.
    """
    _check(prediction, reference)
    squared = _squared_error(prediction, reference)
    if squared == 0:
        return math.inf
    return 10.0 * math.log10(_RANGE * _RANGE * prediction.size / squared)


def _squared_error(prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> int:
    """Sum of squared differences as an exact integer.

    `cv2.norm` with NORM_L2SQR squares a root and so comes out just below an integer at times
    (OpenCV 5.0), which is 2 ms quicker and not worth a doubt.
    """
    total = 0
    for top in range(0, prediction.shape[0], _TILE_ROWS):
        rows = slice(top, top + _TILE_ROWS)
        difference = cv2.absdiff(
            np.ascontiguousarray(prediction[rows]), np.ascontiguousarray(reference[rows])
        )
        # 255^2 fits in 16 bits.
        total += int(np.square(difference, dtype=np.uint16).sum(dtype=np.uint64))
    return total


def ssim(prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Structural similarity: Gaussian window, population covariance, valid region.

    The mean over all channels and all positions where the window fits. Buffers are kept for
    each thread and reused (under 5 MB, whatever the size of the images).

    Args:
        prediction: (height, width, 3) uint8, both sides at least 11.
        reference: the same shape.

    Raises:
        UsageError: the arrays are not two uint8 RGB images of one shape, or too small.
    """
    workspace: SsimWorkspace | None = getattr(_local, "workspace", None)
    if workspace is None:
        workspace = _local.workspace = SsimWorkspace()
    return workspace.ssim(prediction, reference)


class SsimWorkspace:
    """Buffers for SSIM, allocated once; one workspace serves one thread at a time."""

    def __init__(self) -> None:
        size = (_TILE_ROWS + 2 * _PAD) * (_TILE_COLUMNS + 2 * _PAD) * 3
        self._buffers = [np.empty(size, np.float64) for _ in range(_BUFFERS)]
        offsets = np.arange(-_PAD, _PAD + 1, dtype=np.float64)
        kernel = np.exp(-0.5 / SSIM_SIGMA**2 * offsets**2)
        self._kernel = kernel / kernel.sum()

    def ssim(self, prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
        """See the function `ssim`."""
        _check(prediction, reference)
        rows, columns = (side - 2 * _PAD for side in prediction.shape[:2])
        if rows < 1 or columns < 1:
            height, width = prediction.shape[:2]
            raise UsageError(
                f"an image of {height}x{width} is smaller than SSIM's window: "
                f"use images of at least {SSIM_WINDOW}x{SSIM_WINDOW}"
            )
        tiles = [
            (
                slice(top, top + _TILE_ROWS + 2 * _PAD),
                slice(left, left + _TILE_COLUMNS + 2 * _PAD),
            )
            for top in range(0, rows, _TILE_ROWS)
            for left in range(0, columns, _TILE_COLUMNS)
        ]
        total = math.fsum(self._tile_sum(prediction[tile], reference[tile]) for tile in tiles)
        return total / float(rows * columns * 3)

    def _tile_sum(self, prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
        """Sum of the SSIM map over the positions of one tile where the window fits."""
        shape = prediction.shape
        size = prediction.size
        a, b, ab, squares, mean_a, mean_b, mean_ab, mean_squares = (
            buffer[:size].reshape(shape) for buffer in self._buffers
        )
        np.subtract(prediction, _SHIFT, out=a)
        np.subtract(reference, _SHIFT, out=b)
        np.multiply(a, b, out=ab)
        np.multiply(a, a, out=squares)
        np.multiply(b, b, out=mean_b)
        np.add(squares, mean_b, out=squares)
        for source, target in ((a, mean_a), (b, mean_b), (ab, mean_ab), (squares, mean_squares)):
            cv2.sepFilter2D(source, -1, self._kernel, self._kernel, dst=target)

        # Whole rows are contiguous and so quicker than the columns alone, which are cut last.
        inner = slice(_PAD, shape[0] - _PAD)
        mean_a, mean_b, covariance, variances = (
            array[inner] for array in (mean_a, mean_b, mean_ab, mean_squares)
        )
        numerator, denominator, spare = (array[inner] for array in (a, b, ab))
        np.multiply(mean_a, mean_b, out=numerator)
        np.multiply(mean_a, mean_a, out=denominator)
        np.multiply(mean_b, mean_b, out=spare)
        denominator += spare
        covariance -= numerator
        covariance *= 2.0
        covariance += _C2
        variances -= denominator
        variances += _C2
        # Luminance needs the means themselves: 2(a+s)(b+s) = 2ab + 2s(a+b) + 2s^2.
        np.add(mean_a, mean_b, out=spare)
        spare *= 2.0 * _SHIFT
        spare += 2.0 * _SHIFT**2 + _C1
        numerator *= 2.0
        numerator += spare
        denominator += spare
        numerator *= covariance
        denominator *= variances
        numerator /= denominator
        return float(numerator[:, _PAD : shape[1] - _PAD].sum())


_local = threading.local()


def _check(prediction: NDArray[np.uint8], reference: NDArray[np.uint8]) -> None:
    for name, image in (("prediction", prediction), ("reference", reference)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise UsageError(
                f"the {name} is {image.dtype} of shape {image.shape}: "
                "give uint8 of shape (height, width, 3)"
            )
    if prediction.shape != reference.shape:
        raise UsageError(
            f"the prediction is {prediction.shape[0]}x{prediction.shape[1]} but the reference "
            f"{reference.shape[0]}x{reference.shape[1]}: give images of one size"
        )
