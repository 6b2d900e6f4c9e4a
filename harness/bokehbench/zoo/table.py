"""The zoo beside the report's table 1: sizes, runtimes, and what a GPU of 2022 makes of it.

The GPU column is predicted by `model.predict`'s rules for the delegate of that year and nothing
else; each row says whether the printed cell agrees, and from which operators that follows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from bokehbench.model.predict import Forecast, forecast
from bokehbench.model.rules import Target
from bokehbench.model.structure import ModelStructure
from bokehbench.profile import DeviceProfile
from bokehbench.report.cells import (
    ERROR,
    NOT_MEASURED,
    Cell,
    Column,
    Footnotes,
    Table,
    in_reading_order,
    runtime_text,
    size_text,
)
from bokehbench.session.forecasting import bound_ms
from bokehbench.text import clean
from bokehbench.zoo import Entry

MIB: Final = 1 << 20

THEN: Final = Target("tflite-gpu", "tflite", "2.8")
"""The delegate that the challenge measured with: TensorFlow Lite of the spring of 2022."""

NOW: Final = Target("tflite-gpu", "tflite", "2.16.1")
"""The one that `bokehbench engines install` gets."""

SHOWN_MS: Final = 0.05
"""A smaller bound would print as 0.0 and say nothing."""

Outcome = Literal["runs", "Error", "not known"]

COLUMNS: Final = (
    Column("team", "Team", numeric=False),
    Column("size_printed", "Size, MiB"),
    Column("size", "ours"),
    Column("cpu_printed", "CPU, ms"),
    Column("cpu", "ours, here"),
    Column("gpu_printed", "GPU, ms"),
    Column("gpu", "predicted"),
    Column("agrees", "agrees", numeric=False),
    Column("gpu_now", "predicted today"),
)


@dataclass(frozen=True)
class Predicted:
    """What a delegate makes of a model on a device, by the rules.

    Attributes:
        outcome: `runs` where the delegate takes the whole model and it fits in the memory.
        reasons: why not, one text a kind of operator; where it runs, what is at risk.
        bound_ms: the least time that the device's numbers allow; None without an outcome.
    """

    target: Target
    outcome: Outcome
    reasons: tuple[str, ...]
    bound_ms: float | None


@dataclass(frozen=True)
class Row:
    """One model: what was exported, predicted and measured. None is what there is not.

    Attributes:
        then: by the delegate of 2022.
        now: by today's.
        cpu_ms: the median on this machine.
        trouble: why the model could not be exported, or did not run.
        friendly: the form that is rewritten for GPU delegates, which nobody handed in then.
        size: height and width of the image; None is the printed table's.
    """

    entry: Entry
    structure: ModelStructure | None
    then: Predicted | None
    now: Predicted | None
    cpu_ms: float | None
    trouble: str | None
    friendly: bool = False
    size: tuple[int, int] | None = None

    @property
    def comparable(self) -> bool:
        """Whether the model is what the printed row is of: the original form, of that size."""
        return not self.friendly and self.size in (None, self.entry.size)

    @property
    def agrees(self) -> bool | None:
        """Whether the printed GPU cell, a number or Error, is what was predicted.

        A printed time below the predicted bound is not. None where nothing was predicted, or the
        printed cell is of another form or size.
        """
        if self.then is None or self.then.outcome == "not known" or not self.comparable:
            return None
        if self._below_bound:
            return False
        return (self.then.outcome == "Error") == (self.entry.gpu_ms == ERROR)

    @property
    def _below_bound(self) -> bool:
        bound = self.then.bound_ms if self.then is not None else None
        printed = self.entry.gpu_ms
        return bound is not None and not isinstance(printed, str) and printed < bound

    @property
    def explanation(self) -> str:
        """Why the printed cell and the prediction agree, or exactly why not."""
        if self.then is None:
            return f"not predicted: {self.trouble}"
        said = "; ".join(self.then.reasons)
        if self.then.outcome == "not known":
            return f"the rules do not know: {said}"
        if self.friendly:
            taken = "every operator is taken" if self.then.outcome == "runs" else "refused"
            return f"rewritten for GPU delegates: {taken}{f': {said}' if said else ''}"
        if not self.comparable:
            taken = "every operator is taken" if self.then.outcome == "runs" else "refused"
            printed = "x".join(map(str, self.entry.size))
            return f"the printed cell is of {printed}: {taken}{f': {said}' if said else ''}"
        if self.then.outcome == "Error":
            printed = "as printed" if self.agrees else f"but {self.entry.gpu_ms:g} ms is printed"
            return f"{printed}: {said}"
        if self._below_bound:
            return (
                f"{self.entry.gpu_ms:g} ms is printed, less than the {self.then.bound_ms:.1f} ms "
                "that the profile's arithmetic and memory allow: one of the two is wrong"
            )
        if self.agrees:
            return f"every operator is taken{f'; at risk: {said}' if said else ''}"
        return f"Error is printed, and the rules take every operator: {self._other_causes()}"

    def _other_causes(self) -> str:
        if self.entry.cpu_ms != ERROR:
            return "what failed there is in no rule and in no public source"
        here = ""
        if self.cpu_ms is not None:
            here = f"; ours runs on the CPU here, in {runtime_text(self.cpu_ms)} ms"
        return (
            "the printed CPU cell says Error as well, where no delegate is asked, which points at "
            f"the file as it was handed in, and that is not public{here}"
        )


def predict(structure: ModelStructure, target: Target, profile: DeviceProfile) -> Predicted:
    """What the delegate makes of the model on a device of that profile."""
    told = forecast(structure, target)
    reasons = _reasons(told)
    whole = told.prediction.outcome
    peak = structure.memory.peak_fp16_bytes
    weights = sum(share.size_bytes for share in structure.weights.values()) // 2
    there = profile.memory.bytes
    if whole == "whole" and there is not None and peak is not None and weights + peak > there:
        reasons = (f"{(weights + peak) / MIB:.0f} MiB of memory, and the device has less",)
        return Predicted(target, "Error", reasons, None)
    if whole == "whole":
        return Predicted(target, "runs", reasons, bound_ms(structure, told, profile, "default"))
    if whole == "unknown":
        return Predicted(target, "not known", reasons, None)
    left = f"the delegate takes {told.prediction.delegated_low} of {told.prediction.total_nodes}"
    return Predicted(target, "Error", (f"{left} operators", *reasons), None)


def _reasons(told: Forecast) -> tuple[str, ...]:
    """Each reason once, with how many operators of which kind it is about."""
    found = Counter(
        (one.name, one.rule.verdict, one.rule.reason)
        for one in told.judged
        if one.rule.verdict != "delegated"
    )
    return tuple(
        clean(f"{count} x {name} {verdict}: {reason}")
        for (name, verdict, reason), count in sorted(found.items(), key=_gravest_first)
    )


def _gravest_first(item: tuple[tuple[str, str, str], int]) -> tuple[int, str, str]:
    (name, verdict, reason), _count = item
    return ("refused", "unknown", "risky").index(verdict), name, reason


def build_table(rows: Sequence[Row], size: str, machine: str | None) -> Table:
    """Rows beside what is printed, in the report's order.

    Args:
        size: "1024x1024", for the caption.
        machine: what the CPU column was measured on; None where it was left out.
    """
    footnotes = Footnotes()
    cpu = "the CPU was left out" if machine is None else f"CPU by XNNPACK on {machine}"
    built, notes = in_reading_order([_cells(row, footnotes) for row in rows], footnotes)
    return Table(
        title="The zoo beside table 1 of the Mobile AI 2022 bokeh challenge",
        columns=COLUMNS,
        rows=tuple(map(tuple, built)),
        footnotes=notes,
        caption=(
            "Printed: 1024x1024 on a Kirin 9000, arXiv:2211.06769, table 1",
            clean(f"Ours: random weights, {size}; {cpu}"),
            f"GPU predicted for {THEN.title} and, today, {NOW.title}, from the operators that "
            "their public source takes; never measured here. `>= N` is the least time that the "
            "GPU's arithmetic and memory allow",
            _verdict(rows),
        ),
    )


def _verdict(rows: Sequence[Row]) -> str:
    if any(row.friendly for row in rows):
        return "Forms rewritten for GPU delegates: the printed cells are of the original ones"
    if not any(row.comparable for row in rows):
        return "Another size than the printed one: no printed cell is held against a prediction"
    agreeing = sum(row.agrees is True for row in rows)
    return f"The prediction agrees with {agreeing} of {len(rows)} printed GPU cells"


def _cells(row: Row, footnotes: Footnotes) -> list[Cell]:
    entry = row.entry
    trouble = footnotes.numbers([row.trouble]) if row.trouble else ()
    size = row.structure.size_mib if row.structure else None
    agrees = {True: "yes", False: "no", None: NOT_MEASURED}[row.agrees]
    return [
        Cell(entry.team, clean(entry.team)),
        Cell(entry.size_mib, size_text(entry.size_mib)),
        Cell(size, size_text(size)) if size is not None else Cell(ERROR, ERROR, trouble),
        _printed(entry.cpu_ms),
        _measured(row.cpu_ms, trouble),
        _printed(entry.gpu_ms),
        _predicted(row.then),
        Cell(agrees, agrees, footnotes.numbers([row.explanation])),
        _predicted(row.now),
    ]


def _measured(value: float | None, trouble: tuple[int, ...]) -> Cell:
    if value is not None:
        return Cell(value, runtime_text(value))
    return Cell(ERROR, ERROR, trouble) if trouble else Cell(None, NOT_MEASURED)


def _printed(value: float | str) -> Cell:
    if isinstance(value, str):
        return Cell(None if value == NOT_MEASURED else value, value)
    return Cell(value, runtime_text(value))


def _predicted(one: Predicted | None) -> Cell:
    if one is None:
        return Cell(None, NOT_MEASURED)
    if one.outcome != "runs":
        return Cell(one.outcome, one.outcome)
    if one.bound_ms is None or one.bound_ms < SHOWN_MS:
        return Cell("runs", "runs")
    return Cell("runs", f">= {runtime_text(one.bound_ms)}")


def document(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for machines: printed, ours, predicted, reasons."""
    return [
        {
            "model": row.entry.name,
            "team": row.entry.team,
            "size_mib_printed": row.entry.size_mib,
            "size_mib": row.structure.size_mib if row.structure else None,
            "parameters": row.structure.parameters if row.structure else None,
            "operators": dict(Counter(op.name for op in row.structure.graph.ops))
            if row.structure
            else None,
            "memory": msgspec.to_builtins(row.structure.memory) if row.structure else None,
            "cpu_ms_printed": row.entry.cpu_ms,
            "cpu_ms": row.cpu_ms,
            "gpu_ms_printed": row.entry.gpu_ms,
            "gpu": _told(row.then),
            "gpu_today": _told(row.now),
            "friendly": row.friendly,
            "agrees": row.agrees,
            "explanation": row.explanation,
            "trouble": row.trouble,
        }
        for row in rows
    ]


def _told(one: Predicted | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "target": one.target.title,
        "outcome": one.outcome,
        "bound_ms": one.bound_ms,
        "reasons": list(one.reasons),
    }
