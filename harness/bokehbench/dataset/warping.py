"""Photos -> the images that are written: warp, crop and downscale in one step, then encode."""

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.geometry import Box, Homography, resizing

# Samples per written pixel and axis; photos are read at no more than about three times the size.
MAX_SAMPLES = 4


@dataclass(frozen=True)
class Frame:
    """The written image: `box` of the narrow photo, in its pixels, at `width` x `height`."""

    box: Box
    width: int
    height: int

    def to_narrow(self, factor_x: float = 1.0, factor_y: float = 1.0) -> Homography:
        """Maps points of the written image to points of the narrow photo resized by the factors."""
        scale = resizing(self.box.width / self.width, self.box.height / self.height)
        shift = np.eye(3)
        shift[:2, 2] = self.box.left, self.box.top
        matrix: Homography = resizing(factor_x, factor_y) @ shift @ scale
        return matrix

    def resized(self, factor: float) -> "Frame":
        """The same part at another size, at least one pixel."""
        size = max(1, round(self.width * factor)), max(1, round(self.height * factor))
        return Frame(self.box, *size)


def make_frame(box: Box, height: int) -> Frame:
    """The frame of a box downscaled to `height`, its aspect ratio kept."""
    return Frame(box, max(1, round(box.width * height / box.height)), height)


def resample(photo: NDArray[np.uint8], frame: Frame, matrix: Homography) -> NDArray[np.uint8]:
    """(height, width[, 3]) uint8 of a (h, w[, 3]) photo; `matrix` maps written points to it.

    Sampled finely enough to meet every pixel of the photo, then averaged, so that a downscaled
    photo doesn't alias and both of a pair go through the same filter.
    """
    density = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    samples = min(MAX_SAMPLES, max(2, math.ceil(density)))
    fine = cv2.warpPerspective(
        photo,
        matrix @ np.linalg.inv(resizing(samples, samples)),
        (frame.width * samples, frame.height * samples),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    size = (frame.width, frame.height)
    small: NDArray[np.uint8] = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    return small


def encode(image: NDArray[np.uint8], kind: Literal["jpg", "png"], quality: int) -> bytes:
    """(H, W) gray or (H, W, 3) RGB as PNG, or as JPEG without chroma subsampling."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        cv2.IMWRITE_JPEG_OPTIMIZE,
        1,
    ]
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(f".{kind}", bgr, options if kind == "jpg" else [])
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {kind}")
    return bytes(data.tobytes())
