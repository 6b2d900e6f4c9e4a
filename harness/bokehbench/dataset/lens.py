"""Layered defocus: one scene of flat layers, seen through any aperture.

The scene is a list of layers parallel to the sensor. A layer at disparity d, with the lens focused
at disparity f, is seen through a disk of radius |d - f| pixels at the widest aperture and of
|d - f| * N_wide / N pixels at f-number N. Disparities are therefore given in pixels of disk radius
at the widest aperture; larger is nearer. All light is linear: highlights may exceed 1.0 and spread
before they clip, as they do in a camera.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
ByteImage = NDArray[np.uint8]

WIDE_F_NUMBER = 1.8
NARROW_F_NUMBER = 16.0

# Sub-pixel positions per axis when the coverage of a kernel cell is measured.
_KERNEL_SUBSAMPLES = 8


@dataclass(frozen=True)
class Layer:
    """A flat part of the scene.

    radiance: (H, W, 3) float32, linear light, not multiplied by alpha, 1.0 is the sensor's white.
    alpha: (H, W) float32 in 0..1, the share of each pixel that the layer covers.
    disparity: pixels of disk radius at the widest aperture; larger is nearer to the camera.
    """

    radiance: FloatImage
    alpha: FloatImage
    disparity: float


def srgb_to_linear(image: ByteImage) -> FloatImage:
    """Decode an sRGB uint8 array of any shape to linear light in 0..1."""
    codes = np.arange(256, dtype=np.float64) / 255.0
    table = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[image]


def linear_to_srgb(light: FloatImage) -> ByteImage:
    """Clip linear light to 0..1, encode it as sRGB and round it to uint8; any shape."""
    clipped = np.clip(light, 0.0, 1.0)
    encoded = np.where(
        clipped <= 0.0031308, clipped * 12.92, 1.055 * np.power(clipped, 1.0 / 2.4) - 0.055
    )
    return np.rint(encoded * 255.0).astype(np.uint8)


def disk_kernel(radius: float) -> FloatImage:
    """A disk of `radius` pixels as a (K, K) float32 kernel that sums to 1, K odd.

    Each cell holds the share of its area that lies inside the disk, so the blur grows smoothly
    with the radius. Up to half a pixel the disk fits in one cell and the kernel is [[1]].

    Raises:
        ValueError: the radius is negative.
    """
    if radius < 0.0:
        raise ValueError(f"a disk radius cannot be negative: {radius}")
    if radius <= 0.5:
        return np.ones((1, 1), np.float32)
    half = math.ceil(radius - 0.5)
    cells = 2 * half + 1
    steps = (np.arange(cells * _KERNEL_SUBSAMPLES) + 0.5) / _KERNEL_SUBSAMPLES - cells / 2.0
    inside = (steps[:, None] ** 2 + steps[None, :] ** 2) <= radius**2
    shape = (cells, _KERNEL_SUBSAMPLES, cells, _KERNEL_SUBSAMPLES)
    coverage = inside.reshape(shape).mean(axis=(1, 3))
    kernel: FloatImage = (coverage / coverage.sum()).astype(np.float32)
    return kernel


def _covered_box(alpha: FloatImage, margin: int) -> tuple[slice, slice] | None:
    """Rows and columns where alpha is not zero, grown by `margin` pixels, inside the frame."""
    rows = np.flatnonzero(alpha.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(alpha.any(axis=0))
    height, width = alpha.shape
    return (
        slice(max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)),
        slice(max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)),
    )


def render(layers: Sequence[Layer], focus: float, f_number: float) -> FloatImage:
    """Photograph the layers; the result is (H, W, 3) float32 linear light and may exceed 1.0.

    focus: disparity that is perfectly sharp. f_number: the aperture; at WIDE_F_NUMBER a layer's
    disk radius equals its distance from `focus` in pixels.

    Layers are composited from back to front, light and alpha blurred by the same disk. A near
    layer thus spills over what is behind it, and an out-of-focus background stops at the edge of
    a subject in focus. The furthest layer has to cover the whole frame.
    """
    return composite(sorted(layers, key=lambda layer: layer.disparity), focus, f_number)


def composite(layers: Iterable[Layer], focus: float, f_number: float) -> FloatImage:
    """As `render`, of layers that come from back to front; one is held at a time.

    Raises:
        ValueError: there are no layers.
    """
    picture: FloatImage | None = None
    for layer in layers:
        if picture is None:
            picture = np.zeros_like(layer.radiance)
        radius = abs(layer.disparity - focus) * WIDE_F_NUMBER / f_number
        kernel = disk_kernel(radius)
        # The margin keeps the blur's support inside the box, so that only the frame's own border
        # is ever replicated.
        box = _covered_box(layer.alpha, kernel.shape[0] // 2 + 1)
        if box is None:
            continue
        alpha = layer.alpha[box]
        light = np.dstack((layer.radiance[box] * alpha[..., None], alpha))
        if kernel.size > 1:
            light = cv2.filter2D(light, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)
        # Large kernels are applied by Fourier transforms, whose rounding strays past 0 and 1.
        covered = np.clip(light[..., 3:], 0.0, 1.0)
        picture[box] = picture[box] * (1.0 - covered) + np.maximum(light[..., :3], 0.0)
        # The next layer is made before the loop's names would let go of this one.
        del layer, light, alpha, covered
    if picture is None:
        raise ValueError("a scene without layers")
    return picture


def render_pair(layers: Sequence[Layer], focus: float) -> tuple[ByteImage, ByteImage]:
    """The scene at f/16 and at f/1.8, both (H, W, 3) uint8 sRGB: (original, bokeh)."""
    original = render(layers, focus, NARROW_F_NUMBER)
    bokeh = render(layers, focus, WIDE_F_NUMBER)
    return linear_to_srgb(original), linear_to_srgb(bokeh)
