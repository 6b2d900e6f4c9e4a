"""One process that reads mutants, one after the other, and says what went wrong.

`python -m tests.fuzz.worker SEED START STOP FOLDER` writes one JSON document. The number that
is being read lies in FOLDER/at, so that whoever started this knows which file ended it.
"""

import json
import resource
import signal
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from struct import pack_into

from bokehbench.errors import ModelError, UsageError
from bokehbench.facts import canonical_json
from bokehbench.model import read_model
from bokehbench.model.describe import read_structure
from bokehbench.model.predict import DEFAULT_TARGETS, forecast
from bokehbench.model.rules import Target
from bokehbench.model.structure import TIMING_SIDE
from tests.fuzz.mutate import mutant, specimens

CPU_SECONDS = 1.0
MEMORY_BYTES = 200 << 20
"""What one file may cost; memory is that of the whole process, with interpreter and mutator."""

TARGETS = (*DEFAULT_TARGETS, Target("xnnpack", "tflite", "2.9.0"))
"""What is forecast: all delegates, and an engine that was measured to be unlike the others."""

END_SECONDS = 10.0
ADDRESS_BYTES = 2 << 30
TOO_LARGE = 3
"""Exit code when the process has grown: its peak says nothing about the next file."""


class Endless(BaseException):
    """A file took ten times as long as it may."""


@dataclass
class Tally:
    """What came of the files so far."""

    read: int = 0
    accepted: int = 0
    longest: float = 0.0
    findings: list[tuple[int, str, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def examine(path: Path, data: bytes, number: int, tally: Tally) -> bool:
    """Reads one file as `run`, `inspect` and `lint` do; whether it was accepted.

    Anything but facts or a ModelError of one line that names the file is a finding; so is a
    forecast that counts more operators than there are.
    """
    path.write_bytes(data)
    started = time.process_time()
    accepted = False
    try:
        canonical_json(read_model(path))
        accepted = True
        canonical_json(read_structure(path))
        structure = read_structure(path, free=(TIMING_SIDE, TIMING_SIDE))
        for target in TARGETS:
            told = forecast(structure, target).prediction
            canonical_json(told)
            if not 0 <= told.delegated_low <= told.delegated_high <= told.total_nodes:
                tally.findings.append((number, "forecast", f"{target.title}: {told}"))
    except (ModelError, UsageError) as error:
        words = str(error)
        if accepted or not words.startswith(f"{path}: ") or not words.isprintable():
            tally.findings.append((number, "message", words))
        tally.reasons[_kind(words.removeprefix(f"{path}: "))] += 1
    except (Exception, Endless) as error:
        tally.findings.append((number, "error", f"{type(error).__name__}: {error}"))
    spent = time.process_time() - started
    tally.longest = max(tally.longest, spent)
    if spent > CPU_SECONDS:
        tally.findings.append((number, "time", f"{spent:.2f} s"))
    tally.read += 1
    tally.accepted += accepted
    return accepted


def peak_bytes() -> int:
    """The most memory that this process has held at once.

    getrusage would tell of the program that started this one, where that held more.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def _kind(words: str) -> str:
    """A message without its numbers and names, to count it by."""
    parts = words.split(";")[0].split("'")
    return "".join(c for c in "".join(parts[::2]) if not c.isdigit())[:60]


def _end(_signal: int, _frame: object) -> None:
    raise Endless


def main(seed: int, start: int, stop: int, folder: Path) -> int:
    """Reads the mutants from `start` to before `stop`; the exit code."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, _end)
    specimens()
    tally, taken = Tally(), array("Q")
    code = 0
    with open(folder / "at", "r+b") as file, mmap(file.fileno(), 8) as at:
        for number in range(start, stop):
            pack_into("<Q", at, 0, number)
            data = mutant(seed, number)
            signal.setitimer(signal.ITIMER_PROF, END_SECONDS)
            if examine(folder / "mutant.tflite", data, number, tally):
                taken.append(number)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if peak_bytes() > MEMORY_BYTES:
                tally.findings.append((number, "memory", f"{peak_bytes()} bytes"))
                code = TOO_LARGE
                break
    document = {
        "read": tally.read,
        "accepted": list(taken),
        "longest": tally.longest,
        "peak": peak_bytes(),
        "findings": tally.findings,
        "reasons": tally.reasons,
    }
    json.dump(document, sys.stdout)
    return code


def words(argv: Sequence[str]) -> tuple[int, int, int, Path]:
    """What `main` is given, from a command line."""
    return int(argv[1]), int(argv[2]), int(argv[3]), Path(argv[4])


if __name__ == "__main__":
    sys.exit(main(*words(sys.argv)))
