"""A worker that dies at some files and grows at another: what a campaign has to notice."""

import signal
import sys
from pathlib import Path

from tests.fuzz import worker

DIES = (7, 40)
GROWS = 50

_examine = worker.examine


def _deadly(path: Path, data: bytes, number: int, tally: worker.Tally) -> bool:
    if number in DIES:
        signal.raise_signal(signal.SIGKILL)
    if number == GROWS:
        held = bytearray(worker.MEMORY_BYTES)
        held[::4096] = b"x" * len(held[::4096])
    return _examine(path, data, number, tally)


if __name__ == "__main__":
    worker.examine = _deadly
    sys.exit(worker.main(*worker.words(sys.argv)))
