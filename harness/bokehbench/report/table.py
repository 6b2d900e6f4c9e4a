"""Records -> Table: the columns of table 1 of the Mobile AI 2022 bokeh report.

One row joins the Records of one label (or model name), one model and one device.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bokehbench.analysis import final_score, format_score
from bokehbench.errors import UsageError
from bokehbench.facts import Record
from bokehbench.facts.trial import Backend
from bokehbench.report.caption import Differing, caption_lines, device_name, scored_images
from bokehbench.report.cells import (
    ERROR,
    INVALID,
    NOT_MEASURED,
    Cell,
    Column,
    Footnotes,
    Table,
    runtime_text,
    size_text,
)
from bokehbench.text import clean

_BACKENDS: tuple[Backend, ...] = ("gpu", "xnnpack", "cpu")
_CPU_BACKENDS: tuple[Backend, ...] = ("xnnpack", "cpu")
_MIB = 2**20


def build_table(
    records: Sequence[Record],
    *,
    score_backend: Backend = "gpu",
    title: str = "Runtime and fidelity",
) -> Table:
    """The challenge's table, ordered by score, then PSNR; what has neither comes last.

    Runtimes are medians in ms. The GPU column is that of backend `gpu` on real hardware; the
    CPU column is the faster usable one of `xnnpack` and `cpu`. Only the newest Record of
    each row and backend is shown. A backend whose trials all failed shows `Error`, another
    invalid one `invalid`, one not measured `N.A.`. The score joins runtime and PSNR of one
    Record, that of `score_backend`.

    Raises:
        UsageError: `score_backend` is not a backend.
    """
    if score_backend not in _BACKENDS:
        known = ", ".join(_BACKENDS)
        raise UsageError(f"unknown score backend {score_backend!r}: use one of {known}")
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        facts = record.evidence
        name = facts.label or facts.model.name
        key = (name, facts.model.sha256, facts.device.device_id)
        groups.setdefault(key, []).append(record)
    rows = [_Row(group, score_backend) for group in groups.values()]
    rows.sort(key=_Row.order)
    shown = [record for row in rows for record in row.newest.values()]
    several_devices = len({key[2] for key in groups}) > 1
    columns = _columns(shown, score_backend, several_devices)
    differing = Differing(shown)
    footnotes = Footnotes()
    built = []
    for row in rows:
        cells = row.cells(differing, footnotes)
        built.append(tuple(cells[column.key] for column in columns))
    return Table(
        title=clean(title),
        columns=columns,
        rows=tuple(built),
        footnotes=tuple(footnotes.texts),
        caption=tuple(clean(line) for line in caption_lines(shown, score_backend)),
    )


def _columns(
    records: Sequence[Record], score_backend: Backend, several_devices: bool
) -> tuple[Column, ...]:
    labelled = any(record.evidence.label for record in records)
    device = (Column("device", "Device", numeric=False),) if several_devices else ()
    return (
        Column("team", "Team" if labelled else "Model", numeric=False),
        *device,
        Column("framework", "Framework", numeric=False),
        Column("size_mib", "Model size, MiB"),
        Column("psnr", "PSNR"),
        Column("ssim", "SSIM"),
        Column("lpips", "LPIPS"),
        Column("cpu_ms", "CPU, ms"),
        Column("gpu_ms", "GPU, ms"),
        Column("score", "Score" if score_backend == "gpu" else "Score (CPU)"),
    )


class _Row:
    """One row: the newest Record of each backend, and which of them fills which column."""

    def __init__(self, records: Sequence[Record], score_backend: Backend) -> None:
        self.newest: dict[Backend, Record] = {}
        self._counts: dict[Backend, int] = {}
        for record in sorted(records, key=_standing):
            backend = record.evidence.backend
            self.newest[backend] = record
            self._counts[backend] = self._counts.get(backend, 0) + 1
        self._score_backend = score_backend
        self._gpu = self._timed("gpu")
        cpus = filter(None, map(self._timed, _CPU_BACKENDS))
        self._cpu = min(cpus, key=_median, default=None)
        self._fidelity = self._pick_fidelity()
        self._score = self._compute_score()

    def _timed(self, backend: Backend) -> Record | None:
        """The backend's Record if its runtime may be shown as a number."""
        record = self.newest.get(backend)
        if record is None or _invalid(record) or _software(record):
            return None
        return record if (record.derived.latency.median_ms or 0) > 0 else None

    def _pick_fidelity(self) -> Record | None:
        """The Record whose images are shown: the score's own, else the others'."""
        order = (self._score_backend, *_BACKENDS)
        usable = [
            record
            for backend in order
            if (record := self.newest.get(backend))
            and not _invalid(record)
            and scored_images(record)
        ]
        # Images from a software GPU are of no device that is ranked: only if there are no others.
        return min(usable, key=_software, default=None)

    def _compute_score(self) -> float | None:
        record = self._timed(self._score_backend)
        fidelity = record and scored_images(record)
        if record is None or not fidelity or fidelity.psnr is None:
            return None
        return final_score(fidelity.psnr, _median(record))

    def order(self) -> tuple[bool, float, bool, float, str]:
        """Sort key: score, then PSNR, both falling, missing ones last."""
        fidelity = self._fidelity and self._fidelity.derived.fidelity
        psnr = fidelity.psnr if fidelity else None
        if fidelity and fidelity.psnr is None and fidelity.identical:
            psnr = float("inf")
        return (self._score is None, -(self._score or 0), psnr is None, -(psnr or 0), self._name)

    @property
    def _name(self) -> str:
        facts = next(iter(self.newest.values())).evidence
        return clean(facts.label or facts.model.name)

    def cells(self, differing: Differing, footnotes: Footnotes) -> dict[str, Cell]:
        """All cells by column key; footnotes are numbered in the order of the columns."""
        facts = next(iter(self.newest.values())).evidence
        provisional = self._provisional_note()
        size = facts.model.size_bytes / _MIB
        device = clean(device_name(facts.device))
        framework = clean(facts.model.framework)
        return {
            "team": Cell(
                self._name,
                self._name + ("*" if provisional else ""),
                footnotes.numbers([provisional] if provisional else []),
            ),
            "device": Cell(device, device),
            "framework": Cell(framework, framework),
            "size_mib": Cell(size, size_text(size)),
            **self._fidelity_cells(differing, footnotes),
            "cpu_ms": self._cpu_cell(differing, footnotes),
            "gpu_ms": self._gpu_cell(differing, footnotes),
            "score": self._score_cell(footnotes),
        }

    def _provisional_note(self) -> str:
        """Names the findings of those Records that put a number into the row."""
        parts: dict[str, str] = {}
        for record in (self._fidelity, self._gpu, self._cpu, self._timed(self._score_backend)):
            if record is not None and record.derived.status == "provisional":
                codes = [f.code for f in record.derived.findings if f.effect == "provisional"]
                parts[record.evidence.backend] = ", ".join(codes or record.derived.reasons)
        return "* provisional: " + "; ".join(f"{k}: {v}" for k, v in parts.items()) if parts else ""

    def _fidelity_cells(self, differing: Differing, footnotes: Footnotes) -> dict[str, Cell]:
        record = self._fidelity
        fidelity = scored_images(record) if record else None
        if record is None or fidelity is None:
            missing = Cell(None, NOT_MEASURED)
            return {"psnr": missing, "ssim": missing, "lpips": Cell(None, "")}
        notes = differing.fidelity_notes(record)
        if record.evidence.backend != self._score_backend:
            notes.append(f"fidelity of the images that {record.evidence.backend} made")
        if fidelity.identical:
            notes.append(
                f"{fidelity.identical} of {fidelity.images} images are identical to the "
                "reference: their PSNR is infinite and not in the mean"
            )
        if fidelity.failed:
            notes.append(f"{fidelity.failed} of {fidelity.images + fidelity.failed} images failed")
        if fidelity.psnr is None and fidelity.identical:
            psnr = Cell(None, "inf", footnotes.numbers(notes))
        else:
            psnr = _decimal(fidelity.psnr, 2, footnotes.numbers(notes))
        lpips = Cell(None, "") if fidelity.lpips is None else _decimal(fidelity.lpips, 4)
        return {"psnr": psnr, "ssim": _decimal(fidelity.ssim, 4), "lpips": lpips}

    def _cpu_cell(self, differing: Differing, footnotes: Footnotes) -> Cell:
        notes = [note for backend in _CPU_BACKENDS for note in self._replaced(backend)]
        if self._cpu is not None:
            chosen = [f"CPU: {self._cpu.evidence.backend}", *differing.runtime_notes(self._cpu)]
            return _runtime(self._cpu, footnotes.numbers(chosen + notes))
        records = [self.newest[backend] for backend in _CPU_BACKENDS if backend in self.newest]
        return _without_number(records, notes, footnotes)

    def _gpu_cell(self, differing: Differing, footnotes: Footnotes) -> Cell:
        notes = self._replaced("gpu")
        if self._gpu is not None:
            return _runtime(
                self._gpu, footnotes.numbers(differing.runtime_notes(self._gpu) + notes)
            )
        record = self.newest.get("gpu")
        if record is not None and _software(record):
            found = next(f for f in record.derived.findings if f.code == "software_gpu")
            return Cell(None, NOT_MEASURED, footnotes.numbers([f"gpu: {found.message}", *notes]))
        return _without_number([record] if record else [], notes, footnotes)

    def _score_cell(self, footnotes: Footnotes) -> Cell:
        if self._score is None:
            return Cell(None, NOT_MEASURED)
        notes = []
        if self._score_backend != "gpu" and self._cpu is not self._timed(self._score_backend):
            median = _median(self.newest[self._score_backend])
            notes.append(f"score with {self._score_backend}: {runtime_text(median)} ms")
        return Cell(self._score, format_score(self._score), footnotes.numbers(notes))

    def _replaced(self, backend: Backend) -> list[str]:
        count = self._counts.get(backend, 0)
        return [f"{backend}: the newest of {count} Records"] if count > 1 else []


def _standing(record: Record) -> tuple[bool, bool, tuple[datetime, str]]:
    """Sort key: what a cell shows is finished before new, and ranked before provisional."""
    return (
        record.evidence.finished,
        record.derived.status != "provisional",
        _age(record),
    )


def _age(record: Record) -> tuple[datetime, str]:
    try:
        created = datetime.fromisoformat(record.evidence.created)
    except ValueError:
        created = datetime.min
    aware = created if created.tzinfo else created.replace(tzinfo=UTC)
    return aware, record.record_id


def _invalid(record: Record) -> bool:
    return record.derived.status == "invalid"


def _software(record: Record) -> bool:
    return any(finding.code == "software_gpu" for finding in record.derived.findings)


def _median(record: Record) -> float:
    return record.derived.latency.median_ms or 0.0


def _decimal(value: float | None, digits: int, notes: tuple[int, ...] = ()) -> Cell:
    return Cell(value, NOT_MEASURED if value is None else f"{value:.{digits}f}", notes)


def _runtime(record: Record, notes: tuple[int, ...]) -> Cell:
    return Cell(_median(record), runtime_text(_median(record)), notes)


def _without_number(records: Sequence[Record], notes: list[str], footnotes: Footnotes) -> Cell:
    """`Error`, `invalid` or `N.A.`, with the reasons of the Records in footnotes."""
    word: str | None = None
    reasons = []
    for record in filter(_invalid, records):
        findings = [f for f in record.derived.findings if f.effect == "invalid"]
        failed = [f for f in findings if f.code == "trial_failed"]
        word = ERROR if failed or word == ERROR else INVALID
        for finding in failed or findings:
            prefix = "" if failed else f"{finding.code}: "
            reasons.append(f"{record.evidence.backend}: {prefix}{finding.message}")
    return Cell(word, word or NOT_MEASURED, footnotes.numbers(reasons + notes))
