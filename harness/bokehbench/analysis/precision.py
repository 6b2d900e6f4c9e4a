"""What 16-bit floats on a GPU cost: time against fidelity, from two Records of one run."""

import math
from collections.abc import Sequence

import msgspec

from bokehbench.facts import ImageScore, Record


class PrecisionPair(msgspec.Struct, frozen=True, kw_only=True):
    """The same model on the same GPU with 16-bit and with 32-bit floats.

    `latency_ratio` is fp16 over fp32, None where a Record is invalid or has no time. Differences
    are means of fp16 minus fp32 over the images that both have the number of, among the `images`
    that both scored. Where something else than the GPU ran, all numbers are None; `reasons` says
    what is left out and why. `*_max_difference` is the largest difference from what this host's
    CPU makes of the same image, in steps of 8 bit, and `*_reference_psnr` the lowest PSNR against
    it; None without images that the host ran too, and the PSNR also where both outputs are the
    same.
    """

    model: str
    device_id: str
    engine: str
    fp16_record: str
    fp32_record: str
    latency_ratio: float | None
    images: int
    psnr_difference: float | None
    ssim_difference: float | None
    lpips_difference: float | None
    fp16_max_difference: float | None
    fp32_max_difference: float | None
    fp16_reference_psnr: float | None
    fp32_reference_psnr: float | None
    reasons: tuple[str, ...] = ()


_RAN_ELSEWHERE = frozenset({"no_gpu_proof", "fallback", "backend_switched"})
"""Findings after which neither times nor outputs are known to be the GPU's."""


def precision_pairs(records: Sequence[Record]) -> list[PrecisionPair]:
    """All pairs among the GPU records of one run, in their order."""
    groups: dict[tuple[str, ...], dict[str, Record]] = {}
    for record in records:
        evidence = record.evidence
        if evidence.backend == "gpu":
            key = (
                evidence.label or evidence.model.name,
                evidence.model.sha256,
                evidence.device.device_id,
                evidence.engine.name,
                "app" if evidence.launch == "app" else "",
            )
            groups.setdefault(key, {})[evidence.precision] = record
    return [
        _pair(key, group["fp16"], group["fp32"])
        for key, group in groups.items()
        if {"fp16", "fp32"} <= set(group)
    ]


def _pair(key: tuple[str, ...], half: Record, full: Record) -> PrecisionPair:
    invalid = {
        record.evidence.precision: [
            f.code for f in record.derived.findings if f.effect == "invalid"
        ]
        for record in (half, full)
    }
    reasons = tuple(
        f"{name} is invalid: {', '.join(codes)}" for name, codes in invalid.items() if codes
    )
    if any(_RAN_ELSEWHERE.intersection(codes) for codes in invalid.values()):
        return _without_numbers(key, half, full, reasons)
    times = [record.derived.latency.median_ms for record in (half, full)]
    ratio = None
    if not reasons and times[0] is not None and times[1]:
        ratio = times[0] / times[1]
    common, tried = _scored_by_both(half, full)
    if len(common) < tried:
        reasons += (f"both scored {len(common)} of {tried} images",)
    return PrecisionPair(
        model=key[0],
        device_id=key[2],
        engine=key[3],
        fp16_record=half.record_id,
        fp32_record=full.record_id,
        latency_ratio=ratio,
        images=len(common),
        psnr_difference=_difference(common, "psnr"),
        ssim_difference=_difference(common, "ssim"),
        lpips_difference=_difference(common, "lpips"),
        fp16_max_difference=_largest(half),
        fp32_max_difference=_largest(full),
        fp16_reference_psnr=_lowest(half),
        fp32_reference_psnr=_lowest(full),
        reasons=reasons,
    )


def _without_numbers(
    key: tuple[str, ...], half: Record, full: Record, reasons: tuple[str, ...]
) -> PrecisionPair:
    return PrecisionPair(
        model=key[0],
        device_id=key[2],
        engine=key[3],
        fp16_record=half.record_id,
        fp32_record=full.record_id,
        latency_ratio=None,
        images=0,
        psnr_difference=None,
        ssim_difference=None,
        lpips_difference=None,
        fp16_max_difference=None,
        fp32_max_difference=None,
        fp16_reference_psnr=None,
        fp32_reference_psnr=None,
        reasons=reasons,
    )


def _scored_by_both(half: Record, full: Record) -> tuple[list[tuple[ImageScore, ImageScore]], int]:
    """The images that both scored, and how many either tried."""
    first, second = (
        {image.name: image for image in record.evidence.images} for record in (half, full)
    )
    common = [
        (first[name], second[name])
        for name in first
        if name in second and first[name].status == second[name].status == "ok"
    ]
    return common, len(first.keys() | second.keys())


def _difference(common: Sequence[tuple[ImageScore, ImageScore]], name: str) -> float | None:
    """The mean over the images that have the number twice; an identical one has no PSNR."""
    found = [(getattr(a, name), getattr(b, name)) for a, b in common]
    apart = [a - b for a, b in found if a is not None and b is not None]
    return math.fsum(apart) / len(apart) if apart else None


def _largest(record: Record) -> float | None:
    found = [image.reference_max_difference for image in record.evidence.images]
    return max((value for value in found if value is not None), default=None)


def _lowest(record: Record) -> float | None:
    found = [image.reference_psnr for image in record.evidence.images]
    return min((value for value in found if value is not None), default=None)
