"""What 16-bit floats on a GPU cost: time against fidelity, from two Records of one run."""

from collections.abc import Sequence

import msgspec

from bokehbench.facts import Record


class PrecisionPair(msgspec.Struct, frozen=True, kw_only=True):
    """The same model on the same GPU with 16-bit and with 32-bit floats.

    `latency_ratio` is fp16 over fp32; differences are fp16 minus fp32. `*_max_difference` is the
    largest difference from what this host's CPU makes of the same image, in steps of 8 bit, and
    `*_reference_psnr` the lowest PSNR against it; None without images that the host ran too, and
    the PSNR also where both outputs are the same.
    """

    model: str
    device_id: str
    engine: str
    fp16_record: str
    fp32_record: str
    latency_ratio: float | None
    psnr_difference: float | None
    ssim_difference: float | None
    lpips_difference: float | None
    fp16_max_difference: float | None
    fp32_max_difference: float | None
    fp16_reference_psnr: float | None
    fp32_reference_psnr: float | None


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
    times = [record.derived.latency.median_ms for record in (half, full)]
    ratio = times[0] / times[1] if times[0] is not None and times[1] else None
    return PrecisionPair(
        model=key[0],
        device_id=key[2],
        engine=key[3],
        fp16_record=half.record_id,
        fp32_record=full.record_id,
        latency_ratio=ratio,
        psnr_difference=_difference(half, full, "psnr"),
        ssim_difference=_difference(half, full, "ssim"),
        lpips_difference=_difference(half, full, "lpips"),
        fp16_max_difference=_largest(half),
        fp32_max_difference=_largest(full),
        fp16_reference_psnr=_lowest(half),
        fp32_reference_psnr=_lowest(full),
    )


def _difference(half: Record, full: Record, name: str) -> float | None:
    """Of the means, where both were scored on the same images."""
    first, second = half.derived.fidelity, full.derived.fidelity
    if first is None or second is None or first.images != second.images:
        return None
    a, b = getattr(first, name), getattr(second, name)
    return None if a is None or b is None else float(a - b)


def _largest(record: Record) -> float | None:
    found = [image.reference_max_difference for image in record.evidence.images]
    return max((value for value in found if value is not None), default=None)


def _lowest(record: Record) -> float | None:
    found = [image.reference_psnr for image in record.evidence.images]
    return min((value for value in found if value is not None), default=None)
