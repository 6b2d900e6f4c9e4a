"""Logs that were made elsewhere -> evidence, with model and device as somebody said."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from bokehbench import __version__
from bokehbench.errors import UsageError
from bokehbench.facts import (
    DeviceFacts,
    EngineFacts,
    Evidence,
    IoSpec,
    MeasurementProtocol,
    ModelFacts,
    RunnerFacts,
    Trial,
    TrialSpec,
)
from bokehbench.facts.record import IMPORTED
from bokehbench.facts.trial import CPU_BACKENDS, Backend, Precision
from bokehbench.runners.benchmark_model import TOOL, LogFile, ParsedLog, trial_of_log

UNKNOWN = "unknown"
_PYTHON_TOOL = "benchmark_litert_model.py"
"""It gives a model's size in MiB with two decimals, the others in MB with six digits."""


@dataclass(frozen=True)
class ForeignLog:
    """One log: what it is called, its text as far as it is kept, and what was read from it."""

    name: str
    sha256: str
    file: LogFile
    exit_code: int | None = None


@dataclass(frozen=True)
class Said:
    """What logs do not tell, and somebody says.

    `dated` is whether `created` was said; else it is the time of a file, which a copy changes.
    """

    model: ModelFacts
    io: IoSpec
    timing_shape: tuple[int, ...]
    device: DeviceFacts
    created: str
    label: str | None = None
    backend: Backend | None = None
    precision: Precision = "default"
    threads: int | None = None
    note: str | None = None
    dated: bool = False


def evidence_of_logs(logs: Sequence[ForeignLog], said: Said, run_id: str) -> list[Evidence]:
    """One Record's evidence for each backend and number of threads; a log's run is a process.

    A Record's identifier follows from its logs and from all that was said but `note`, so that
    the same import makes the same Record, and one with other words another.

    Raises:
        UsageError: a log is of another model or backend than was said, or of no known backend.
    """
    groups: dict[tuple[Backend, int], list[tuple[ForeignLog, ParsedLog]]] = {}
    for log in logs:
        for run in log.file.runs:
            _check_model(log, run, said.model)
            key = _backend(log, run, said), _threads(log, run, said)
            groups.setdefault(key, []).append((log, run))
    return [
        _evidence(backend, threads, members, said, run_id)
        for (backend, threads), members in groups.items()
    ]


def _evidence(
    backend: Backend,
    threads: int,
    members: Sequence[tuple[ForeignLog, ParsedLog]],
    said: Said,
    run_id: str,
) -> Evidence:
    trials = tuple(
        _trial(index, backend, threads, log, run, said) for index, (log, run) in enumerate(members)
    )
    runs = [run for _, run in members]
    tools = list(dict.fromkeys(run.tool or TOOL for run in runs))
    versions = list(dict.fromkeys(run.runtime_version for run in runs if run.runtime_version))
    told = [trial.aggregate for trial in trials if trial.aggregate is not None]
    warmed = [run.warmup_count or int(run.warmup_avg_us is not None) for run in runs]
    names = ", ".join(dict.fromkeys(log.name for log, _ in members))
    identity = [
        said.model.sha256, said.device.device_id, backend, said.precision, str(threads),
        *(f"{log.sha256}:{run.first_line}:{log.exit_code}" for log, run in members),
        json.dumps(_words(said), sort_keys=True),
    ]  # fmt: skip
    return Evidence(
        record_id=hashlib.sha256("\n".join(identity).encode()).hexdigest()[:10],
        run_id=run_id,
        label=said.label,
        created=said.created,
        bokehbench_version=__version__,
        model=said.model,
        device=said.device,
        engine=EngineFacts(
            name=" ".join(tools), version=" ".join(versions) or UNKNOWN, library_sha256=UNKNOWN
        ),
        runner=RunnerFacts(name=" ".join(tools), protocol=0, target=UNKNOWN, sha256=UNKNOWN),
        launch=IMPORTED,
        backend=backend,
        precision=said.precision,
        threads=threads,
        core_mask=0,
        protocol=MeasurementProtocol(
            name=IMPORTED,
            processes=len(trials),
            warmups=min(warmed),
            runs=max((aggregate.count for aggregate in told), default=0),
            min_runs=1,
            max_seconds=0.0,
        ),
        io=said.io,
        timing_shape=said.timing_shape,
        fidelity_protocol="none",
        trials=trials,
        finished=True,
        note=said.note or f"imported from {names}",
    )


def _words(said: Said) -> dict[str, Any]:
    """What was said beside model, backend, precision and threads, as an identifier holds it."""
    return {
        "created": said.created if said.dated else None,
        "device": _own(said.device),
        # Where a spec was written is no part of what it says.
        "io": [[_own(one) for one in said.io.inputs], _own(said.io.output)],
        "label": said.label,
        "timing_shape": said.timing_shape,
    }


def _own(facts: msgspec.Struct) -> dict[str, Any]:
    """The fields that are not as by default: one that is new changes no identifier."""
    values = {
        one.name: (getattr(facts, one.name), one.default) for one in msgspec.structs.fields(facts)
    }
    return {
        name: msgspec.to_builtins(value)
        for name, (value, default) in values.items()
        if value != default
    }


def _trial(
    index: int, backend: Backend, threads: int, log: ForeignLog, run: ParsedLog, said: Said
) -> Trial:
    """One run as a trial; where the exit code is not known, the log alone is judged."""
    spec = TrialSpec(
        record_id="",
        index=index,
        mode="time",
        backend=backend,
        precision=said.precision,
        threads=threads,
        core_mask=0,
        warmups=0,
        runs=1,
        min_runs=1,
        max_seconds=0.0,
        deadline_seconds=0.0,
        input_shapes=(said.timing_shape,),
        seed=0,
    )
    # A code that is given belongs to the last run, as `parse_log` has it.
    code = log.exit_code if run is log.file.last else None
    trial = trial_of_log(
        spec,
        replace(log.file, runs=(run,)),
        exit_code=code or 0,
        timed_out=False,
        started=said.created,
        wall_ns=0,
        log_sha256=log.sha256,
    )
    return replace(trial, exit_code=code)


def _backend(log: ForeignLog, run: ParsedLog, said: Said) -> Backend:
    """What was asked for; of the CPU's two ways the one that ran."""
    asked = run.requested_backend
    if asked in CPU_BACKENDS and run.backend in CPU_BACKENDS:
        asked = run.backend
    if said.backend is not None:
        alike = asked is None or asked == said.backend
        if not alike and not {asked, said.backend} <= set(CPU_BACKENDS):
            raise UsageError(
                f"--backend {said.backend}: {_place(log, run)} says that {asked} was asked for"
            )
        return said.backend if asked is None else _known(asked, log, run)
    found = asked or run.backend
    if found is None:
        raise UsageError(
            f"{_place(log, run)}: does not say what the model was to run on; give --backend"
        )
    return _known(found, log, run)


def _known(name: str, log: ForeignLog, run: ParsedLog) -> Backend:
    for backend in get_args(Backend):
        if backend == name:
            known: Backend = backend
            return known
    raise UsageError(f"{_place(log, run)}: of backend {name}, which no record can have")


def _threads(log: ForeignLog, run: ParsedLog, said: Said) -> int:
    told = run.num_threads if run.num_threads is not None and run.num_threads > 0 else None
    if said.threads is not None and told not in (None, said.threads):
        raise UsageError(f"--threads {said.threads}: {_place(log, run)} says {told}")
    # Without a word the tools take one.
    return told or said.threads or 1


def _check_model(log: ForeignLog, run: ParsedLog, model: ModelFacts) -> None:
    """The size of the file is all that a log tells of a model's content.

    Raises:
        UsageError: it is another size than the model has.
    """
    size = run.model_size_mb
    if size is None:
        return
    if run.tool == _PYTHON_TOOL:
        near = math.isclose(model.size_bytes / 2**20, size, abs_tol=0.0051)
    else:
        near = math.isclose(model.size_bytes / 1e6, size, rel_tol=1e-5)
    if not near:
        raise UsageError(
            f"{_place(log, run)}: of a model of {size:g} MB, and {model.file_name} has "
            f"{model.size_bytes / 1e6:g}; give the model that was measured with --model"
        )


def _place(log: ForeignLog, run: ParsedLog) -> str:
    return log.name if len(log.file.runs) == 1 else f"{log.name}:{run.first_line}"
