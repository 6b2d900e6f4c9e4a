"""Records of one model that differ in time alone, in the store of a command line."""

import math
import random

from msgspec.structs import replace

from bokehbench.facts import Evidence, Trial
from tests.support.command import Command
from tests.support.evidence import make_evidence, make_record, make_trial
from tests.support.records import keep


def processes(median_ms: float, count: int = 10, seed: object = 0) -> tuple[Trial, ...]:
    """Processes that differ by 1 %, of 20 runs each."""
    draw = random.Random(str(seed))
    medians = [median_ms * math.exp(draw.gauss(0, 0.01)) for _ in range(count)]
    return tuple(make_trial(index=i, ms=ms) for i, ms in enumerate(medians))


def evidence(name: str, ms: float, number: int = 0, **changes: object) -> Evidence:
    start = make_evidence(
        record_id=f"{name}-{number}",
        run_id=f"run-{name}-{number}",
        label=name,
        created=f"2026-01-{number + 1:02d}T00:00:00Z",
        trials=processes(ms, seed=f"{name} {number}"),
    )
    return replace(start, **changes)


def store(bokehbench: Command, *records: Evidence) -> None:
    keep(bokehbench.store, map(make_record, records))
