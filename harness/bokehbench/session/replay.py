"""Raw event streams and logs of a stored record, parsed again, compared with its evidence."""

from collections.abc import Callable, Sequence

from bokehbench.errors import StoreError
from bokehbench.facts import AggregateLatency, Evidence, ImageScore, Trial, TrialSpec
from bokehbench.runners.benchmark_model import aggregate_of, parse_log, report_of
from bokehbench.runners.outcome import trial_of
from bokehbench.runners.protocol import EventStream, OutputEvent, parse_events

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

_TOLD_OF_IMAGES = ("sha256", "input_ns", "invoke_ns", "output_ns", "nonfinite")

_COUNTS = ("count", "warmup_count")
_TIMES = ("avg_ns", "min_ns", "max_ns", "std_ns", "median_ns", "p5_ns", "p95_ns", "first_ns")
"""Fields of an aggregate."""


def reparse(evidence: Evidence, find_blob: Callable[[str], bytes | None]) -> tuple[int, list[str]]:
    """How many event streams could be parsed, and which say something else than the evidence.

    For a process of a tool that is its log. A stream that is not stored here (an import without
    blobs) is not counted, nor that of a process that failed: what ended it, a deadline or a link,
    is not in it. One that was altered is named.
    """
    parsed, unlike = 0, []
    told: dict[int, list[OutputEvent]] = {}
    everything = True
    trials = (
        *evidence.reference_before,
        *evidence.trials,
        *evidence.reference_after,
        *evidence.sustained,
        *evidence.image_trials,
    )
    for trial in trials:
        source = trial.log_sha256 if trial.aggregate is not None else trial.events_sha256
        try:
            data = None if source is None else find_blob(source)
        except StoreError as error:
            unlike.append(f"{_name(trial)}: {error}")
            data = None
        if trial.status == "failed":
            continue
        if data is None:
            everything &= trial.mode != "images"
            continue
        parsed += 1
        if trial.aggregate is not None:
            problem = _log_difference(trial, data)
        else:
            stream = parse_events(data)
            problem = _difference(trial, stream)
            for event in stream.outputs:
                told.setdefault(event.index, []).append(event)
        if problem:
            unlike.append(f"{_name(trial)}: {problem}")
    for score in evidence.images:
        if score.status == "ok" and (score.index in told or everything):
            unlike += _image_difference(score, told.get(score.index, []))
    return parsed, unlike


def _image_difference(score: ImageScore, events: Sequence[OutputEvent]) -> list[str]:
    """What no stream says of an image that was scored; a resumed run may have made it twice."""
    if not events:
        return [f"image {score.index}: no stream speaks of it"]
    differing: list[str] = []
    for event in events:
        differing = [key for key in _TOLD_OF_IMAGES if getattr(score, key) != getattr(event, key)]
        if not differing:
            return []
    return [f"image {score.index}: the stream says something else: {', '.join(differing)}"]


def _name(trial: Trial) -> str:
    return f"{trial.purpose} {trial.mode} {trial.index}"


def _difference(trial: Trial, stream: EventStream) -> str:
    """In what a trial differs from its event stream, or an empty text."""
    again = trial_of(
        _spec(trial, stream),
        stream,
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
    unlike = []
    for run in parse_log(data, exit_code=0).runs:
        logged, load_ns = aggregate_of(run)
        if logged is None or trial.aggregate is None:
            continue
        differing = _unlike(trial.aggregate, logged)
        if trial.aggregate.source == "log" and trial.load_ns != load_ns:
            differing.append("load_ns")
        cache = trial.report.cache if trial.report is not None else "none"
        if trial.report != report_of(run, trial.backend, cache=cache):
            differing.append("report")
        unlike.append(differing)
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
            getattr(evidence, name),
            getattr(logged, name),
            logged.intervals_ns.get(name),
            may_add=evidence.source == "result_file",
        )
    ]


def _within(
    told: int | None, logged: int | None, interval: tuple[int, int] | None, *, may_add: bool
) -> bool:
    """Whether a number is the log's, or one that was printed so; a result file `may_add` some."""
    if told is None or logged is None or interval is None:
        return told == logged or (may_add and logged is None)
    return interval[0] - 1 <= told <= interval[1] + 1


def _spec(trial: Trial, stream: EventStream) -> TrialSpec:
    """As much of what was asked for as a judgement of the answer needs.

    Which images a process was given is not kept; the scores tell of which it was believed.
    """
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
        items=tuple(dict.fromkeys(event.index for event in stream.outputs)),
        purpose=trial.purpose,
    )
