"""Raw event streams of a stored record, parsed again and compared with its evidence."""

from collections.abc import Callable

from bokehbench.errors import StoreError
from bokehbench.facts import Evidence, Trial, TrialSpec
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


def reparse(evidence: Evidence, find_blob: Callable[[str], bytes | None]) -> tuple[int, list[str]]:
    """How many event streams could be parsed, and which say something else than the evidence.

    A stream that is not stored here (an import without blobs) is not counted; one that was
    altered is named.
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
        if trial.events_sha256 is None:
            continue
        try:
            data = find_blob(trial.events_sha256)
        except StoreError as error:
            unlike.append(f"{_name(trial)}: {error}")
            continue
        if data is None:
            continue
        parsed += 1
        if problem := _difference(trial, data):
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
