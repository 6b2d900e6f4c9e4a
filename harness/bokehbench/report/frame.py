"""Records -> pandas: one row a Record, for notebooks."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bokehbench.facts import Record
from bokehbench.report.rows import row_name

if TYPE_CHECKING:
    from pandas import DataFrame


def frame(records: Iterable[Record]) -> "DataFrame":
    """One row a Record, indexed by `record_id`, newest first as given.

    Times are in milliseconds, sizes in bytes, PSNR in dB; what was not measured is missing (NaN
    or None). `invoke_ns` holds the raw samples of each timed process, a tuple of tuples.
    """
    import pandas as pd

    rows = [_row(record) for record in records]
    if not rows:
        return pd.DataFrame(index=pd.Index([], name="record_id"))
    return pd.DataFrame(rows).set_index("record_id")


def _row(record: Record) -> dict[str, Any]:
    evidence, derived = record.evidence, record.derived
    latency, fidelity = derived.latency, derived.fidelity
    low, high = latency.ci95_ms or (None, None)
    sheet = evidence.factsheet
    report = next((t.report for t in evidence.trials if t.status == "ok" and t.report), None)
    peaks = [t.peak_memory_bytes for t in evidence.trials if t.peak_memory_bytes is not None]
    return {
        "record_id": record.record_id,
        "run_id": evidence.run_id,
        "created": evidence.created,
        "name": row_name(record),
        "author": sheet.author if sheet else None,
        "framework": sheet.framework if sheet else evidence.model.framework,
        "model_sha256": evidence.model.sha256,
        "size_bytes": evidence.model.size_bytes,
        "device": evidence.device.device_id,
        "engine": f"{evidence.engine.name} {evidence.engine.version}",
        "backend": evidence.backend,
        "precision": evidence.precision,
        "launch": evidence.launch,
        "threads": evidence.threads,
        "protocol": evidence.protocol.name,
        "status": derived.status,
        "reasons": derived.reasons,
        "median_ms": latency.median_ms,
        "ci95_low_ms": low,
        "ci95_high_ms": high,
        "p90_ms": latency.p90_ms,
        "first_ms": latency.first_ms,
        "load_ms": latency.load_ms,
        "processes": latency.processes,
        "samples": latency.samples,
        "delegated_nodes": report.delegated_nodes if report else None,
        "total_nodes": report.total_nodes if report else None,
        "partitions": report.partitions if report else None,
        "peak_memory_bytes": max(peaks, default=None),
        "fidelity_protocol": fidelity.protocol if fidelity else None,
        "images": fidelity.images if fidelity else 0,
        "psnr": fidelity.psnr if fidelity else None,
        "ssim": fidelity.ssim if fidelity else None,
        "ms_ssim": fidelity.ms_ssim if fidelity else None,
        "lpips": fidelity.lpips if fidelity else None,
        "score": derived.score,
        "invoke_ns": tuple(t.invoke_ns for t in evidence.trials if t.status == "ok"),
    }
