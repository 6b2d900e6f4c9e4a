"""A photo and its disparity map -> layers that the lens can blur, filled in behind what is near."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.lens import (
    WIDE_F_NUMBER,
    ByteImage,
    FloatImage,
    Layer,
    composite,
    linear_to_srgb,
    srgb_to_linear,
)

# Share of a layer's thickness over which it fades into the next, so that slopes show no steps.
FADE = 0.5
IN_FOCUS = 0.0
"""The disparity that is sharp, of what `layers_of` gives."""


def central_disparity(disparity: NDArray[np.uint8]) -> float:
    """The median of the middle ninth of a map, 0 to 1: what a photographer would focus on."""
    height, width = disparity.shape
    middle = disparity[height // 3 : -(-2 * height // 3), width // 3 : -(-2 * width // 3)]
    return float(np.median(middle)) / 255.0


def layers_of(
    photo: ByteImage, disparity: NDArray[np.uint8], focus: float, radius_px: float, count: int
) -> Iterator[Layer]:
    """Layers of a photo from back to front, each made when it is asked for.

    Their disparities are in pixels of disk radius, `IN_FOCUS` where sharp.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        disparity: (h, w) uint8, 255 is nearest; resized to the photo.
        focus: disparity that is sharp, 0 to 1.
        radius_px: disk radius of what is one whole range of disparity away from the focus.
        count: layers over the whole range.

    A layer lies exactly in focus. Each reaches under all that are nearer, where it goes on with
    smooth colours of its own, so that a blurred edge in front lets something through.
    """
    light = srgb_to_linear(photo)
    height, width = light.shape[:2]
    values = cv2.resize(disparity, (width, height), interpolation=cv2.INTER_LINEAR)
    depth = (values.astype(np.float32) / 255.0 - np.float32(focus)) * np.float32(radius_px)
    step = max(radius_px / count, 1e-6)
    numbers = [int(number) for number in np.unique(np.rint(depth / step))]
    alpha = np.ones_like(depth)
    for number, next_number in zip(numbers, [*numbers[1:], None], strict=True):
        nearer = np.zeros_like(depth) if next_number is None else _from(depth, next_number, step)
        own = np.clip(alpha - nearer, 0.0, 1.0)
        yield Layer(_filled(light, own), alpha, number * step)
        alpha = nearer


def _from(depth: FloatImage, number: int, step: float) -> FloatImage:
    """How much of each pixel lies in a layer or nearer, (H, W) float32."""
    edge = (number - 0.5) * step
    reach: FloatImage = np.clip((depth - edge) / (FADE * step) + 0.5, 0.0, 1.0).astype(np.float32)
    return reach


def _filled(light: FloatImage, weight: FloatImage) -> FloatImage:
    """Light where weight is 1, elsewhere smooth colours from around, by a pyramid."""
    height, width = weight.shape
    if min(height, width) <= 2 or float(weight.min()) > 0.999:
        total = float(weight.sum())
        mean = (light * weight[..., None]).sum(axis=(0, 1)) / max(total, 1e-6)
        rest: FloatImage = light * weight[..., None] + mean * (1.0 - weight[..., None])
        return rest.astype(np.float32)
    known = cv2.pyrDown(weight)
    colours = cv2.pyrDown(light * weight[..., None]) / np.maximum(known, 1e-4)[..., None]
    # A quarter of a coarse pixel that is known is enough to trust it.
    coarse = _filled(colours.astype(np.float32), np.minimum(known * 4.0, 1.0).astype(np.float32))
    around = cv2.pyrUp(coarse, dstsize=(width, height))
    filled: FloatImage = light * weight[..., None] + around * (1.0 - weight[..., None])
    return filled.astype(np.float32)


def synthesise(
    photo: ByteImage,
    disparity: NDArray[np.uint8],
    *,
    focus: float,
    radius_px: float,
    layers: int = 24,
) -> ByteImage:
    """The photo through a wide aperture, (H, W, 3) uint8 sRGB; arguments as `layers_of`."""
    scene = layers_of(photo, disparity, focus, radius_px, layers)
    return linear_to_srgb(composite(scene, IN_FOCUS, WIDE_F_NUMBER))
