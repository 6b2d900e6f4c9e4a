"""Opinion in a table: the MOS column, and what its caption says of raters and screening."""

from collections.abc import Sequence

from bokehbench.analysis.correlation import Correlation
from bokehbench.analysis.differences import opinion_differences
from bokehbench.analysis.metrics import METRICS, Metrics
from bokehbench.analysis.opinion import Opinion, VoteTable
from bokehbench.analysis.ranking import Comparison, rank_ranges
from bokehbench.facts import Record
from bokehbench.report.cells import (
    NOT_MEASURED,
    Cell,
    Column,
    Footnotes,
    Table,
    decimal_cell,
    with_best,
)
from bokehbench.report.rows import Row, row_name
from bokehbench.text import clean

_DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4}


def mos_cells(name: str, opinion: Opinion | None, footnotes: Footnotes) -> dict[str, Cell]:
    """The MOS of the method `name`, with its interval as a footnote; nothing without opinion."""
    if opinion is None:
        return {}
    found = next((method for method in opinion.methods if method.method == name), None)
    if found is None:
        return {"mos": Cell(None, NOT_MEASURED)}
    low, high = found.ci95 or (None, None)
    interval = f", 95 % [{low:.2f}, {high:.2f}]" if low is not None else ", no interval"
    note = f"MOS {found.mos:.2f}{interval}: {found.raters} raters, {found.images} images"
    return {"mos": Cell(found.mos, f"{found.mos:.1f}", footnotes.numbers([note]))}


def opinion_caption(opinion: Opinion | None) -> list[str]:
    """One line on scale, raters, screening, intervals and agreement."""
    if opinion is None:
        return []
    kept = sum(rater.kept for rater in opinion.raters)
    left_out = len(opinion.raters) - kept
    agreement = opinion.agreement
    value = "undefined" if agreement.value is None else f"{agreement.value:.2f}"
    low, high = opinion.scale
    return [
        f"MOS: scale {low:g} to {high:g}, {kept} raters, {left_out} left out; "
        f"{opinion.screening_source}; 95 % intervals: {opinion.interval}; {agreement.name} {value}"
    ]


def metrics_of(records: Sequence[Record]) -> Metrics:
    """Fidelity by metric and row name, as the table of these Records shows it."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(row_name(record), []).append(record)
    found = {name: Row(group, "gpu").fidelity for name, group in groups.items()}
    return {
        metric: {
            name: getattr(fidelity, metric) if fidelity is not None else None
            for name, fidelity in found.items()
        }
        for metric in METRICS
    }


def opinion_table(
    opinion: Opinion, votes: VoteTable, metrics: Metrics
) -> tuple[Table, tuple[Comparison, ...]]:
    """Methods by MOS with ranks, ties as ranges, and their metrics; and what ranks rest on."""
    names = [method.method for method in opinion.methods]
    comparisons = opinion_differences(names, votes)
    ranks = rank_ranges(names, comparisons)
    known = [metric for metric, values in metrics.items() if any(v in values for v in names)]
    columns = (
        Column("method", "Method", numeric=False),
        Column("mos", "MOS", better="high"),
        Column("ci95", "Interval"),
        Column("rank", "Rank"),
        Column("raters", "Raters"),
        Column("images", "Images"),
        Column("votes", "Votes"),
        *(
            Column(metric, metric.upper(), better="low" if metric == "lpips" else "high")
            for metric in known
        ),
    )
    rows = []
    for method in opinion.methods:
        low, high = method.ci95 or (None, None)
        interval = NOT_MEASURED if low is None else f"[{low:.2f}, {high:.2f}]"
        first, last = ranks[method.method]
        rank = str(first) if first == last else f"{first}-{last}"
        rows.append(
            [
                Cell(clean(method.method), clean(method.method)),
                Cell(method.mos, f"{method.mos:.2f}"),
                Cell(interval if method.ci95 else None, interval),
                Cell(rank, rank),
                *(_count(n) for n in (method.raters, method.images, method.votes)),
                *(
                    decimal_cell(metrics[metric].get(method.method), _DIGITS[metric])
                    for metric in known
                ),
            ]
        )
    return (
        Table(
            title="Mean opinion scores",
            columns=columns,
            rows=with_best(columns, rows, [True] * len(rows)),
            caption=tuple(map(clean, opinion_caption(opinion))),
        ),
        comparisons,
    )


def correlation_table(found: Sequence[Correlation]) -> Table:
    """Correlations of MOS with metrics over methods."""
    columns = (
        Column("metric", "Metric", numeric=False),
        Column("kind", "Correlation", numeric=False),
        Column("value", "With MOS"),
        Column("ci95", "Interval"),
        Column("methods", "Methods"),
    )
    footnotes = Footnotes()
    rows = []
    for one in found:
        low, high = one.ci95 or (None, None)
        interval = NOT_MEASURED if low is None else f"[{low:.2f}, {high:.2f}]"
        notes = footnotes.numbers([one.note] if one.note else [])
        rows.append(
            (
                Cell(one.metric.upper(), one.metric.upper()),
                Cell(one.kind, one.kind),
                decimal_cell(one.value, 3, notes),
                Cell(interval if one.ci95 else None, interval),
                _count(one.methods),
            )
        )
    return Table(
        title="Agreement of metrics with opinion",
        columns=columns,
        rows=tuple(rows),
        footnotes=tuple(footnotes.texts),
        caption=(
            "95 % intervals: "
            + "; ".join(dict.fromkeys(f"{one.kind}: {one.interval}" for one in found)),
        ),
    )


def _count(number: int) -> Cell:
    return Cell(float(number), str(number))
