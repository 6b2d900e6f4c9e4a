"""What is computed from evidence: latency, fidelity, verdict, score."""

from typing import Literal

import msgspec

from bokehbench.facts.trial import ImageScore

Status = Literal["ranked", "provisional", "invalid"]


class Sustained(msgspec.Struct, frozen=True, kw_only=True):
    """A long run: how latency went with time. `curve` is (seconds, milliseconds) point by point.

    `score` is `first_ms` / `last_ms`, the medians over the first and the last tenth of the time.
    """

    seconds: float
    runs: int
    first_ms: float
    last_ms: float
    score: float
    curve: tuple[tuple[float, float], ...]


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Latency of one Record in milliseconds; None where the samples do not carry the number.

    `median_ms` is the median of process medians, `ci95_ms` its confidence interval
    (from 5 processes on) at `ci_level`, `p90_ms` the early-stopping estimate of 64 samples or more.
    A process that told only aggregates (`aggregated_runs` of them in all) enters by its own median,
    or where it told none by its average (`averaged_processes`), and has no samples.
    `first_ms` and `load_ms` are medians over processes of the first run and of the load; a GPU's
    load from nothing and with compiled kernels at hand are `load_cold_ms` and `load_warm_ms`.
    `outliers` counts samples by the modified z-score; none is dropped. `drift` is how much slower
    processes end than they begin, `mode_distance` and `mode_ratio` how far apart two modes of the
    samples are. `reference_ratio` is the reference workload's time after over before, and
    `reference_bound` what its own noise allows.
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
    load_cold_ms: float | None = None
    load_warm_ms: float | None = None
    outliers: int = 0
    drift: float | None = None
    mode_distance: float | None = None
    mode_ratio: float | None = None
    reference_before_ms: float | None = None
    reference_after_ms: float | None = None
    reference_ratio: float | None = None
    reference_bound: float | None = None
    sustained: Sustained | None = None
    aggregated_runs: int = 0
    averaged_processes: int = 0


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
    """One reason why a number is less than ranked: what was found, by which rule, what to do."""

    code: str
    effect: Literal["invalid", "provisional"]
    message: str
    advice: str
    threshold: str = ""


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
