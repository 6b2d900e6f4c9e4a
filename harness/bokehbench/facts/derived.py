"""What is computed from evidence: latency, fidelity, verdict, score."""

from typing import Literal

import msgspec

from bokehbench.facts.trial import ImageScore

Status = Literal["ranked", "provisional", "invalid"]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one Record in milliseconds; None where the samples do not carry the number.

    `median_ms` is the median of process medians, `ci95_ms` its confidence interval
    (from 5 processes on), `p90_ms` needs 64 samples or more. `first_ms` and `load_ms` are
    medians over processes of the first run and of the load.
    """

    median_ms: float | None = None
    ci95_ms: tuple[float, float] | None = None
    ci_level: float | None = None
    p90_ms: float | None = None
    min_ms: float | None = None
    mad_ms: float | None = None
    first_ms: float | None = None
    load_ms: float | None = None
    processes: int = 0
    samples: int = 0
    process_medians_ms: tuple[float, ...] = ()
    shape: tuple[int, ...] | None = None


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """Means over the images that were scored; `failed` were not, `identical` have no PSNR."""

    protocol: str
    psnr: float | None
    ssim: float | None
    lpips: float | None
    images: int
    failed: int
    identical: int
    same_shape_as_timing: bool
    per_image: tuple[ImageScore, ...]
    ms_ssim: float | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason why a number is less than ranked, with what to do about it."""

    code: str
    effect: Literal["invalid", "provisional"]
    message: str
    advice: str


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """All that rules make of one Record's evidence. `rules` is the version of the rules."""

    rules: str
    status: Status
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]
    latency: Latency
    fidelity: Fidelity | None
    score: float | None
    score_backend: str | None
