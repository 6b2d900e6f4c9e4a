"""`python -m tests.fuzz`: mutants through the reader, and accepted ones through the engine."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.campaign import Outcome, run_campaign
from tests.fuzz.mutate import mutant


def main() -> int:
    """0 if nothing was found, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="mutants to read")
    parser.add_argument("--seed", type=int, default=1, help="which mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--workers", type=int, default=1, help="processes side by side")
    parser.add_argument(
        "--engine", type=int, default=0, help="accepted mutants that the engine runs, in children"
    )
    parser.add_argument("--keep", type=Path, help="folder for the files of findings")
    options = parser.parse_args()
    os.nice(10)
    started = time.monotonic()

    def show(outcome: Outcome) -> None:
        print(
            f"{outcome.read} of {options.count} read, {len(outcome.accepted)} accepted, "
            f"{len(outcome.findings)} findings, {time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )

    outcome = run_campaign(
        options.count,
        options.seed,
        workers=options.workers,
        first=options.first,
        on_progress=show,
    )
    findings = list(outcome.findings)
    print(f"seed {options.seed}, mutants {options.first} to {options.first + options.count - 1}")
    print(f"read {outcome.read}: {len(outcome.accepted)} accepted, the rest refused")
    print(f"longest {outcome.longest:.3f} s of CPU, peak {outcome.peak_bytes / 2**20:.0f} MiB")
    for words, number in outcome.reasons.most_common(40):
        print(f"  {number:8} {words}")
    if options.engine:
        from tests.fuzz.engine import run_accepted

        findings += run_accepted(
            options.seed, outcome.accepted, options.engine, print, options.workers
        )
    for number, kind, words in findings:
        print(f"finding: mutant {number}: {kind}: {words}")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            path = options.keep / f"{options.seed}-{number}.tflite"
            path.write_bytes(mutant(options.seed, number))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
