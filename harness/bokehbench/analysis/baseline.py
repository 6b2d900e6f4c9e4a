"""A baseline: earlier runs of named models, as a JSON file that can be committed."""

import json
from collections.abc import Sequence

import msgspec

from bokehbench.analysis.compare import likeness
from bokehbench.analysis.latency import MIN_PROCESSES
from bokehbench.errors import UsageError
from bokehbench.facts import Record

BASELINE_FORMAT = "bokehbench-baseline/1"

KEPT_RUNS = 30
"""History of a record: enough to know its noise, few enough to forget another season's."""


class BaselineRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of one model: medians of its processes in milliseconds."""

    run_id: str
    record_id: str
    created: str
    model_sha256: str
    process_medians_ms: tuple[float, ...]


class BaselineEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one name, backend and precision was measured as, and under which settings.

    Processes in an app are another thing than those of a shell: an entry of their own.
    """

    name: str
    backend: str
    precision: str
    likeness: dict[str, str]
    runs: tuple[BaselineRun, ...]


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All entries of a file."""

    format: str = BASELINE_FORMAT
    entries: tuple[BaselineEntry, ...] = ()

    def find(self, record: Record) -> BaselineEntry | None:
        """The entry of a record's name, backend and precision on the record's device.

        One of another device is returned only where there is none of this one, so that the
        difference can be named.
        """
        alike = [entry for entry in self.entries if _identity(entry) == _identity_of(record)]
        device = likeness(record.evidence)["device"]
        own = [entry for entry in alike if entry.likeness.get("device") == device]
        return next(iter(own or alike), None)

    def lacking(self, records: Sequence[Record]) -> list[BaselineEntry]:
        """The entries of the records' devices that none of the records is of."""
        there = {(*_identity_of(record), likeness(record.evidence)["device"]) for record in records}
        devices = {device for *_, device in there}
        return [
            entry
            for entry in self.entries
            if _device(entry) in devices and (*_identity(entry), _device(entry)) not in there
        ]


def unlike(
    entry: BaselineEntry, record: Record, allowed: Sequence[str] = ()
) -> dict[str, tuple[str, str]]:
    """Settings in which a record differs from its baseline: name -> baseline's and record's."""
    now = likeness(record.evidence)
    return {
        key: (entry.likeness.get(key, "not recorded"), value)
        for key, value in now.items()
        if entry.likeness.get(key) != value and key not in allowed
    }


def with_records(baseline: Baseline, records: Sequence[Record]) -> Baseline:
    """The baseline with these records as its newest runs; one that is there already stays once.

    A record under other settings than its entry's begins the entry anew.
    """
    entries = list(baseline.entries)
    for record in records:
        entry = baseline_entry(record)
        place = next((i for i, other in enumerate(entries) if _same(other, entry)), None)
        if place is None:
            entries.append(entry)
            continue
        known = entries[place]
        kept = known.runs if known.likeness == entry.likeness else ()
        others = [run for run in kept if run.record_id != record.record_id]
        runs = tuple(sorted([*others, *entry.runs], key=lambda run: (run.created, run.record_id)))
        entries[place] = msgspec.structs.replace(entry, runs=runs[-KEPT_RUNS:])
    return Baseline(entries=tuple(sorted(entries, key=lambda e: (*_identity(e), _device(e)))))


def baseline_entry(record: Record) -> BaselineEntry:
    """One record as an entry of one run."""
    evidence, latency = record.evidence, record.derived.latency
    run = BaselineRun(
        run_id=evidence.run_id,
        record_id=evidence.record_id,
        created=evidence.created,
        model_sha256=evidence.model.sha256,
        process_medians_ms=tuple(round(value, 6) for value in latency.process_medians_ms),
    )
    name, backend, precision, _ = _identity_of(record)
    return BaselineEntry(
        name=name,
        backend=backend,
        precision=precision,
        likeness=likeness(evidence),
        runs=(run,),
    )


def dump(baseline: Baseline) -> str:
    """JSON text that a version control system shows well: one value a line, sorted."""
    return json.dumps(msgspec.to_builtins(baseline), indent=1, sort_keys=True) + "\n"


def parse(text: str, name: str) -> Baseline:
    """A baseline from its text.

    Raises:
        UsageError: it is not one; the message begins with `name`.
    """
    try:
        baseline = msgspec.json.decode(text.encode(), type=Baseline)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise UsageError(
            f"{name}: not a baseline ({error}); `bokehbench gate --update` makes one"
        ) from error
    if baseline.format != BASELINE_FORMAT:
        raise UsageError(f"{name}: has the format {baseline.format!r}, not {BASELINE_FORMAT!r}")
    for entry in baseline.entries:
        for run in entry.runs:
            where = f"{name}: {entry.name} on {entry.backend}, run {run.run_id}"
            # A comparison with NaN is false, so NaN is refused too.
            if not all(0 < value < float("inf") for value in run.process_medians_ms):
                raise UsageError(f"{where}: a time that is not above zero; take that run out")
            if len(run.process_medians_ms) < MIN_PROCESSES:
                raise UsageError(
                    f"{where}: {len(run.process_medians_ms)} processes, and the gate needs "
                    f"{MIN_PROCESSES}; take that run out"
                )
    return baseline


def _identity(entry: BaselineEntry) -> tuple[str, str, str, bool]:
    return entry.name, entry.backend, entry.precision, entry.likeness.get("launch") == "app"


def _identity_of(record: Record) -> tuple[str, str, str, bool]:
    evidence = record.evidence
    name = evidence.label or evidence.model.name
    return name, evidence.backend, evidence.precision, evidence.launch == "app"


def _device(entry: BaselineEntry) -> str:
    return entry.likeness.get("device", "")


def _same(first: BaselineEntry, second: BaselineEntry) -> bool:
    return _identity(first) == _identity(second) and _device(first) == _device(second)
