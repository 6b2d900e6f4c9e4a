"""Homographies between scales, overlaps and their largest rectangles."""

import cv2
import numpy as np
import pytest

from bokehbench.dataset.geometry import (
    Box,
    corners,
    grid_error,
    keeps_orientation,
    largest_box,
    overlap,
    project,
    resizing,
    same_shape,
    signed_area,
)
from bokehbench.dataset.sampling import at_height


def shifted(x: float, y: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def test_a_resize_keeps_edges_in_line() -> None:
    points = project(resizing(0.5, 0.25), corners(64, 32))
    assert points == pytest.approx(corners(32, 8))


def test_shapes_of_depth_models() -> None:
    assert same_shape((392, 518), (3024, 4032))
    assert same_shape((512, 768), (1024, 1536))
    assert not same_shape((384, 518), (3024, 4032))
    assert not same_shape((518, 392), (3024, 4032))


def test_the_overlap_of_a_shift() -> None:
    polygon = overlap(shifted(10, -5), (100, 80), (100, 80))
    assert signed_area(polygon) == pytest.approx(90 * 75)
    assert largest_box(polygon, (100, 80), margin=0.0) == Box(0, 5, 90, 80)
    # The frame's own edges are sharp; only those of the other photo keep a pixel's distance.
    assert largest_box(polygon, (100, 80)) == Box(0, 6, 89, 80)


def test_frames_that_do_not_meet() -> None:
    polygon = overlap(shifted(200, 0), (100, 80), (100, 80))
    assert largest_box(polygon, (100, 80)) is None


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_box_is_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = 60, 44
    edge = corners(width, height).astype(np.float32)
    moved = edge + rng.uniform(-7, 7, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(edge, moved)
    polygon = overlap(matrix, (width, height), (width, height))
    found = largest_box(polygon, (width, height), margin=0.0)
    assert found is not None
    y, x = np.mgrid[0:height, 0:width]
    inside = np.ones((height, width), bool)
    for dx, dy in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        points = np.stack([x + dx, y + dy], axis=-1).reshape(-1, 2).astype(np.float64)
        at = project(matrix, points)
        good = (at > -0.5 - 1e-6).all(axis=1) & (at < (width - 0.5, height - 0.5)).all(axis=1)
        inside &= (good | (np.abs(at + 0.5) < 1e-6).any(axis=1)).reshape(height, width)
    assert inside[found.top : found.bottom, found.left : found.right].all()
    best = max(
        (right - left) * (bottom - top)
        for top in range(height)
        for bottom in range(top + 20, height + 1)
        for left, right in [longest_run(np.asarray(inside[top:bottom].all(axis=0)))]
    )
    assert found.width * found.height >= 0.97 * best


def longest_run(row: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> tuple[int, int]:
    best = start = end = 0
    for place, inside in enumerate([*row, False]):
        if not inside:
            if place - start > best:
                best, end = place - start, place
            start = place + 1
    return end - best, end


def test_grid_error_of_a_shift_is_its_length() -> None:
    box = Box(0, 0, 50, 40)
    assert grid_error(shifted(3, 4), np.eye(3), box) == pytest.approx(5.0)


def test_a_mirror_or_a_horizon_is_no_photo() -> None:
    assert keeps_orientation(np.eye(3), 100, 80)
    assert not keeps_orientation(np.diag([-1.0, 1.0, 1.0]), 100, 80)
    horizon = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.02, 0.0, 1.0]])
    assert not keeps_orientation(horizon, 100, 80)


def test_gray_at_a_height() -> None:
    gray = np.arange(100 * 151, dtype=np.uint32).reshape(100, 151).astype(np.uint8)
    small, down = at_height(gray, 50)
    assert small.shape == (50, 76)
    assert project(down, corners(151, 100)) == pytest.approx(corners(76, 50))
    for height, slack in ((100, 1.0), (80, 1.25)):
        same, nothing = at_height(gray, height, slack)
        assert same is gray
        assert (nothing == np.eye(3)).all()
    assert at_height(gray, 79, 1.25)[0].shape[0] == 79
