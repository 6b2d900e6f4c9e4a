"""Raw event streams and logs of a stored record, parsed again, compared with its evidence."""

from collections.abc import Callable

from bokehbench.errors import StoreError
from bokehbench.facts import AggregateLatency, Evidence, Trial, TrialSpec
from bokehbench.runners.benchmark_model import aggregate_of, parse_log
from bokehbench.runners.outcome import trial_of
from bokehbench.runners.protocol import parse_events

_TOLD = (
    "load_ns",
    "warmup_ns",
    "invoke_ns",
    "input_ns",
    "output_ns",
    "region",
    "capped",
    "peak_memory_bytes",
    "report",
    "output",
)
"""Fields of a Trial that are the runner's own words."""

_COUNTS = ("count", "warmup_count")
_TIMES = ("avg_ns", "min_ns", "max_ns", "std_ns", "median_ns", "p5_ns", "p95_ns", "first_ns")
"""Fields of an aggregate."""


def reparse(evidence: Evidence, find_blob: Callable[[str], bytes | None]) -> tuple[int, list[str]]:
    """How many event streams could be parsed, and which say something else than the evidence.

    For a process of a tool that is its log. A stream that is not stored here (an import without
    blobs) is not counted; one that was altered is named.
    """
    parsed, unlike = 0, []
    trials = (
        *evidence.reference_before,
        *evidence.trials,
        *evidence.reference_after,
        *evidence.sustained,
        *evidence.image_trials,
    )
    for trial in trials:
        source = trial.log_sha256 if trial.aggregate is not None else trial.events_sha256
        if source is None:
            continue
        try:
            data = find_blob(source)
        except StoreError as error:
            unlike.append(f"{_name(trial)}: {error}")
            continue
        if data is None:
            continue
        parsed += 1
        told = _difference if trial.aggregate is None else _log_difference
        if problem := told(trial, data):
            unlike.append(f"{_name(trial)}: {problem}")
    return parsed, unlike


def _name(trial: Trial) -> str:
    return f"{trial.purpose} {trial.mode} {trial.index}"


def _difference(trial: Trial, data: bytes) -> str:
    """In what a trial differs from its event stream, or an empty text."""
    if trial.status == "failed":
        # What ended it, a deadline or a link, is not in the stream.
        return ""
    again = trial_of(
        _spec(trial),
        parse_events(data),
        exit_code=trial.exit_code or 0,
        timed_out=False,
        log=b"",
        started=trial.started,
        wall_ns=trial.wall_ns,
        events_sha256=trial.events_sha256,
        log_sha256=trial.log_sha256,
    )
    if again.failure is not None:
        return f"the stream is of a failure: {again.failure.message}"
    differing = [key for key in _TOLD if getattr(again, key) != getattr(trial, key)]
    if not differing:
        return ""
    return f"the stream says something else of {', '.join(differing)}"


def _log_difference(trial: Trial, data: bytes) -> str:
    """In what a tool's trial differs from its log, or an empty text.

    What a result file told more exactly has to lie where the log leaves it. Of a log that holds
    several runs, as one that was imported may, one has to be the trial.
    """
    results = [aggregate_of(run)[0] for run in parse_log(data, exit_code=0).runs]
    unlike = [
        _unlike(trial.aggregate, logged)
        for logged in results
        if logged is not None and trial.aggregate is not None
    ]
    if not unlike:
        return "the log holds no result"
    differing = min(unlike, key=len)
    return f"the log says something else of {', '.join(differing)}" if differing else ""


def _unlike(evidence: AggregateLatency, logged: AggregateLatency) -> list[str]:
    """Fields of which a log says something else."""
    return [
        name
        for name in (*_COUNTS, *_TIMES)
        if not _within(
            getattr(evidence, name), getattr(logged, name), logged.intervals_ns.get(name)
        )
    ]


def _within(told: int | None, logged: int | None, interval: tuple[int, int] | None) -> bool:
    """Whether a number is the log's, or one that was printed so; the log may not have it."""
    if told is None or logged is None or interval is None:
        return logged is None or told == logged
    return interval[0] - 1 <= told <= interval[1] + 1


def _spec(trial: Trial) -> TrialSpec:
    """As much of what was asked for as a judgement of the answer needs."""
    return TrialSpec(
        record_id="",
        index=trial.index,
        mode=trial.mode,
        backend=trial.backend,
        precision="default",
        threads=1,
        core_mask=0,
        warmups=len(trial.warmup_ns),
        runs=max(1, len(trial.invoke_ns)),
        min_runs=1,
        max_seconds=0.0,
        deadline_seconds=0.0,
        input_shapes=(),
        seed=0,
        purpose=trial.purpose,
    )
