"""The same sums as `native` on any host, with OpenCV and NumPy, in float64.

About five times slower; the values differ in their last digits at most.
"""

import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.fidelity.lpips_model import into_blocks
from bokehbench.fidelity.window import Window

# Eight float64 buffers of a tile stay in a core's cache: 64x256 takes 90 ms where whole rows
# take 115 ms at 1024x1536.
_TILE_ROWS = 64
_TILE_COLUMNS = 256
_BUFFERS = 8


class Portable:
    """Sums over pixels. One instance serves any number of threads."""

    def __init__(self) -> None:
        self._local = threading.local()

    def squared_error(self, prediction: NDArray[Any], reference: NDArray[Any]) -> float:
        """Sum of squared differences; exact for uint8.

        `cv2.norm` with NORM_L2SQR squares a root and so comes out just below an integer at
        times (OpenCV 5.0).
        """
        if prediction.dtype != np.uint8:
            rows = (np.square(a - b).sum() for a, b in zip(prediction, reference, strict=True))
            return float(np.fromiter(rows, np.float64).sum())
        total = 0
        for top in range(0, prediction.shape[0], _TILE_ROWS):
            part = slice(top, top + _TILE_ROWS)
            difference = cv2.absdiff(
                np.ascontiguousarray(prediction[part]), np.ascontiguousarray(reference[part])
            )
            # 255^2 fits in 16 bits.
            total += int(np.square(difference, dtype=np.uint16).sum(dtype=np.uint64))
        return float(total)

    def ssim_sums(
        self,
        prediction: NDArray[Any],
        reference: NDArray[Any],
        window: Window,
        top: int,
        rows: int,
    ) -> NDArray[np.float64]:
        """Sums of SSIM, then of contrast-structure, by channel; see Native.ssim_sums."""
        halo = len(window.taps) - 1
        columns = prediction.shape[1] - halo
        sums = np.zeros(6)
        for upper in range(top, top + rows, _TILE_ROWS):
            lower = min(upper + _TILE_ROWS, top + rows) + halo
            for left in range(0, columns, _TILE_COLUMNS):
                tile = (slice(upper, lower), slice(left, left + _TILE_COLUMNS + halo))
                sums += self._tile(prediction[tile], reference[tile], window)
        return sums

    def lpips_layer(
        self, a: NDArray[np.float32], b: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> float:
        """Sum over pixels of one layer's distance; see Native.lpips_layer."""

        def unit(x: NDArray[np.float32]) -> NDArray[np.float32]:
            norm = np.sqrt(np.einsum("pc,pc->p", x, x)) + np.float32(1e-10)
            return np.asarray(x / norm[:, None])

        squared = np.square(unit(a) - unit(b))
        return float((squared @ weights).sum(dtype=np.float64))

    def lpips_input(
        self,
        image: NDArray[np.uint8],
        values: NDArray[np.float32],
        corner: tuple[int, int],
        out: NDArray[np.float32],
    ) -> None:
        """uint8 RGB -> `values[channel, byte]` into blocks; see Native.lpips_input."""
        planes = [values[channel][image[..., channel]] for channel in range(3)]
        into_blocks(np.stack(planes, axis=2), corner, out)

    def _tile(
        self, prediction: NDArray[Any], reference: NDArray[Any], window: Window
    ) -> NDArray[np.float64]:
        shape, size = prediction.shape, prediction.size
        buffers = self._tile_buffers(size)
        a, b, ab, squares, mean_a, mean_b, mean_ab, mean_squares = (
            buffer[:size].reshape(shape) for buffer in buffers
        )
        np.subtract(prediction, window.shift, out=a)
        np.subtract(reference, window.shift, out=b)
        np.multiply(a, b, out=ab)
        np.multiply(a, a, out=squares)
        np.multiply(b, b, out=mean_b)
        squares += mean_b
        taps = np.array(window.taps)
        for source, target in ((a, mean_a), (b, mean_b), (ab, mean_ab), (squares, mean_squares)):
            cv2.sepFilter2D(source, -1, taps, taps, dst=target)

        # Whole rows are contiguous and so quicker than the columns alone, which are cut last.
        half = (len(taps) - 1) // 2
        inner = slice(half, shape[0] - half)
        mean_a, mean_b, covariance, variances = (
            array[inner] for array in (mean_a, mean_b, mean_ab, mean_squares)
        )
        product, means, lift = (array[inner] for array in (a, b, ab))
        np.multiply(mean_a, mean_b, out=product)
        np.multiply(mean_a, mean_a, out=means)
        np.multiply(mean_b, mean_b, out=lift)
        means += lift
        covariance -= product
        covariance *= 2.0 * window.covariance_factor
        covariance += window.c2
        variances -= means
        variances *= window.covariance_factor
        variances += window.c2
        # Luminance needs the means themselves: 2(a+s)(b+s) = 2ab + 2s(a+b) + 2s^2.
        np.add(mean_a, mean_b, out=lift)
        lift *= 2.0 * window.shift
        lift += 2.0 * window.shift**2 + window.c1
        product *= 2.0
        product += lift
        means += lift
        covariance /= variances
        product *= covariance
        product /= means
        columns = slice(half, shape[1] - half)
        found = [field[:, columns].sum(axis=1).sum(axis=0) for field in (product, covariance)]
        return np.concatenate(found)

    def _tile_buffers(self, size: int) -> list[NDArray[np.float64]]:
        """Buffers of this thread, kept for its next tile."""
        kept: list[NDArray[np.float64]] | None = getattr(self._local, "buffers", None)
        if kept is None or kept[0].size < size:
            kept = self._local.buffers = [np.empty(size, np.float64) for _ in range(_BUFFERS)]
        return kept


_portable = Portable()


def load() -> Portable:
    """The one instance."""
    return _portable
