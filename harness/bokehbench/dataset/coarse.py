"""A first homography between two photos: SIFT, the ratio test, and MAGSAC++."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.geometry import Homography, keeps_orientation, normalised

# SIFT's own default is no limit; the strongest few thousand say the same in a tenth of the time.
MAX_FEATURES = 3000


@dataclass(frozen=True)
class Coarse:
    """What matching found: `matrix` is None where no plausible homography is."""

    matrix: Homography | None
    features: tuple[int, int]
    matches: int
    inliers: int


def match(
    narrow: NDArray[np.uint8], wide: NDArray[np.uint8], ratio: float, threshold_px: float
) -> Coarse:
    """Match two (H, W) uint8 gray images and fit a homography from narrow to wide.

    ratio: of a match's distance to that of the second best (Lowe), at most. threshold_px: the
    largest noise that MAGSAC++ expects.
    """
    sift = cv2.SIFT.create(nfeatures=MAX_FEATURES)
    points_a, words_a = sift.detectAndCompute(narrow, None)
    points_b, words_b = sift.detectAndCompute(wide, None)
    features = (len(points_a), len(points_b))
    if min(features) < 8:
        return Coarse(None, features, 0, 0)
    pairs = _unique(cv2.BFMatcher(cv2.NORM_L2).knnMatch(words_a, words_b, k=2), ratio)
    if len(pairs) < 8:
        return Coarse(None, features, len(pairs), 0)
    source = np.array([points_a[a].pt for a, _ in pairs])
    target = np.array([points_b[b].pt for _, b in pairs])
    cv2.setRNGSeed(0)
    found, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, threshold_px, maxIters=5000, confidence=0.9999
    )
    inliers = int(mask.sum()) if mask is not None else 0
    if found is None or abs(found[2, 2]) < 1e-9:
        return Coarse(None, features, len(pairs), inliers)
    matrix = normalised(found)
    height, width = narrow.shape
    whole = keeps_orientation(matrix, width, height)
    return Coarse(matrix if whole else None, features, len(pairs), inliers)


def _unique(found: "Sequence[Sequence[cv2.DMatch]]", ratio: float) -> list[tuple[int, int]]:
    """Matches that pass the ratio test, the nearest alone where several claim one feature."""
    best: dict[int, tuple[float, int]] = {}
    for two in found:
        if len(two) < 2 or two[0].distance >= ratio * two[1].distance:
            continue
        one = two[0]
        claim = (one.distance, one.queryIdx)
        if one.trainIdx not in best or claim < best[one.trainIdx]:
            best[one.trainIdx] = claim
    return sorted((query, train) for train, (_, query) in best.items())
