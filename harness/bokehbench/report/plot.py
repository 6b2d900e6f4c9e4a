"""A history as a picture: medians with intervals over time, changes as marks."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench.analysis.history import HistoryRow
from bokehbench.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = {"ranked": "o", "provisional": "^", "invalid": "x"}


def draw_history(rows: Sequence[HistoryRow], path: Path, title: str) -> None:
    """Write a PNG or an SVG, by the name's ending; the same rows give the same bytes.

    Raises:
        OSError: it can't be written.
        ValueError: no row has a number.
    """
    shown = [row for row in rows if row.median_ms is not None]
    if not shown:
        raise ValueError("no record of this history has a latency")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "bokehbench", "text.parse_math": False}):
        figure = Figure(figsize=(9, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        series: dict[tuple[str, str, str], list[HistoryRow]] = {}
        for row in shown:
            series.setdefault((row.device, row.backend, row.precision), []).append(row)
        for (device, backend, precision), members in series.items():
            suffix = f" {precision}" if precision != "default" else ""
            _series(axes, members, clean(f"{device} · {backend}{suffix}"))
        _marks(axes, shown)
        axes.xaxis_date()
        axes.set_ylabel("median latency in ms")
        axes.set_ylim(bottom=0)
        axes.set_title(clean(title))
        axes.grid(axis="y", alpha=0.3)
        axes.legend(loc="best", fontsize="small")
        figure.autofmt_xdate()
        # Without a date in it the file depends on the records alone.
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=144, metadata=metadata)


def _when(row: HistoryRow) -> float:
    """The time as matplotlib counts it: days."""
    from matplotlib.dates import date2num

    return float(date2num(datetime.fromisoformat(row.created)))  # type: ignore[no-untyped-call]


def _series(axes: "Axes", rows: Sequence[HistoryRow], label: str) -> None:
    times = [_when(row) for row in rows]
    medians = [row.median_ms or 0.0 for row in rows]
    [line] = axes.plot(times, medians, linewidth=1, alpha=0.6, label=label)
    for row, time, median in zip(rows, times, medians, strict=True):
        low, high = row.ci95_ms or (median, median)
        axes.errorbar(
            [time],
            [median],
            yerr=[[median - low], [high - median]],
            fmt=MARKERS.get(row.status, "o"),
            color=line.get_color(),
            capsize=3,
            markersize=6,
        )


def _marks(axes: "Axes", rows: Sequence[HistoryRow]) -> None:
    """A dashed line where something changed, numbered; the legend of numbers stands below."""
    notes: list[str] = []
    for row in rows:
        if row.changed:
            notes.append(f"{len(notes) + 1}: {clean('; '.join(row.changed))[:110]}")
            axes.axvline(_when(row), linestyle="--", linewidth=0.8, color="grey")
            axes.annotate(
                str(len(notes)),
                (_when(row), 1.0),
                xycoords=("data", "axes fraction"),
                fontsize="small",
                ha="center",
                va="bottom",
            )
    if notes:
        axes.set_xlabel("\n".join(notes), fontsize="x-small", loc="left")
