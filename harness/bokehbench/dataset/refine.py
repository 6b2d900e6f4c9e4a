"""A homography -> the same to a few hundredths of a pixel, by the enhanced correlation of blocks.

The criterion is the enhanced correlation coefficient (Evangelidis and Psarakis, 2008), taken in
blocks: in each block gain and offset are free, so exposure, vignetting and the lower contrast of
defocus don't count as motion. Blocks are weighted anew in each step (iteratively re-weighted least
squares): by the inverse of what remains unexplained in them, which is noise where both photos are
in focus and much more where one is blurred, and down again where a block moves against the rest,
as moving things and near things do. What both apertures show alike is left to decide.

One step is Gauss and Newton's, inverse compositional (Baker and Matthews, 2004): gradients are the
narrow photo's, once for each scale, and sums over pixels are reduced to blocks before the eight
parameters come in, so a step costs little more than one warp.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.geometry import Homography, corners, normalised, project, resizing
from bokehbench.dataset.sampling import TO_FINER, Gray, finer, smaller

Values = NDArray[np.float64]

BLOCK_PX = 16
STEPS = 12
SETTLED_PX = 0.001
# How well the best of blocks is believed: edges that clip, or that blur in linear light, lie a
# little aside, and the strongest edges would hide that from the rest.
TRUST_PX = 0.1
# Of correlation, above which a block counts as shown alike by both apertures.
ALIKE = 0.9


@dataclass(frozen=True)
class Refined:
    """A homography and how far it is to be believed; lengths in pixels of the images given.

    correlation: the mean of blocks' coefficients, weighted by what each decides. residual_px: the
    median distance by which blocks in focus would still like to move. agreeing_blocks: how many
    are alike and within a pixel; focus: which, in rows and columns of blocks.
    standard_error_px: the largest predicted of the four corners.
    """

    matrix: Homography
    correlation: float
    residual_px: float
    agreeing_blocks: int
    standard_error_px: float
    focus: NDArray[np.bool_]


class _Level:
    """The narrow photo at one scale with what does not change from step to step."""

    def __init__(self, narrow: Gray, wide: Gray) -> None:
        height, width = narrow.shape
        self.blocks = (width // BLOCK_PX, height // BLOCK_PX)
        self.size = (self.blocks[0] * BLOCK_PX, self.blocks[1] * BLOCK_PX)
        # Sums of squares in float32: less is lost around the mean.
        self.middle = float(narrow.mean())
        self.narrow = narrow[: self.size[1], : self.size[0]] - np.float32(self.middle)
        self.wide = finer(wide - np.float32(self.middle))
        self.wide_size = (wide.shape[1], wide.shape[0])
        gx = cv2.Sobel(narrow, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
        gy = cv2.Sobel(narrow, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
        self.gradient = [g[: self.size[1], : self.size[0]] for g in (gx, gy)]
        self._describe()
        self.centres = self._centres()

    def means(self, image: Gray) -> Values:
        """Means over the blocks, in reading order, (B,)."""
        small = cv2.resize(image, self.blocks, interpolation=cv2.INTER_AREA)
        values: Values = small.astype(np.float64).ravel()
        return values

    def _describe(self) -> None:
        n, (gx, gy) = self.narrow, self.gradient
        self.n = self.means(n)
        self.nn = self.means(n * n) - self.n**2
        self.x, self.y = self.means(gx), self.means(gy)
        self.nx = self.means(n * gx) - self.n * self.x
        self.ny = self.means(n * gy) - self.n * self.y
        # A block's own gain and offset take part of every gradient with them.
        safe = np.maximum(self.nn, 1e-6)
        self.xx = self.means(gx * gx) - self.x**2 - self.nx**2 / safe
        self.xy = self.means(gx * gy) - self.x * self.y - self.nx * self.ny / safe
        self.yy = self.means(gy * gy) - self.y**2 - self.ny**2 / safe

    def _centres(self) -> Values:
        x = (np.arange(self.blocks[0]) + 0.5) * BLOCK_PX - 0.5
        y = (np.arange(self.blocks[1]) + 0.5) * BLOCK_PX - 0.5
        centres: Values = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        return centres

    def inside(self, matrix: Homography) -> NDArray[np.bool_]:
        """Blocks that land in the wide frame with all of their pixels, (B,)."""
        width, height = self.wide_size
        half = BLOCK_PX / 2 + 1
        good = np.ones(len(self.centres), bool)
        for dx, dy in ((-half, -half), (half, -half), (half, half), (-half, half)):
            x, y = project(matrix, self.centres + np.array([dx, dy])).T
            good &= (x >= 1) & (x <= width - 2) & (y >= 1) & (y <= height - 2)
        return good


@dataclass(frozen=True)
class _Look:
    """Two photos compared block by block under one homography; arrays of B."""

    valid: NDArray[np.bool_]
    gain: Values
    unexplained: Values
    correlation: Values
    pull: Values
    shift: Values


def refine(narrow: Gray, wide: Gray, start: Homography) -> Refined:
    """Refine a homography from narrow to wide that is right to within some three pixels.

    narrow, wide: (H, W) float32 gray, values as in 8-bit files, each at least 96 pixels a side.
    """
    scales = [scale for scale in (4, 2, 1) if min(*narrow.shape, *wide.shape) // scale >= 96]
    matrix = normalised(start)
    for scale in scales:
        level = _Level(smaller(narrow, scale), smaller(wide, scale))
        down = resizing(1 / scale, 1 / scale)
        local = normalised(down @ matrix @ np.linalg.inv(down))
        for _ in range(STEPS):
            look = _look(level, local)
            weights = _weights(level, look)
            local, moved = _step(level, look, weights, local)
            if moved < SETTLED_PX:
                break
        matrix = normalised(np.linalg.inv(down) @ local @ down)
    look = _look(level, matrix)
    return _judged(level, look, _weights(level, look), matrix)


def _look(level: _Level, matrix: Homography) -> _Look:
    w = cv2.warpPerspective(
        level.wide,
        TO_FINER @ matrix,
        level.size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mean = level.means(w)
    variance = np.maximum(level.means(w * w) - mean**2, 1e-6)
    shared = level.means(w * level.narrow) - mean * level.n
    narrow = np.maximum(level.nn, 1e-6)
    gain = shared / narrow
    unexplained = np.maximum(variance - shared * gain, 1e-4)
    correlation = shared / np.sqrt(variance * narrow)
    pull = np.stack(
        [
            level.means(w * g) - mean * first - gain * second
            for g, first, second in zip(
                level.gradient, (level.x, level.y), (level.nx, level.ny), strict=True
            )
        ],
        axis=1,
    )
    determinant = level.xx * level.yy - level.xy**2
    trace = level.xx + level.yy
    # A block with edges in one direction alone has no position of its own.
    firm = determinant > 0.02 * trace**2
    valid = level.inside(matrix) & (gain > 0.1) & (gain < 10.0) & (trace > 1e-3)
    safe = np.where(firm, determinant, 1.0) * np.where(valid, gain, 1.0)
    shift = np.stack(
        [
            (level.yy * pull[:, 0] - level.xy * pull[:, 1]) / safe,
            (level.xx * pull[:, 1] - level.xy * pull[:, 0]) / safe,
        ],
        axis=1,
    )
    shift[~(firm & valid)] = np.nan
    return _Look(valid, gain, unexplained, correlation, pull, shift)


def _weights(level: _Level, look: _Look) -> Values:
    """Of each block: the inverse of its unexplained variance, less where it moves alone."""
    weights = np.zeros(len(look.valid))
    if not look.valid.any():
        return weights
    noise = max(float(np.quantile(look.unexplained[look.valid], 0.1)), 0.05)
    trace = level.xx + level.yy
    variance = look.unexplained + noise + TRUST_PX**2 * look.gain**2 * trace
    weights = np.where(look.valid & (look.correlation > 0.3), 1.0 / variance, 0.0)
    length = np.linalg.norm(look.shift, axis=1)
    known = np.isfinite(length) & (weights > 0)
    alike = known & (look.correlation > ALIKE)
    judges = alike if alike.sum() >= 12 else known
    if judges.sum() >= 4:
        scale = max(1.5 * float(np.median(length[judges])), 0.02)
        # Cauchy's function: far blocks count as the inverse square of their distance.
        own = np.where(known, length, 0.0)
        weights /= 1.0 + (own / scale) ** 2
    return weights


def _jacobian(level: _Level) -> tuple[Values, float]:
    """d(shift)/d(parameters) at each block, (B, 2, 8), in coordinates of about one."""
    unit = max(level.size) / 2.0
    x = (level.centres[:, 0] - level.size[0] / 2.0) / unit
    y = (level.centres[:, 1] - level.size[1] / 2.0) / unit
    one, nil = np.ones_like(x), np.zeros_like(x)
    return (
        np.stack(
            [
                np.stack([x, y, one, nil, nil, nil, -x * x, -x * y], axis=1),
                np.stack([nil, nil, nil, x, y, one, -x * y, -y * y], axis=1),
            ],
            axis=1,
        ),
        unit,
    )


def _normal(level: _Level, look: _Look, weights: Values) -> tuple[Values, Values]:
    """The normal equations: (8, 8) and (8,)."""
    jacobian, _ = _jacobian(level)
    gain = np.where(look.valid, look.gain, 0.0)
    matrices = np.stack(
        [np.stack([level.xx, level.xy], axis=1), np.stack([level.xy, level.yy], axis=1)], axis=1
    )
    left = np.einsum("b,bip,bij,bjq->pq", weights * gain**2, jacobian, matrices, jacobian)
    right = np.einsum("b,bip,bi->p", weights * gain, jacobian, look.pull)
    return left, right


def _step(
    level: _Level, look: _Look, weights: Values, matrix: Homography
) -> tuple[Homography, float]:
    """The homography after one step, and how far its corners moved in pixels."""
    left, right = _normal(level, look, weights)
    trace = float(np.trace(left))
    if trace <= 0.0:
        return matrix, 0.0
    # Damped a little where blocks leave a direction open; parameters are in pixels at the edges.
    p = np.linalg.solve(left + np.eye(8) * 1e-9 * trace, right)
    _, unit = _jacobian(level)
    centred = np.array(
        [[unit, 0.0, level.size[0] / 2.0], [0.0, unit, level.size[1] / 2.0], [0.0, 0.0, 1.0]]
    )
    inner = np.eye(3) + np.array([[p[0], p[1], p[2]], [p[3], p[4], p[5]], [p[6], p[7], 0.0]]) / unit
    moved = centred @ inner @ np.linalg.inv(centred)
    changed = normalised(matrix @ np.linalg.inv(moved))
    frame = corners(*level.size)
    way = np.linalg.norm(project(changed, frame) - project(matrix, frame), axis=1)
    if not np.isfinite(changed).all() or way.max() > BLOCK_PX:
        return matrix, 0.0
    return changed, float(way.max())


def _judged(level: _Level, look: _Look, weights: Values, matrix: Homography) -> Refined:
    length = np.linalg.norm(look.shift, axis=1)
    alike = look.valid & (look.correlation > ALIKE) & np.isfinite(length)
    agreeing = alike & (length < 1.0)
    # A block of sky correlates with nothing and decides nothing: blocks count as they decide.
    decides = weights * look.gain**2 * (level.xx + level.yy)
    total = float(decides.sum())
    correlation = float((decides * look.correlation).sum() / total) if total > 0 else 0.0
    residual = float(np.median(length[agreeing])) if agreeing.any() else float("inf")
    shape = (level.blocks[1], level.blocks[0])
    return Refined(
        matrix,
        correlation,
        residual,
        int(agreeing.sum()),
        _standard_error(level, look, weights),
        agreeing.reshape(shape),
    )


def _standard_error(level: _Level, look: _Look, weights: Values) -> float:
    """The largest of the corners' standard errors, from how blocks scatter around the fit."""
    left, _ = _normal(level, look, weights)
    if not np.isfinite(left).all() or np.linalg.matrix_rank(left) < 8:
        return float("inf")
    jacobian, _ = _jacobian(level)
    gain = np.where(look.valid, look.gain, 0.0)
    scores = np.einsum("b,bip,bi->bp", weights * gain, jacobian, look.pull)
    inverse = np.linalg.inv(left)
    # The sandwich estimator: blocks' own pulls, not an assumed noise.
    covariance = inverse @ (scores.T @ scores) @ inverse
    unit = max(level.size) / 2.0
    x = (corners(*level.size) - (level.size[0] / 2.0, level.size[1] / 2.0)) / unit
    worst = 0.0
    for a, b in x:
        rows = np.array([[a, b, 1, 0, 0, 0, -a * a, -a * b], [0, 0, 0, a, b, 1, -a * b, -b * b]])
        worst = max(worst, float(np.sqrt(np.trace(rows @ covariance @ rows.T))))
    return worst
