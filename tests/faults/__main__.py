"""Run all cells and write docs/faults.md: `python -m tests.faults [ROUNDS]`."""

import sys
import time

from tests.faults import document
from tests.faults.pool import names, run_cells


def main() -> int:
    """Print what is wrong and where the time went; 1 when anything is wrong."""
    rounds = []
    problems = 0
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        begin = time.monotonic()
        rounds.append(run_cells(names()))
        for cell in rounds[-1].values():
            wrong = (*cell.problems, *cell.slow)
            problems += len(wrong)
            for problem in wrong:
                print(f"{cell.step}, {cell.fault}, {cell.outcome}: {problem} {cell.message}")
        worst = max(cell.late_seconds for cell in rounds[-1].values())
        print(
            f"{len(rounds[-1])} cells in {time.monotonic() - begin:.0f} s, "
            f"{worst:.2f} s beyond a deadline at worst",
            flush=True,
        )
    if not problems:
        document.PATH.write_text(document.written(rounds), encoding="utf-8")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
