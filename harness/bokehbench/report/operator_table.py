"""What is known of a Record's operators -> tables and a headline."""

import re

from bokehbench.report.cells import NOT_MEASURED, Cell, Column, Table
from bokehbench.report.operators import PRIMARY, Operator, OpReport
from bokehbench.text import clean

NAME_SHOWN = 80
"""Characters of an operator's name; converters write whole lists of layers into one."""


def node_table(report: OpReport, *, most: int | None) -> Table:
    """A row for every operator in the order of running, or of the `most` expensive ones."""
    shown = list(report.ops)
    if most is not None and len(shown) > most:
        dearest = sorted(shown, key=lambda op: -op.per_run_ns)[:most]
        shown = [op for op in shown if op in dearest]
    columns: tuple[Column, ...] = (
        Column("node", "Node", numeric=False),
        Column("type", "Type", numeric=False),
        Column("where", "Ran on", numeric=False),
        Column("per_run_ns", "Time, ms"),
        Column("share", "Share, %"),
        Column("low_ns", "Least, ms"),
        Column("high_ns", "Most, ms"),
        Column("name", "Name", numeric=False),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Cell(op.node, _node(op)),
            _text(op.type),
            _text(op.where),
            _ms(op.per_run_ns),
            _percent(op.share),
            _ms(op.low_ns),
            _ms(op.high_ns),
            _text(_name(op)),
        )
        for op in shown
    ]
    if report.processes == 1:
        # One process has no spread.
        columns = (*columns[:5], columns[-1])
        rows = [(*row[:5], row[-1]) for row in rows]
    left = len(report.ops) - len(shown)
    caption = (f"{left} cheaper ones are left out; --all shows them",) if left else ()
    return Table("Operators", columns, tuple(rows), caption=caption)


def type_table(report: OpReport) -> Table:
    """A row for every type of operator."""
    columns = (
        Column("type", "Type", numeric=False),
        Column("graph", "Graph", numeric=False),
        Column("where", "Ran on", numeric=False),
        Column("count", "Count"),
        Column("per_run_ns", "Time, ms"),
        Column("share", "Share, %"),
    )
    rows = [
        (
            _text(kind.type),
            _text(kind.graph),
            _text(kind.where),
            Cell(kind.count, str(kind.count)),
            _ms(kind.per_run_ns),
            _percent(kind.share),
        )
        for kind in report.types
    ]
    return Table("By type", columns, tuple(rows))


def headline(report: OpReport) -> str:
    """The Record, what was asked for and what ran, in one line."""
    words = f"{report.model} on {report.device}: {report.requested_backend} was asked for"
    ran = f"{report.backend or 'nobody says what'} ran"
    if report.delegated_nodes is not None:
        total = "?" if report.total_nodes is None else report.total_nodes
        ran += f" {report.delegated_nodes} of {total} operators"
        if report.partitions is not None:
            ran += f" in {report.partitions} partitions"
    return clean(f"{words}, {ran}")


def _node(op: Operator) -> str:
    number = "-" if op.node is None else str(op.node)
    return number if op.graph == PRIMARY else clean(f"{op.graph}:{number}")


def _name(op: Operator) -> str:
    """Its outputs' names, without the brackets and the number of the node."""
    name = re.sub(r"\]?:\d+$", "", op.name.removeprefix("["))
    return name if len(name) <= NAME_SHOWN else name[:NAME_SHOWN] + "…"


def _text(value: str | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else clean(value))


def _ms(value: int | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else f"{value / 1e6:.3f}")


def _percent(value: float | None) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else f"{100 * value:.1f}")
