"""Plane geometry of two frames: homographies between scales, the overlap, its largest rectangle.

Points are (x, y); pixel centres lie at whole numbers, so the frame of a width x height image
reaches from -0.5 to width - 0.5. A homography is a (3, 3) float64 array with its last element 1,
and maps points of the narrow photo to points of the wide one.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Share by which two aspect ratios may differ: sizes are whole pixels, and depth models want
# multiples of 14 or 32.
SHAPE_TOLERANCE = 0.01

Homography = NDArray[np.float64]
Points = NDArray[np.float64]


class Box(NamedTuple):
    """Whole pixels `left` <= x < `right`, `top` <= y < `bottom`."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.bottom - self.top


def same_shape(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether a depth map, (height, width), is of a photo's shape: aspect ratios within 1 %."""
    ratio, wanted = one[1] / one[0], other[1] / other[0]
    return abs(ratio - wanted) <= SHAPE_TOLERANCE * wanted


def normalised(matrix: NDArray[np.float64]) -> Homography:
    """The same homography with its last element 1."""
    divided: Homography = np.asarray(matrix, np.float64) / matrix[2, 2]
    return divided


def project(matrix: Homography, points: Points) -> Points:
    """Where (N, 2) points land, (N, 2)."""
    mapped = np.column_stack((points, np.ones(len(points)))) @ matrix.T
    landed: Points = mapped[:, :2] / mapped[:, 2:]
    return landed


def resizing(factor_x: float, factor_y: float) -> Homography:
    """What a resize by these factors does to points: pixels' edges, not centres, stay in line."""
    return np.array(
        [
            [factor_x, 0.0, (factor_x - 1.0) / 2.0],
            [0.0, factor_y, (factor_y - 1.0) / 2.0],
            [0.0, 0.0, 1.0],
        ]
    )


def corners(width: int, height: int) -> Points:
    """The four outer corners of a frame, clockwise from the top left."""
    right, bottom = width - 0.5, height - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def keeps_orientation(matrix: Homography, width: int, height: int) -> bool:
    """Whether the whole frame lies before the horizon and is not turned over."""
    frame = np.column_stack((corners(width, height), np.ones(4)))
    depth = frame @ matrix[2]
    if not (np.isfinite(matrix).all() and (depth > 1e-6).all()):
        return False
    return signed_area(project(matrix, frame[:, :2])) > 0.0


def signed_area(polygon: Points) -> float:
    """Area of a polygon, positive when its points run clockwise on the screen (y down)."""
    x, y = polygon[:, 0], polygon[:, 1]
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def overlap(matrix: Homography, narrow: tuple[int, int], wide: tuple[int, int]) -> Points:
    """The part of the narrow frame that the wide photo shows, a convex polygon, (N, 2).

    narrow, wide: (width, height). No points where the frames don't meet.
    """
    polygon = project(np.linalg.inv(matrix).astype(np.float64), corners(*wide))
    left, top = -0.5, -0.5
    right, bottom = narrow[0] - 0.5, narrow[1] - 0.5
    # Sutherland and Hodgman: the half-planes of the narrow frame, one after the other.
    for axis, bound, sign in ((0, left, 1.0), (0, right, -1.0), (1, top, 1.0), (1, bottom, -1.0)):
        polygon = _clipped(polygon, axis, bound, sign)
    return polygon


def _clipped(polygon: Points, axis: int, bound: float, sign: float) -> Points:
    """The polygon's part on which (coordinate - bound) * sign is not negative."""
    kept: list[NDArray[np.float64]] = []
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        inside = (start[axis] - bound) * sign, (end[axis] - bound) * sign
        if inside[0] >= 0.0:
            kept.append(start)
        if (inside[0] < 0.0) != (inside[1] < 0.0):
            kept.append(start + (end - start) * inside[0] / (inside[0] - inside[1]))
    return np.array(kept).reshape(-1, 2)


def largest_box(polygon: Points, limit: tuple[int, int], margin: float = 1.0) -> Box | None:
    """The largest box of whole pixels inside a convex polygon, `margin` pixels from its edges.

    limit: (width, height) of the frame that the box lies in; its own edges need no margin.
    The heights are searched exhaustively on a grid of rows, then around the best.
    """
    if len(polygon) < 3:
        return None
    edges = _half_planes(polygon, limit, margin)
    height = limit[1]
    step = max(1, height // 64)
    rows = [*range(0, height, step), height]
    best = max(
        (_between(edges, limit, top, bottom) for top in rows for bottom in rows if bottom > top),
        key=_area,
        default=None,
    )
    while best is not None and step > 1:
        step = max(1, step // 4)
        near = [
            _between(edges, limit, best.top + a * step, best.bottom + b * step)
            for a in range(-4, 5)
            for b in range(-4, 5)
        ]
        best = max([best, *near], key=_area)
    return best if best is not None and _area(best) > 0 else None


def _area(box: Box | None) -> int:
    return box.width * box.height if box is not None and box.width > 0 and box.height > 0 else 0


def _half_planes(
    polygon: Points, limit: tuple[int, int], margin: float
) -> list[tuple[float, float, float]]:
    """(a, b, c) of each edge: inside is a * x + b * y >= c, normals of length one."""
    found = []
    sign = 1.0 if signed_area(polygon) > 0 else -1.0
    for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        dx, dy = (float(value) for value in end - start)
        length = math.hypot(dx, dy)
        if length < 1e-9:
            continue
        a, b = -dy / length * sign, dx / length * sign
        c = a * float(start[0]) + b * float(start[1])
        on_frame = (
            (abs(dx) < 1e-9 and min(abs(start[0] + 0.5), abs(start[0] - limit[0] + 0.5)) < 1e-6)
            or (abs(dy) < 1e-9 and min(abs(start[1] + 0.5), abs(start[1] - limit[1] + 0.5)) < 1e-6)
        )  # fmt: skip
        found.append((a, b, c if on_frame else c + margin))
    return found


def _between(
    edges: list[tuple[float, float, float]], limit: tuple[int, int], top: int, bottom: int
) -> Box | None:
    """The widest box between two rows, as pixel edges: top - 0.5 to bottom - 0.5."""
    if not 0 <= top < bottom <= limit[1]:
        return None
    low, high = -0.5, limit[0] - 0.5
    for a, b, c in edges:
        # Of a convex polygon the nearer of the two rows decides.
        worst = c - min(b * (top - 0.5), b * (bottom - 0.5))
        if a > 1e-12:
            low = max(low, worst / a)
        elif a < -1e-12:
            high = min(high, worst / a)
        elif worst > 1e-9:
            return None
    left, right = math.ceil(low + 0.5 - 1e-9), math.floor(high + 0.5 + 1e-9)
    return Box(left, top, right, bottom) if right > left else None


def grid_error(found: Homography, true: Homography, box: Box, steps: int = 24) -> float:
    """Mean distance in wide pixels between two homographies on a grid over the box."""
    x = np.linspace(box.left, box.right - 1, steps)
    y = np.linspace(box.top, box.bottom - 1, steps)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    distances = np.linalg.norm(project(found, points) - project(true, points), axis=1)
    return float(distances.mean())
