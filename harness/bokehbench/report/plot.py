"""Pictures of latency over time: a history from run to run, a long run from second to second."""

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench.analysis.history import HistoryRow
from bokehbench.facts import ConditionSeries, Sustained
from bokehbench.text import clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Lines = list[tuple[str, list[float], list[float]]]
"""Label, times and values of each line."""

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
    with _figure(path, 4.8) as figure:
        axes = figure.add_subplot()
        series: dict[tuple[str, str, str, bool], list[HistoryRow]] = {}
        for row in shown:
            key = (row.device_id, row.backend, row.precision, row.launch == "app")
            series.setdefault(key, []).append(row)
        for (_, backend, precision, in_app), members in series.items():
            suffix = f" {precision}" if precision != "default" else ""
            suffix += " in the app" if in_app else ""
            _series(axes, members, clean(f"{members[0].device} · {backend}{suffix}"))
        _legend_of_markers(axes, {row.status for row in shown})
        _marks(axes, shown)
        axes.xaxis_date()
        axes.set_ylabel("median latency in ms")
        axes.set_ylim(bottom=0)
        # Room for the numbers of changes, which stand on the axes.
        axes.set_title(clean(title), pad=16)
        axes.grid(axis="y", alpha=0.3)
        axes.legend(loc="best", fontsize="small")
        figure.autofmt_xdate()


def draw_sustained(
    long: Sustained, series: ConditionSeries | None, load_ns: int, path: Path, title: str
) -> None:
    """Write the curve of a long run, and below it what sensors showed meanwhile.

    Args:
        series: counts from the start of the process, None where no sensor was read.
        load_ns: how long the process loaded before its first run, in nanoseconds.

    Raises:
        OSError: it can't be written.
    """
    parts: list[tuple[str, Lines]] = [
        ("latency in ms", [("", [at for at, _ in long.curve], [ms for _, ms in long.curve])])
    ]
    if series is not None:
        parts += [part for part in _sensors(series, load_ns) if part[1]]
    with _figure(path, 2.4 + 1.8 * len(parts)) as figure:
        ratios = [2, *[1] * (len(parts) - 1)]
        column = figure.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=ratios)
        for [axes], (what, lines) in zip(column, parts, strict=True):
            for label, times, values in lines:
                axes.plot(times, values, linewidth=1.2, label=label or None)
            axes.set_ylabel(what)
            axes.set_ylim(bottom=0)
            axes.grid(axis="y", alpha=0.3)
            if any(label for label, *_ in lines):
                axes.legend(loc="best", fontsize="x-small")
        figure.axes[0].set_title(clean(title))
        figure.axes[0].set_xlim(0, long.seconds)
        figure.axes[-1].set_xlabel("seconds of runs")


@contextmanager
def _figure(path: Path, height: float) -> "Iterator[Figure]":
    """A figure that is written when all is drawn; the same data give the same bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "bokehbench", "text.parse_math": False}):
        figure = Figure(figsize=(9, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        # Without a date in it the file depends on the records alone.
        metadata: dict[str, Any] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(path, dpi=144, metadata=metadata)


def _sensors(series: ConditionSeries, load_ns: int) -> list[tuple[str, Lines]]:
    """Lines by what is on their axis, with times from the first run on."""
    times = [(at - load_ns) / 1e9 for at in series.times_ns]
    clocks = {f"cpu{core}": khz for core, khz in series.cpu_khz.items()} | {"GPU": series.gpu_khz}

    def lines(by_name: Mapping[str, Sequence[float | None]], divisor: float) -> Lines:
        found: Lines = []
        for name, readings in by_name.items():
            # A process that was cut short may have left one reading more or less.
            points = [
                (at, value / divisor)
                for at, value in zip(times, readings, strict=False)
                if value is not None and at >= 0
            ]
            if points:
                found.append((clean(name), [at for at, _ in points], [v for _, v in points]))
        return found

    return [
        ("°C", lines(series.temperatures_celsius, 1.0)),
        ("clocks in MHz", lines(clocks, 1e3)),
        ("GPU load in %", lines({"": series.gpu_load_percent}, 1.0)),
    ]


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


def _legend_of_markers(axes: "Axes", statuses: Set[str]) -> None:
    """Name the markers of what is not ranked, and with them that of what is."""
    if statuses <= {"ranked"}:
        return
    for status, marker in MARKERS.items():
        if status in statuses:
            axes.plot([], [], marker, color="grey", markersize=6, label=status)


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
