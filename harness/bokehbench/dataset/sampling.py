"""Gray images on coarser and finer grids, without a shift that would pass for motion."""

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.geometry import Homography, resizing

Gray = NDArray[np.float32]

# Both photos are smoothed alike before they are sampled between pixels: interpolation errors sit
# in the highest frequencies.
SMOOTHING_SIGMA = 1.0
# The value half-way between pixels from four on either side: a windowed sinc.
_OFFSETS = np.arange(8) - 3.5
_HALF_BAND = (np.sinc(_OFFSETS) * np.cos(np.pi * _OFFSETS / 9) ** 2).astype(np.float32)
_HALF_BAND /= _HALF_BAND.sum()
_BEFORE_X, _BEFORE_Y = (3, 0), (0, 3)
TO_FINER = np.diag([2.0, 2.0, 1.0])
"""Where a pixel lies on the grid of `finer`."""


def at_height(
    gray: NDArray[np.uint8], height: int, slack: float = 1.0
) -> tuple[NDArray[np.uint8], Homography]:
    """(H, W) uint8 shrunk to `height`, and what that does to points.

    An image of up to `height` * `slack` rows stays as it is.
    """
    rows, columns = gray.shape
    if rows <= height * slack:
        return gray, np.eye(3)
    width = max(1, round(columns * height / rows))
    small: NDArray[np.uint8] = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    return small, resizing(width / columns, height / rows)


def smaller(image: Gray, scale: int) -> Gray:
    """The image at 1/`scale` of its size, smoothed."""
    if scale > 1:
        size = (image.shape[1] // scale, image.shape[0] // scale)
        # Cut to a whole multiple, so that the factor is the same on both axes.
        cut = image[: size[1] * scale, : size[0] * scale]
        image = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    smooth: Gray = cv2.GaussianBlur(image, (0, 0), SMOOTHING_SIGMA).astype(np.float32, copy=False)
    return smooth


def finer(image: Gray) -> Gray:
    """The image on a grid twice as fine: (2H, 2W), with its own pixels at even places.

    Between them stand those of a half-band filter, which moves no phase. OpenCV's own cubic
    interpolation moves a ramp by up to 0.04 pixels, and its Lanczos rounds positions to 1/32.
    """
    rows = np.empty((2 * image.shape[0], image.shape[1]), np.float32)
    rows[0::2] = image
    rows[1::2] = cv2.filter2D(image, -1, _HALF_BAND[:, None], anchor=_BEFORE_Y)
    fine = np.empty((rows.shape[0], 2 * image.shape[1]), np.float32)
    fine[:, 0::2] = rows
    fine[:, 1::2] = cv2.filter2D(rows, -1, _HALF_BAND[None, :], anchor=_BEFORE_X)
    return fine
