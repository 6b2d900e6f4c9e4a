"""What `dataset align` can be told: every value with its default, printed and stored."""

from typing import Literal

import msgspec


class AlignSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of an alignment; lengths ending in `_px` are pixels of the written images.

    narrow, wide: folders in RAW, and the same in OUT. height: of written images. quality: of
    JPEG, 1 to 100. ratio: of the ratio test. threshold_px: the noise that MAGSAC++ expects, at
    `matching_height`. The others are limits: a pair beyond one of them is rejected.
    """

    narrow: str = "original"
    wide: str = "bokeh"
    depth: str = "original_depth"
    height: int = 1024
    format: Literal["jpg", "png"] = "jpg"
    quality: int = 95
    ratio: float = 0.8
    matching_height: int = 720
    threshold_px: float = 2.0
    min_inliers: int = 20
    min_agreeing_blocks: int = 40
    min_correlation: float = 0.6
    max_residual_px: float = 0.5
    max_standard_error_px: float = 0.5
    min_overlap: float = 0.6
    max_turn_degrees: float = 10.0
    max_zoom: float = 1.25
    max_exposure_ev: float = 1.0
