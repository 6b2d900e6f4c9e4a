"""Many mutants through worker processes: what was read, what was accepted, what went wrong."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from struct import unpack

from tests.fuzz.worker import TOO_LARGE

ROOT = Path(__file__).parents[2]
CHUNK = 5000
CHUNK_SECONDS = 1800.0


@dataclass
class Outcome:
    """Counts over all workers. `findings` are (number, kind, words), `accepted` numbers."""

    read: int = 0
    longest: float = 0.0
    peak_bytes: int = 0
    accepted: list[int] = field(default_factory=list)
    findings: list[tuple[int, str, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def run_campaign(
    count: int,
    seed: int,
    *,
    workers: int = 1,
    first: int = 0,
    module: str = "tests.fuzz.worker",
    on_progress: Callable[[Outcome], None] = lambda _: None,
) -> Outcome:
    """Reads mutants `first` to `first + count` of `seed` in processes of their own.

    A process that dies is a finding; another one goes on after the file that ended it. `module`
    is what each process runs.
    """
    outcome, lock = Outcome(), threading.Lock()
    chunks: SimpleQueue[tuple[int, int]] = SimpleQueue()
    for start in range(first, first + count, CHUNK):
        chunks.put((start, min(start + CHUNK, first + count)))

    def work() -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory_folder()) as folder:
            while True:
                try:
                    start, stop = chunks.get_nowait()
                except Empty:
                    return
                while start < stop:
                    start = _read(module, seed, start, stop, Path(folder), outcome, lock)
                on_progress(outcome)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outcome.accepted.sort()
    outcome.findings.sort()
    return outcome


def _read(
    module: str,
    seed: int,
    start: int,
    stop: int,
    folder: Path,
    outcome: Outcome,
    lock: threading.Lock,
) -> int:
    """One process; the number to go on with."""
    at = folder / "at"
    at.write_bytes(start.to_bytes(8, "little"))
    words = [str(seed), str(start), str(stop), str(folder)]
    argv = [sys.executable, "-m", module, *words]
    try:
        ended = subprocess.run(argv, cwd=ROOT, capture_output=True, timeout=CHUNK_SECONDS)
        code, said = ended.returncode, ended.stderr.decode("utf-8", "replace")[-2000:]
    except subprocess.TimeoutExpired:
        code, said = -1, f"no end after {CHUNK_SECONDS:.0f} s"
    here: int = unpack("<Q", at.read_bytes()[:8])[0]
    if code not in (0, TOO_LARGE):
        with lock:
            # A second death at the same file confirms the first.
            if (here, "crash") not in {(number, kind) for number, kind, _ in outcome.findings}:
                outcome.findings.append((here, "crash", f"exit code {code}: {said}"))
        if here == start:
            with lock:
                outcome.read += 1
            return start + 1
        # What it had counted died with it, so the files before are read again.
        while start < here:
            start = _read(module, seed, start, here, folder, outcome, lock)
        return start
    found = json.loads(ended.stdout)
    with lock:
        outcome.read += found["read"]
        outcome.longest = max(outcome.longest, found["longest"])
        outcome.peak_bytes = max(outcome.peak_bytes, found["peak"])
        outcome.accepted += found["accepted"]
        outcome.findings += [(number, kind, text) for number, kind, text in found["findings"]]
        outcome.reasons.update(found["reasons"])
    return start + int(found["read"])


def _memory_folder() -> str | None:
    """A folder in memory, where there is one: a million files should not wear a disk."""
    shared = "/dev/shm"
    return shared if os.access(shared, os.W_OK) else None
