"""Two gray photos -> a homography that can be believed, or the reason why there is none."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bokehbench.dataset.coarse import Coarse, match
from bokehbench.dataset.geometry import (
    Homography,
    corners,
    normalised,
    overlap,
    project,
    signed_area,
)
from bokehbench.dataset.lens import srgb_to_linear
from bokehbench.dataset.refine import BLOCK_PX, Refined, refine
from bokehbench.dataset.sampling import at_height
from bokehbench.dataset.settings import AlignSettings

# Standard deviation in 8-bit levels, below which a photo shows nothing.
BLANK_LEVELS = 2.0
# Mean difference in 8-bit levels: less than saving a photo as JPEG once more makes.
IDENTICAL_LEVELS = 0.25
# How far a refinement may carry a corner before it counts as lost, in pixels. Where few matches lie
# in one part of the frame, the first homography is off by 16 at the far corner.
MAX_CORRECTION_PX = 32.0
SMALLEST_PX = 96


@dataclass(frozen=True)
class Registration:
    """`matrix` maps narrow to wide, in pixels of the images given; None when `verdict` is not ok.

    verdict: `aligned` or the word for what is wrong; reason: the sentence. Numbers that were not
    reached are None. overlap: the share of the narrow frame that both show.
    """

    verdict: str
    reason: str
    matrix: Homography | None = None
    features: tuple[int, int] = (0, 0)
    matches: int = 0
    inliers: int = 0
    correction_px: float | None = None
    correlation: float | None = None
    residual_px: float | None = None
    standard_error_px: float | None = None
    agreeing_blocks: int | None = None
    overlap: float | None = None
    exposure_ev: float | None = None


def register(
    narrow: NDArray[np.uint8], wide: NDArray[np.uint8], settings: AlignSettings
) -> Registration:
    """Register two (H, W) uint8 gray photos of about the height that will be written."""
    refused = _blank(narrow, wide)
    if refused is not None:
        return refused
    found = _matched(narrow, wide, settings)
    seen = Registration("", "", None, found.features, found.matches, found.inliers)
    if found.matrix is None or found.inliers < settings.min_inliers:
        return _changed(seen, "no_match", _why_no_match(narrow, wide, found, settings))
    shape = _implausible(found.matrix, narrow, wide, settings)
    if shape is not None:
        return _changed(seen, *shape)
    refined = refine(narrow.astype(np.float32), wide.astype(np.float32), found.matrix)
    return _verdict(seen, found.matrix, refined, narrow, wide, settings)


def _changed(seen: Registration, verdict: str, reason: str) -> Registration:
    return Registration(verdict, reason, None, seen.features, seen.matches, seen.inliers)


def _blank(narrow: NDArray[np.uint8], wide: NDArray[np.uint8]) -> Registration | None:
    for word, image in (("narrow", narrow), ("wide", wide)):
        if min(image.shape) < SMALLEST_PX:
            text = f"the {word} photo has less than {SMALLEST_PX} pixels a side"
            return Registration("too_small", text)
        if float(image.std()) < BLANK_LEVELS:
            text = f"the {word} photo shows nothing: it is of one brightness"
            return Registration("blank", text)
    if narrow.shape == wide.shape and float(cv2.absdiff(narrow, wide).mean()) < IDENTICAL_LEVELS:
        return Registration("identical", "both photos show the same pixels: one is a copy")
    return None


def _matched(narrow: NDArray[np.uint8], wide: NDArray[np.uint8], settings: AlignSettings) -> Coarse:
    """Matching at its own height, the homography in pixels of the images given."""
    small_a, down_a = at_height(narrow, settings.matching_height)
    small_b, down_b = at_height(wide, settings.matching_height)
    found = match(small_a, small_b, settings.ratio, settings.threshold_px)
    if found.matrix is None:
        return found
    matrix = normalised(np.linalg.inv(down_b) @ found.matrix @ down_a)
    return Coarse(matrix, found.features, found.matches, found.inliers)


def _why_no_match(
    narrow: NDArray[np.uint8], wide: NDArray[np.uint8], found: Coarse, settings: AlignSettings
) -> str:
    if min(found.features) < settings.min_inliers:
        return f"only {min(found.features)} features in one of the photos: too little to hold on to"
    mirrored = _matched(narrow, np.ascontiguousarray(wide[:, ::-1]), settings)
    if mirrored.matrix is not None and mirrored.inliers >= settings.min_inliers:
        return "the wide photo is mirrored: turn it over"
    return (
        f"{found.inliers} of {found.matches} matches agree, {settings.min_inliers} are needed: "
        "not the same scene, or one that repeats itself"
    )


def _implausible(
    matrix: Homography,
    narrow: NDArray[np.uint8],
    wide: NDArray[np.uint8],
    settings: AlignSettings,
) -> tuple[str, str] | None:
    """Verdict and reason, if two photos from one tripod can't differ like this."""
    height, width = narrow.shape
    middle = np.array([[width / 2, height / 2], [width / 2 + 1, height / 2]])
    (x0, y0), (x1, y1) = project(matrix, middle)
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    if abs(angle) > settings.max_turn_degrees:
        return (
            "turned",
            f"the wide photo is turned by {angle:.0f} degrees: set its EXIF orientation",
        )
    frame = project(matrix, corners(width, height))
    share = abs(signed_area(frame)) / (wide.shape[0] * wide.shape[1])
    zoom = math.sqrt(share)
    if not 1 / settings.max_zoom <= zoom <= settings.max_zoom:
        return "zoomed", f"the wide photo shows the narrow one's frame at a scale of {zoom:.2f}"
    if _overlap(matrix, narrow, wide) < settings.min_overlap:
        text = f"the photos share {_overlap(matrix, narrow, wide):.0%} of the frame"
        return "little_overlap", text
    return None


def _overlap(matrix: Homography, narrow: NDArray[np.uint8], wide: NDArray[np.uint8]) -> float:
    (rows, columns), (wide_rows, wide_columns) = narrow.shape, wide.shape
    polygon = overlap(matrix, (columns, rows), (wide_columns, wide_rows))
    return abs(signed_area(polygon)) / (rows * columns) if len(polygon) >= 3 else 0.0


def _verdict(
    seen: Registration,
    start: Homography,
    refined: Refined,
    narrow: NDArray[np.uint8],
    wide: NDArray[np.uint8],
    settings: AlignSettings,
) -> Registration:
    height, width = narrow.shape
    frame = corners(width, height)
    way = np.linalg.norm(project(refined.matrix, frame) - project(start, frame), axis=1)
    exposure = _exposure_ev(refined, narrow, wide)
    shared = _overlap(refined.matrix, narrow, wide)
    limits = (
        (
            refined.agreeing_blocks < settings.min_agreeing_blocks,
            "no_focus",
            f"{refined.agreeing_blocks} blocks look alike in both photos, "
            f"{settings.min_agreeing_blocks} are needed",
        ),
        (
            refined.correlation < settings.min_correlation
            or refined.residual_px > settings.max_residual_px
            or refined.standard_error_px > settings.max_standard_error_px
            or float(way.max()) > MAX_CORRECTION_PX,
            "uncertain",
            f"correlation {refined.correlation:.2f}, blocks {refined.residual_px:.2f} px off, "
            f"corners known to {refined.standard_error_px:.2f} px and moved by up to "
            f"{float(way.max()):.1f}",
        ),
        (
            shared < settings.min_overlap,
            "little_overlap",
            f"the photos share {shared:.0%} of the frame",
        ),
        (
            abs(exposure) > settings.max_exposure_ev,
            "exposure",
            f"exposures differ by {exposure:+.2f} EV",
        ),
    )
    wrong = next(((word, text) for is_wrong, word, text in limits if is_wrong), None)
    verdict, reason = wrong or ("aligned", "")
    return Registration(
        verdict,
        reason,
        refined.matrix if wrong is None else None,
        seen.features,
        seen.matches,
        seen.inliers,
        float(way.mean()),
        refined.correlation,
        refined.residual_px,
        refined.standard_error_px,
        refined.agreeing_blocks,
        shared,
        exposure,
    )


def _exposure_ev(refined: Refined, narrow: NDArray[np.uint8], wide: NDArray[np.uint8]) -> float:
    """How much lighter the wide photo is, in stops of linear light; median of blocks in focus."""
    rows, columns = refined.focus.shape
    if not refined.focus.any():
        return 0.0
    size = (columns * BLOCK_PX, rows * BLOCK_PX)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(
        wide, refined.matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    light = [
        cv2.resize(srgb_to_linear(image), (columns, rows), interpolation=cv2.INTER_AREA)
        for image in (warped, narrow[: size[1], : size[0]])
    ]
    # Blocks near black say more about noise than about exposure.
    used = refined.focus & (light[0] > 0.002) & (light[1] > 0.002)
    if not used.any():
        return 0.0
    return float(np.median(np.log2(light[0][used] / light[1][used])))
