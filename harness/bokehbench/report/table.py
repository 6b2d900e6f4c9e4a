"""Records -> Table: the columns of table 1 of the Mobile AI 2022 bokeh report.

One row joins the Records of one label (or model name), one model and one device.
"""

from collections.abc import Sequence

from bokehbench.analysis.opinion import Opinion
from bokehbench.errors import UsageError
from bokehbench.facts import Record
from bokehbench.facts.trial import Backend
from bokehbench.report.caption import Differing, caption_lines
from bokehbench.report.cells import Cell, Column, Footnotes, Table, in_reading_order, with_best
from bokehbench.report.opinions import mos_cells, opinion_caption
from bokehbench.report.rows import BACKENDS, Row, row_name
from bokehbench.text import clean

_OTHER_TITLES = {"nnapi": "NNAPI", "hexagon": "Hexagon", "external": "External delegate"}


def build_table(
    records: Sequence[Record],
    *,
    score_backend: Backend = "gpu",
    title: str = "Runtime and fidelity",
    opinion: Opinion | None = None,
) -> Table:
    """The challenge's table, ordered by score, then PSNR; what has neither comes last.

    Runtimes are medians in ms. The GPU column is that of backend `gpu` on real hardware; the
    CPU column is the faster usable one of `xnnpack` and `cpu`; other accelerators have columns
    of their own. Only the newest Record of each row and backend is shown; a GPU in two
    precisions makes two rows, and so do the shell and an app. A backend whose trials all failed
    shows `Error`, another invalid one `invalid`, one not measured `N.A.`. The score joins runtime
    and PSNR of one Record, that of `score_backend`. With `opinion` there is a MOS for every row of
    that name.

    Raises:
        UsageError: `score_backend` is not a backend.
    """
    check_score_backend(score_backend)
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        facts = record.evidence
        key = (row_name(record), facts.model.sha256, facts.device.device_id)
        groups.setdefault(key, []).append(record)
    rows = [row for group in groups.values() for row in split_precisions(group, score_backend)]
    rows.sort(key=_order)
    shown = shown_records(rows)
    columns = _columns(shown, score_backend, len({key[2] for key in groups}) > 1, opinion)
    differing = Differing(shown)
    footnotes = Footnotes()
    built = []
    for row in rows:
        cells = {**row.cells(differing, footnotes), **mos_cells(row.method, opinion, footnotes)}
        built.append([cells.get(column.key, Cell(None, "N.A.")) for column in columns])
    built, notes = in_reading_order(built, footnotes)
    caption = caption_lines(shown, score_backend) + opinion_caption(opinion)
    return Table(
        title=clean(title),
        columns=columns,
        rows=with_best(columns, built, [not row.provisional_note() for row in rows]),
        footnotes=notes,
        caption=tuple(clean(line) for line in caption),
    )


def check_score_backend(score_backend: str) -> None:
    """Raises UsageError unless it is one of the challenge's backends."""
    if score_backend not in BACKENDS:
        known = ", ".join(BACKENDS)
        raise UsageError(f"unknown score backend {score_backend!r}: use one of {known}")


def split_precisions(
    records: Sequence[Record], score_backend: Backend, elsewhere: Sequence[Record] = ()
) -> list[Row]:
    """One row, or one for each precision of the GPU and for the app: they are different results."""
    own = [record for record in records if record.evidence.launch == "app"]
    if not own:
        return _by_precision(records, score_backend, elsewhere)
    others = [record for record in records if record.evidence.launch != "app"]
    rows = _by_precision(others, score_backend, elsewhere) if others else []
    return rows + _by_precision(own, score_backend, elsewhere, ", in an app")


def _by_precision(
    records: Sequence[Record],
    score_backend: Backend,
    elsewhere: Sequence[Record],
    suffix: str = "",
) -> list[Row]:
    precisions = {r.evidence.precision for r in records if r.evidence.backend == "gpu"}
    if len(precisions) < 2:
        return [Row(records, score_backend, suffix=suffix, elsewhere=elsewhere)]
    return [
        Row(
            [r for r in records if r.evidence.backend != "gpu" or r.evidence.precision == one],
            score_backend,
            suffix=f"{suffix}, {one}",
            elsewhere=elsewhere,
        )
        for one in sorted(precisions)
    ]


def shown_records(rows: Sequence[Row]) -> list[Record]:
    """All Records that fill a cell, each once."""
    filling = [record for row in rows for record in row.newest.values()]
    filling += [row.fidelity_record for row in rows if row.fidelity_record is not None]
    return list({id(record): record for record in filling}.values())


def other_columns(records: Sequence[Record]) -> tuple[Column, ...]:
    """Columns of accelerators that the challenge's table has none for."""
    names = {record.evidence.backend for record in records} - set(BACKENDS)
    return tuple(
        Column(f"{name}_ms", f"{_OTHER_TITLES.get(name, name)}, ms", better="low")
        for name in sorted(names)
    )


def _columns(
    records: Sequence[Record],
    score_backend: Backend,
    several_devices: bool,
    opinion: Opinion | None,
) -> tuple[Column, ...]:
    labelled = any(record.evidence.label or record.evidence.factsheet for record in records)
    device = (Column("device", "Device", numeric=False),) if several_devices else ()
    return (
        Column("team", "Team" if labelled else "Model", numeric=False),
        *device,
        Column("framework", "Framework", numeric=False),
        Column("size_mib", "Model size, MiB"),
        Column("psnr", "PSNR", better="high"),
        Column("ssim", "SSIM", better="high"),
        *((Column("ms_ssim", "MS-SSIM", better="high"),) if _has_ms_ssim(records) else ()),
        Column("lpips", "LPIPS", better="low"),
        *((Column("mos", "MOS", better="high"),) if opinion else ()),
        Column("cpu_ms", "CPU, ms", better="low"),
        Column("gpu_ms", "GPU, ms", better="low"),
        *other_columns(records),
        Column("score", "Score" if score_backend == "gpu" else "Score (CPU)", better="high"),
    )


def _has_ms_ssim(records: Sequence[Record]) -> bool:
    """Whether a fidelity protocol asked for it; most do not."""
    found = (record.derived.fidelity for record in records)
    return any(fidelity is not None and fidelity.ms_ssim is not None for fidelity in found)


def _order(row: Row) -> tuple[bool, float, bool, float, str]:
    """Sort key: score, then PSNR, both falling, missing ones last."""
    psnr = row.psnr
    return (row.score is None, -(row.score or 0), psnr is None, -(psnr or 0), row.name)
