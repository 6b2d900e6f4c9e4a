"""Pairs of photos with known homographies, for tests and studies of alignment.

A photo of scikit-image is enlarged to a frame of 1024 pixels height, as narrow aperture. The wide
one shows it through a homography that moves the corners by up to 20 pixels; 40 % of its frame is
blurred by a disk in linear light, then comes a gain of 1.08, and noise of 2 on both.
"""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.lens import disk_kernel, srgb_to_linear

PHOTOS = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "retina.jpg",
    "motorcycle_left.png",
    "ihc.png",
    "brick.png",
    "gravel.png",
)
RADII = (0, 4, 8, 15, 30)
CORNERS_PX = 20.0
BLURRED_SHARE = 0.4
GAIN = 1.08
NOISE = 2.0
HEIGHT = 1024

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class WarpedPair:
    """Two (H, W, 3) uint8 RGB photos; `matrix` maps points of narrow to points of wide."""

    narrow: Image
    wide: Image
    matrix: NDArray[np.float64]


@cache
def frame(name: str, height: int = HEIGHT) -> Image:
    """A photo of scikit-image enlarged to `height`, at most 3:2, RGB."""
    data = resources.files("skimage").joinpath("data", name).read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    width = min(round(bgr.shape[1] * height / bgr.shape[0]), height * 3 // 2)
    inside = bgr.shape[0] * width / height
    left = int((bgr.shape[1] - inside) / 2)
    bgr = bgr[:, left : left + round(inside)]
    kind = cv2.INTER_AREA if bgr.shape[0] > height else cv2.INTER_CUBIC
    return np.ascontiguousarray(cv2.resize(bgr, (width, height), interpolation=kind)[..., ::-1])


def warped_pair(name: str, radius: float, seed: int, height: int = HEIGHT) -> WarpedPair:
    """The pair of one photo, one disk radius in pixels and one seed."""
    rng = np.random.default_rng([seed, round(radius * 100), PHOTOS.index(name)])
    photo = frame(name, height)
    rows, columns = photo.shape[:2]
    edge = np.array([[0, 0], [columns - 1, 0], [columns - 1, rows - 1], [0, rows - 1]], np.float32)
    moved = edge + rng.uniform(-CORNERS_PX, CORNERS_PX, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(edge, moved)
    light = srgb_to_linear(photo)
    # From a grid twice as fine to another, where linear interpolation is exact enough, then
    # averaged: the wide photo's pixels are areas, as a sensor's are.
    double = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    size = (2 * columns, 2 * rows)
    warped = cv2.warpPerspective(
        cv2.resize(light, size, interpolation=cv2.INTER_LANCZOS4),
        double @ matrix @ np.linalg.inv(double),
        size,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    warped = cv2.resize(warped, (columns, rows), interpolation=cv2.INTER_AREA)
    if radius > 0:
        blurred = cv2.filter2D(
            warped, cv2.CV_32F, disk_kernel(radius), borderType=cv2.BORDER_REFLECT_101
        )
        mask = blurred_part(rows, columns, rng)[..., None]
        warped = warped * (1 - mask) + blurred * mask
    return WarpedPair(_noisy(light, 1.0, rng), _noisy(warped, GAIN, rng), matrix)


def blurred_part(rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(rows, columns) of 0 and 1, soft at the edges: 40 % of the frame, in one or more pieces.

    By turns one side of a line, what surrounds an ellipse, and spots.
    """
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    kind = rng.integers(3)
    if kind == 0:
        angle = rng.uniform(0, 2 * np.pi)
        field = np.cos(angle) * x + np.sin(angle) * y
    elif kind == 1:
        across = rng.uniform(0.35, 0.65, 2)
        field = ((x - across[0] * columns) / columns) ** 2 + ((y - across[1] * rows) / rows) ** 2
    else:
        coarse = rng.normal(size=(5, 7)).astype(np.float32)
        field = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_CUBIC)
    mask = (field > np.quantile(field, 1 - BLURRED_SHARE)).astype(np.float32)
    soft: NDArray[np.float32] = cv2.GaussianBlur(mask, (0, 0), 1.5)
    return soft


def _noisy(light: NDArray[np.float32], gain: float, rng: np.random.Generator) -> Image:
    """Linear light as sRGB bytes, with a gain and noise on the bytes."""
    clipped = np.clip(light, 0, 1)
    encoded = np.where(
        clipped <= 0.0031308, clipped * 12.92, 1.055 * np.power(clipped, 1 / 2.4) - 0.055
    )
    values = encoded * 255 * gain + rng.normal(0, NOISE, light.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def plain_homography(narrow: Image, wide: Image) -> NDArray[np.float64] | None:
    """What everybody does: SIFT, ratio test at 0.75, RANSAC with 3 pixels."""
    sift = cv2.SIFT.create()
    gray = [cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY) for photo in (narrow, wide)]
    (points_a, words_a), (points_b, words_b) = (sift.detectAndCompute(g, None) for g in gray)
    if min(len(points_a), len(points_b)) < 4:
        return None
    found = cv2.BFMatcher().knnMatch(words_a, words_b, k=2)
    good = [two[0] for two in found if len(two) == 2 and two[0].distance < 0.75 * two[1].distance]
    if len(good) < 4:
        return None
    source = np.array([points_a[m.queryIdx].pt for m in good])
    target = np.array([points_b[m.trainIdx].pt for m in good])
    matrix, _ = cv2.findHomography(source, target, cv2.RANSAC, 3.0)
    return None if matrix is None else np.asarray(matrix)
