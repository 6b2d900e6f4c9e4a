"""Text of a table of metrics -> values by metric and method, to correlate opinion with."""

import math
from collections.abc import Mapping
from typing import Any

from bokehbench.analysis.rows import parse_rows
from bokehbench.errors import UsageError

METRICS = ("psnr", "ssim", "lpips")

Metrics = Mapping[str, Mapping[str, float | None]]
"""Metric -> method -> value, None where there is none."""

_NAMES = ("method", "team", "name")


def parse_metrics(text: str, source: str) -> Metrics:
    """Values of a CSV file, or of JSON with a list `rows`; both as `bokehbench table` writes them.

    A column method, team or name says which method a row is about, and at least one of psnr,
    ssim and lpips has to be there. What is no number (`N.A.`, blank) is none.

    Raises:
        UsageError: the file is neither, or lacks these columns, or a method is there twice.
    """
    rows = [{name: _plain(cell) for name, cell in row.items()} for row in parse_rows(text, source)]
    names = next((name for name in _NAMES if any(name in row for row in rows)), None)
    known = [metric for metric in METRICS if any(metric in row for row in rows)]
    if names is None or not known:
        raise UsageError(
            f"{source}: no table of metrics; it needs a column method or team and one or more of "
            f"{', '.join(METRICS)}"
        )
    found: dict[str, dict[str, float | None]] = {metric: {} for metric in known}
    for row in rows:
        method = str(row.get(names) or "").strip()
        if not method:
            raise UsageError(f"{source}: a row has no {names}")
        if method in found[known[0]]:
            raise UsageError(f"{source}: {method!r} is there twice; keep one row")
        for metric in known:
            found[metric][method] = _number(row.get(metric))
    return found


def _plain(cell: Any) -> Any:
    """Cells of `table --format json` are objects with a value."""
    return cell.get("value") if isinstance(cell, dict) else cell


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
