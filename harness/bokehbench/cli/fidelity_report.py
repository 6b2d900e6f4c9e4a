"""What `bokehbench fidelity` found, as tables and as JSON documents."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bokehbench.fidelity.protocols import summary
from bokehbench.fidelity.summary import INTERVAL_METHOD, LEVEL, METRICS, summarise
from bokehbench.report.cells import Cell, Column, Footnotes, Table, decimal_cell
from bokehbench.text import clean, counted, spelled

if TYPE_CHECKING:
    from bokehbench.facts import FidelityRules
    from bokehbench.fidelity.comparing import Compared
    from bokehbench.fidelity.folders import Pairing
    from bokehbench.fidelity.selftest import Check

FIDELITY_FORMAT = "bokehbench-fidelity/1"
SELF_TEST_FORMAT = "bokehbench-fidelity-self-test/1"

_TITLES = {"psnr": "PSNR", "ssim": "SSIM", "ms_ssim": "MS-SSIM", "lpips": "LPIPS"}
_DIGITS = {"psnr": 2, "ssim": 4, "ms_ssim": 4, "lpips": 4}
_IDENTICAL = "identical images: PSNR is infinite and kept out of mean, median and interval"


def metrics_of(rules: "FidelityRules") -> list[str]:
    """The metrics that a protocol has, in the order of columns."""
    absent = {"ms_ssim": rules.ms_ssim is None, "lpips": rules.lpips is None}
    return [metric for metric in METRICS if not absent.get(metric, False)]


def document(
    rules: "FidelityRules",
    pairing: "Pairing",
    compared: "Sequence[Compared]",
    prediction: Path,
    reference: Path,
) -> dict[str, Any]:
    """The JSON document: means under the metrics' own names, then everything else."""
    scored = [one for one in compared if one.scores is not None]
    found, metrics = summarise(scored), metrics_of(rules)
    return {
        "format": FIDELITY_FORMAT,
        "protocol": rules.name,
        "rules": msgspec.to_builtins(rules),
        "prediction": spelled(str(prediction)),
        "reference": spelled(str(reference)),
        "images": len(scored),
        "failed": len(compared) - len(scored),
        "identical": sum(one.scores.identical for one in scored if one.scores),
        **{metric: found[metric].mean for metric in metrics},
        "median": {metric: found[metric].median for metric in metrics},
        "interval": {
            "method": INTERVAL_METHOD,
            "level": LEVEL,
            **{metric: found[metric].interval for metric in metrics},
        },
        "worst": {metric: found[metric].worst for metric in metrics},
        "per_image": [_image(one, metrics) for one in scored],
        "failures": [
            {"name": one.pair.name, "failure": one.failure}
            for one in compared
            if one.scores is None
        ],
        "unpaired": [spelled(str(path)) for path in pairing.unpaired],
    }


def _image(one: "Compared", metrics: Sequence[str]) -> dict[str, Any]:
    assert one.scores is not None
    return {
        "name": one.pair.name,
        "prediction": spelled(str(one.pair.prediction)),
        "reference": spelled(str(one.pair.reference)),
        "height": one.height,
        "width": one.width,
        **{metric: getattr(one.scores, metric) for metric in metrics},
        "identical": one.scores.identical,
    }


def table(rules: "FidelityRules", pairing: "Pairing", compared: "Sequence[Compared]") -> Table:
    """A row for every pair; pairs that could not be scored say why."""
    metrics, footnotes = metrics_of(rules), Footnotes()
    columns = (
        Column("name", "Image", numeric=False),
        Column("size", "Size", numeric=False),
        *(Column(metric, _TITLES[metric]) for metric in metrics),
    )
    rows = [_row(one, metrics, footnotes) for one in compared]
    caption = [f"Fidelity: {rules.name} ({summary(rules)})"]
    if pairing.unpaired:
        caption.append(f"{len(pairing.unpaired)} files without a partner are left out")
    return Table(
        "Fidelity", columns, tuple(rows), tuple(footnotes.texts), tuple(map(clean, caption))
    )


def _row(one: "Compared", metrics: Sequence[str], footnotes: Footnotes) -> tuple[Cell, ...]:
    name = clean(one.pair.name)
    size = f"{one.height}x{one.width}" if one.height is not None else ""
    if one.scores is None:
        notes = footnotes.numbers([one.failure or ""])
        failed = [Cell("Error", "Error", notes), *([Cell("Error", "Error")] * (len(metrics) - 1))]
        return (Cell(name, name), Cell(size, size), *failed)
    cells = []
    for metric in metrics:
        value = getattr(one.scores, metric)
        if metric == "psnr" and value is None:
            cells.append(Cell(None, "inf", footnotes.numbers([_IDENTICAL])))
        else:
            cells.append(decimal_cell(value, _DIGITS[metric]))
    return (Cell(name, name), Cell(size, size), *cells)


def summary_table(rules: "FidelityRules", compared: "Sequence[Compared]") -> Table:
    """Mean, interval and median of each metric, and its worst images."""
    scored = [one for one in compared if one.scores is not None]
    found = summarise(scored)
    rows = []
    for metric in metrics_of(rules):
        one, digits = found[metric], _DIGITS[metric]
        interval = "N.A."
        if one.interval is not None:
            interval = f"[{one.interval[0]:.{digits}f}, {one.interval[1]:.{digits}f}]"
        worst = clean(", ".join(one.worst))
        rows.append(
            (
                Cell(_TITLES[metric], _TITLES[metric]),
                decimal_cell(one.mean, digits),
                Cell(interval, interval),
                decimal_cell(one.median, digits),
                Cell(worst, worst),
            )
        )
    columns = (
        Column("metric", "Metric", numeric=False),
        Column("mean", "Mean"),
        Column("interval", f"{LEVEL:.0%} interval", numeric=False),
        Column("median", "Median"),
        Column("worst", "Worst, the worst first", numeric=False),
    )
    caption = (
        f"{counted(len(scored), 'image')}, mean of per-image values; interval: {INTERVAL_METHOD}",
    )
    return Table("All images", columns, tuple(rows), (), caption)


def checks_document(checks: "Sequence[Check]") -> dict[str, Any]:
    """The self-test as JSON; an infinite PSNR is null."""
    return {
        "format": SELF_TEST_FORMAT,
        "met": all(check.is_met for check in checks),
        "checks": [
            {
                "pair": check.pair,
                "protocol": check.protocol,
                "metric": check.metric,
                "expected": _finite(check.expected),
                "found": _finite(check.found),
                "difference": _finite(check.difference),
                "tolerance": check.tolerance,
                "met": check.is_met,
            }
            for check in checks
        ],
    }


def checks_table(checks: "Sequence[Check]") -> Table:
    """The self-test as a table."""
    columns = (
        Column("pair", "Pair", numeric=False),
        Column("protocol", "Protocol", numeric=False),
        Column("metric", "Metric", numeric=False),
        Column("expected", "Expected"),
        Column("found", "Found"),
        Column("difference", "Difference"),
        Column("tolerance", "At most"),
        Column("met", "", numeric=False),
    )
    rows = []
    for check in checks:
        word = "ok" if check.is_met else "MISSED"
        texts = (check.pair, check.protocol, _TITLES[check.metric])
        rows.append(
            (
                *(Cell(text, text) for text in texts),
                *(Cell(_finite(v), f"{v:.9f}") for v in (check.expected, check.found)),
                Cell(_finite(check.difference), f"{check.difference:.1e}"),
                Cell(check.tolerance, f"{check.tolerance:.0e}"),
                Cell(word, word),
            )
        )
    return Table("Known answers", columns, tuple(rows))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
