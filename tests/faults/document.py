"""docs/faults.md: written from cells, and read again to hold them to it."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.faults.cell import LATE_SECONDS, RUN_SECONDS, Cell
from tests.faults.hurried import COMMAND_SECONDS, COPY_SECONDS, TRIAL_SECONDS
from tests.faults.steps import FAULTS, all_steps
from tests.faults.world import RECOVERY_SECONDS

PATH = Path(__file__).parents[2] / "docs" / "faults.md"
CLASSES = ("ok", "recovered", "failed", "resumable", "refused")
STEPS = tuple(step.name for step in all_steps("0" * 64, 0))

EITHER = {
    ("conditions before: answer", "killed"): {"recovered", "refused"},
    ("image runner's event output", "disk full"): {"failed io_error", "ok"},
    ("output: DATA", "corrupt"): {"failed io_error", "ok"},
}
"""Outcomes of which one or the other comes, as the device may be ahead of what it sent."""

HEAD = f"""# Faults

What comes of a run when something breaks in the middle of it. Made by `python -m tests.faults`:
{len(STEPS)} steps x {len(FAULTS)} faults = {len(STEPS) * len(FAULTS)} cells, each a run of two \
timed processes and an image batch on a test
device over a direct connection. `tests/faults` runs all of them and fails when one ends otherwise.

| fault | what happens at that step |
|---|---|
| cut | the connection is reset; a new one works |
| stall | nothing is forwarded any more, in no direction and on no connection |
| corrupt | one bit of what travels is flipped, and the checksum fits |
| killed | the device loses its power and starts again a second later |
| frozen | the device's adbd stops answering, with connections open |
| disk full | the device has no byte left |

| outcome | what it means |
|---|---|
| ok | every number is there and right |
| recovered | a lost trial stays as evidence and was run again; every number is there and right |
| failed KIND | a trial failed of that kind and is shown as failed; the other numbers are right |
| resumable | the run ended with exit code 3; `--resume` goes on from what was measured |
| refused | the run ended with one line and exit code 2, 3 or 4 before anything was measured |

In all cells:

- no operation ends later than {LATE_SECONDS:.0f} s after its deadline, and no run later than
  {RUN_SECONDS:.0f} s after its fault; the deadlines here are {COMMAND_SECONDS:.0f} s for a \
command, {COPY_SECONDS:.0f} s for a copy,
  {TRIAL_SECONDS:.0f} s for a process and {RECOVERY_SECONDS:.0f} s for the recovery;
- every trial and image that was reported is in the store;
- samples are those that the runner sent, PSNR and SSIM those of a run without faults to the last
  digit, and what the device says of itself is either right or missing;
- nothing runs on the device after its own deadline;
- every file under a final name is whole, and the next run on the device has every number right.

Where two outcomes stand, it depends on what was already on its way, or written.
"""


def outcome_class(outcome: str) -> str:
    """The first word of an outcome."""
    return outcome.split(",")[0].split()[0]


def written(rounds: Sequence[Mapping[tuple[str, str], Cell]]) -> str:
    """The document, from one or more rounds of all cells."""
    lines = [HEAD, f"| step | {' | '.join(FAULTS)} |", f"|---|{'---|' * len(FAULTS)}"]
    for name in STEPS:
        cells = [
            " or ".join(
                sorted(
                    {one[name, kind].outcome for one in rounds} | EITHER.get((name, kind), set()),
                    key=_rank,
                )
            )
            for kind in FAULTS
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        "The worst of all steps, with the deadlines above:",
        "",
        "| fault | seconds from the fault to the outcome | beyond a deadline |",
        "|---|---|---|",
    ]
    for kind in FAULTS:
        found = [cell for one in rounds for (_, what), cell in one.items() if what == kind]
        seconds = math.ceil(max(cell.seconds for cell in found))
        late = max(0.0, *(cell.late_seconds for cell in found))
        lines.append(f"| {kind} | {seconds} | {math.ceil(late * 10) / 10:.1f} |")
    return "\n".join(lines) + "\n"


def read() -> dict[tuple[str, str], set[str]]:
    """The classes of outcomes that the document lists for every step and fault."""
    listed: dict[tuple[str, str], set[str]] = {}
    text = PATH.read_text(encoding="utf-8")
    table = text.partition(f"| step | {' | '.join(FAULTS)} |")[2]
    for line in table.split("\n\n")[0].splitlines()[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for kind, cell in zip(FAULTS, cells, strict=True):
            listed[name, kind] = {outcome_class(one) for one in re.split(r" or ", cell)}
    return listed


def allowed(listed: Mapping[tuple[str, str], set[str]], name: str, kind: str) -> set[str]:
    """Classes that a cell may have.

    Packets that are on their way still arrive, and a device does not wait for them: but for
    what is flipped in a packet, a fault may meet the step before or after as well.
    """
    number = STEPS.index(name)
    reach = 0 if kind == "corrupt" else 1
    near = STEPS[max(0, number - reach) : number + reach + 1]
    return set().union(*(listed.get((step, kind), set()) for step in near))


def _rank(outcome: str) -> tuple[int, str]:
    return CLASSES.index(outcome_class(outcome)), outcome
