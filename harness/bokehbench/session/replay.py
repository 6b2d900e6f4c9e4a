"""Raw event streams of a stored record, parsed again and compared with its evidence."""

from collections.abc import Callable

from bokehbench.errors import BokehbenchError
from bokehbench.facts import Evidence, Trial
from bokehbench.runners.protocol import parse_events


def reparse(evidence: Evidence, get_blob: Callable[[str], bytes]) -> tuple[int, list[str]]:
    """How many event streams could be parsed, and which say something else than the evidence.

    A stream that is not stored here (an import without blobs) is not counted.
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
            data = get_blob(trial.events_sha256)
        except BokehbenchError:
            continue
        parsed += 1
        if problem := _difference(trial, data):
            unlike.append(f"{trial.purpose} {trial.mode} {trial.index}: {problem}")
    return parsed, unlike


def _difference(trial: Trial, data: bytes) -> str:
    """In what a trial differs from its event stream, or an empty text."""
    stream = parse_events(data)
    if trial.status == "failed":
        return ""
    if stream.problem is not None:
        return f"the event stream is not whole: {stream.problem}"
    if stream.backend is not None and stream.backend.load_ns != trial.load_ns:
        return f"load {stream.backend.load_ns} ns in the stream, {trial.load_ns} in the evidence"
    if trial.mode == "time" and stream.samples is not None:
        told = (tuple(stream.samples.warmup_ns), tuple(stream.samples.invoke_ns))
        if told != (trial.warmup_ns, trial.invoke_ns):
            return "its samples are others than the stream's"
    return ""
