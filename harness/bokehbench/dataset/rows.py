"""What is known of one pair after alignment: a row of the report and a line of the journal."""

from typing import Any

import msgspec

from bokehbench.dataset.registration import Registration

ALIGNED = "aligned"
UNREADABLE = "unreadable"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One pair. Lengths ending in `_px` are pixels of about the written size.

    verdict: `aligned`, or why the pair was rejected: `unreadable`, `blank`, `identical`,
    `no_match`, `turned`, `zoomed`, `little_overlap`, `no_focus`, `uncertain`, `exposure`,
    `too_small`; reason: the same as a sentence. sizes: WxH of the photos. matches, inliers: of
    SIFT. correction_px: how far refinement moved the corners, mean. crop: left, top, right and
    bottom in pixels of the narrow photo. matrix: nine numbers, row by row; maps points of the
    narrow photo to points of the wide one. inputs, outputs: sha256 by `folder/file`.
    """

    name: str
    verdict: str
    reason: str = ""
    narrow_size: str = ""
    wide_size: str = ""
    size: str = ""
    matches: int = 0
    inliers: int = 0
    correction_px: float | None = None
    correlation: float | None = None
    residual_px: float | None = None
    standard_error_px: float | None = None
    agreeing_blocks: int | None = None
    overlap: float | None = None
    exposure_ev: float | None = None
    crop: tuple[int, int, int, int] | None = None
    matrix: tuple[float, ...] | None = None
    inputs: dict[str, str] = msgspec.field(default_factory=dict)
    outputs: dict[str, str] = msgspec.field(default_factory=dict)


def registered(found: Registration) -> dict[str, Any]:
    """The fields of a row that come from registration; what is not finite is not known."""
    values: dict[str, Any] = {
        "verdict": found.verdict,
        "reason": found.reason,
        "matches": found.matches,
        "inliers": found.inliers,
        "agreeing_blocks": found.agreeing_blocks,
    }
    for name in (
        "correction_px",
        "correlation",
        "residual_px",
        "standard_error_px",
        "overlap",
        "exposure_ev",
    ):
        value = getattr(found, name)
        known = value is not None and abs(value) < float("inf")
        values[name] = round(float(value), 6) if known else None
    return values
