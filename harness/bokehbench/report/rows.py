"""One row of a table: which Record fills which cell, and what footnotes say about it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bokehbench.analysis import final_score, format_score
from bokehbench.facts import Fidelity, Record
from bokehbench.facts.trial import Backend
from bokehbench.report.caption import Differing, device_name, scored_images
from bokehbench.report.cells import (
    ERROR,
    INVALID,
    NOT_MEASURED,
    Cell,
    Footnotes,
    decimal_cell,
    runtime_text,
    size_text,
)
from bokehbench.text import clean

BACKENDS: tuple[Backend, ...] = ("gpu", "xnnpack", "cpu")
"""Those that the challenge's two columns are made of."""
CPU_BACKENDS: tuple[Backend, ...] = ("xnnpack", "cpu")
_MIB = 2**20


def row_name(record: Record) -> str:
    """What a row is called: the label, else the team of the factsheet, else the model's name."""
    facts = record.evidence
    return facts.label or (facts.factsheet.team if facts.factsheet else facts.model.name)


class Row:
    """The newest Record of each backend, and which of them fills which column.

    `method` is what raters know the row by: its name without the `suffix` of a precision.
    `elsewhere` are Records of the same model on other devices: they lend their fidelity where
    this device made no image, and nothing else.
    """

    def __init__(
        self,
        records: Sequence[Record],
        score_backend: Backend,
        *,
        suffix: str = "",
        elsewhere: Sequence[Record] = (),
    ) -> None:
        self.newest: dict[str, Record] = {}
        self._counts: dict[str, int] = {}
        for record in sorted(records, key=_standing):
            backend = record.evidence.backend
            self.newest[backend] = record
            self._counts[backend] = self._counts.get(backend, 0) + 1
        self.facts = next(iter(self.newest.values())).evidence
        self.factsheet = self.facts.factsheet
        self.method = clean(row_name(next(iter(self.newest.values()))))
        self.name = self.method + suffix
        self._score_backend = score_backend
        self.gpu = self.timed("gpu")
        cpus = filter(None, map(self.timed, CPU_BACKENDS))
        self.cpu = min(cpus, key=median_ms, default=None)
        self.fidelity_record = self._pick_fidelity(elsewhere)
        self.score = self._compute_score()

    def timed(self, backend: str) -> Record | None:
        """The backend's Record if its runtime may be shown as a number."""
        record = self.newest.get(backend)
        if record is None or _invalid(record) or is_software(record):
            return None
        return record if (record.derived.latency.median_ms or 0) > 0 else None

    @property
    def fidelity(self) -> Fidelity | None:
        """The fidelity that the row shows."""
        return scored_images(self.fidelity_record) if self.fidelity_record else None

    @property
    def score_record(self) -> Record | None:
        """The Record whose runtime the score takes."""
        return self.timed(self._score_backend)

    @property
    def psnr(self) -> float | None:
        """The PSNR to sort by; infinite where all images are identical."""
        fidelity = self.fidelity
        if fidelity and fidelity.psnr is None and fidelity.identical:
            return float("inf")
        return fidelity.psnr if fidelity else None

    def _pick_fidelity(self, elsewhere: Sequence[Record]) -> Record | None:
        """The Record whose images are shown: the score's own, else the others'."""
        order = (self._score_backend, *BACKENDS, *self.newest)
        here = [self.newest[backend] for backend in order if backend in self.newest]
        usable = [r for r in here if not _invalid(r) and scored_images(r)]
        # Images from a software GPU are of no device that is ranked: only if there are no others.
        picked = min(usable, key=is_software, default=None)
        if picked is not None:
            return picked
        others = [r for r in elsewhere if not _invalid(r) and scored_images(r)]
        return max(others, key=lambda r: (not is_software(r), *_standing(r)), default=None)

    def _compute_score(self) -> float | None:
        record = self.score_record
        fidelity = record and scored_images(record)
        if record is None or not fidelity or fidelity.psnr is None:
            return None
        return final_score(fidelity.psnr, median_ms(record))

    def provisional_note(self) -> str:
        """Names the findings of those Records that put a number into the row."""
        parts: dict[str, str] = {}
        extra = [self.timed(backend) for backend in self.newest if backend not in BACKENDS]
        for record in (self.fidelity_record, self.gpu, self.cpu, self.score_record, *extra):
            if record is not None and record.derived.status == "provisional":
                codes = [f.code for f in record.derived.findings if f.effect == "provisional"]
                parts[record.evidence.backend] = ", ".join(codes or record.derived.reasons)
        return "* provisional: " + "; ".join(f"{k}: {v}" for k, v in parts.items()) if parts else ""

    def cells(self, differing: Differing, footnotes: Footnotes) -> dict[str, Cell]:
        """All cells by column key; footnotes are numbered in the order of the columns."""
        provisional = self.provisional_note()
        size = self.facts.model.size_bytes / _MIB
        sheet = self.factsheet
        named = footnotes.numbers([provisional] if provisional else [])
        return {
            "team": Cell(self.name, self.name + ("*" if provisional else ""), named),
            "author": _text(sheet.author if sheet else ""),
            "device": _text(device_name(self.facts.device)),
            "framework": _text(sheet.framework if sheet else self.facts.model.framework),
            "size_mib": Cell(size, size_text(size)),
            **self._fidelity_cells(differing, footnotes),
            "cpu_ms": self._cpu_cell(differing, footnotes),
            "gpu_ms": self._gpu_cell(differing, footnotes),
            **{
                f"{backend}_ms": self._other_cell(backend, differing, footnotes)
                for backend in self.newest
                if backend not in BACKENDS
            },
            "score": self._score_cell(footnotes),
        }

    def _fidelity_cells(self, differing: Differing, footnotes: Footnotes) -> dict[str, Cell]:
        record, fidelity = self.fidelity_record, self.fidelity
        if record is None or fidelity is None:
            missing = Cell(None, NOT_MEASURED)
            return dict.fromkeys(("psnr", "ssim", "ms_ssim", "lpips"), missing)
        notes = differing.fidelity_notes(record)
        facts = record.evidence
        if facts.device.device_id != self.facts.device.device_id:
            where = device_name(facts.device)
            notes.append(f"fidelity of the images that {facts.backend} on {where} made")
        elif facts.backend != self._score_backend:
            notes.append(f"fidelity of the images that {facts.backend} made")
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
            psnr = decimal_cell(fidelity.psnr, 2, footnotes.numbers(notes))
        return {
            "psnr": psnr,
            "ssim": decimal_cell(fidelity.ssim, 4),
            "ms_ssim": decimal_cell(fidelity.ms_ssim, 4),
            "lpips": decimal_cell(fidelity.lpips, 4),
        }

    def _cpu_cell(self, differing: Differing, footnotes: Footnotes) -> Cell:
        replaced = [note for backend in CPU_BACKENDS for note in self._replaced(backend)]
        if self.cpu is not None:
            chosen = f"CPU: {self.cpu.evidence.backend}"
            notes = [chosen, *_runtime_notes(self.cpu, differing), *replaced]
            return _runtime(self.cpu, footnotes.numbers(notes))
        records = [self.newest[backend] for backend in CPU_BACKENDS if backend in self.newest]
        return _without_number(records, replaced, footnotes)

    def _gpu_cell(self, differing: Differing, footnotes: Footnotes) -> Cell:
        record = self.newest.get("gpu")
        if record is not None and is_software(record) and not _invalid(record):
            found = next(f for f in record.derived.findings if f.code == "software_gpu")
            notes = [f"gpu: {found.message}", *self._replaced("gpu")]
            return Cell(None, NOT_MEASURED, footnotes.numbers(notes))
        return self._other_cell("gpu", differing, footnotes)

    def _other_cell(self, backend: str, differing: Differing, footnotes: Footnotes) -> Cell:
        """The runtime of one accelerator."""
        replaced = self._replaced(backend)
        record = self.timed(backend)
        if record is not None:
            notes = [*delegation_notes(record), *_runtime_notes(record, differing), *replaced]
            return _runtime(record, footnotes.numbers(notes))
        made = self.newest.get(backend)
        return _without_number([made] if made else [], replaced, footnotes)

    def _score_cell(self, footnotes: Footnotes) -> Cell:
        if self.score is None:
            return Cell(None, NOT_MEASURED)
        notes = []
        if self._score_backend != "gpu" and self.cpu is not self.score_record:
            median = median_ms(self.newest[self._score_backend])
            notes.append(f"score with {self._score_backend}: {runtime_text(median)} ms")
        return Cell(self.score, format_score(self.score), footnotes.numbers(notes))

    def _replaced(self, backend: str) -> list[str]:
        count = self._counts.get(backend, 0)
        return [f"{backend}: the newest of {count} Records"] if count > 1 else []


def delegation_notes(record: Record) -> list[str]:
    """How many nodes an accelerator took, where it did not take them all."""
    facts = record.evidence
    texts = []
    for trial in facts.trials:
        report = trial.report
        if trial.status != "ok" or report is None or report.delegated_nodes is None:
            continue
        if report.total_nodes is None or report.delegated_nodes >= report.total_nodes:
            continue
        text = f"{facts.backend}: {report.delegated_nodes} of {report.total_nodes} nodes"
        if report.partitions is not None:
            plural = "" if report.partitions == 1 else "s"
            text += f" in {report.partitions} partition{plural}"
        texts.append(text)
    return list(dict.fromkeys(texts))


def median_ms(record: Record) -> float:
    """The runtime of a Record, 0.0 where it has none."""
    return record.derived.latency.median_ms or 0.0


def is_software(record: Record) -> bool:
    """Whether the GPU was a software rasteriser."""
    return any(finding.code == "software_gpu" for finding in record.derived.findings)


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


def _text(text: str) -> Cell:
    shown = clean(text)
    return Cell(shown, shown)


def _runtime_notes(record: Record, differing: Differing) -> list[str]:
    notes = differing.runtime_notes(record)
    if record.derived.latency.samples == 0:
        notes.append(f"{record.evidence.backend}: from aggregates; the runner kept no samples")
    return notes


def _runtime(record: Record, notes: tuple[int, ...]) -> Cell:
    return Cell(median_ms(record), runtime_text(median_ms(record)), notes)


def _without_number(records: Iterable[Record], notes: list[str], footnotes: Footnotes) -> Cell:
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
