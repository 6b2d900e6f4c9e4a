"""All models of the zoo at full size: file, memory of the export and of a run, what a GPU takes.

    pip install '.[zoo]'
    python benchmarks/zoo.py [NAME...] [--side 1024...] [--form original|friendly] [--keep DIR]

Each model is exported with random weights in a process of its own, run once in another, read, and
held against the rules for the GPU delegate of 2022 and of today. Memory is the largest resident
size of either process, which is limited to 12 GiB for the export and to 16 GiB for the run. A
size at which that does not suffice is told, and the next one tried. Ends with 1 when a file in its
original form is not within 3 % of the size that the report prints, or a model fails at the first
side.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bokehbench.errors import BokehbenchError
from bokehbench.model.predict import Forecast, forecast
from bokehbench.model.rules import Target
from bokehbench.zoo import MODELS, Entry, find
from bokehbench.zoo.export import Export, Exported, export

GIB = 1 << 30
MIB = 1 << 20
TARGETS = (Target("tflite-gpu", "tflite", "2.8"), Target("tflite-gpu", "tflite", "2.16.1"))
SMALLEST = (0.055, 0.065)
"""MiB that print as 0.06."""


def bounds_mib(entry: Entry) -> tuple[float, float]:
    """Sizes of the file that agree with the printed one."""
    if entry.size_mib == 0.06:
        return SMALLEST
    return 0.97 * entry.size_mib, 1.03 * entry.size_mib


def told(seen: Forecast) -> str:
    """What a delegate takes, and how many operators of it are at risk."""
    found = seen.prediction
    risky = sum(one.taken and one.rule.verdict == "risky" for one in seen.judged)
    return f"{found.delegated_low}/{found.total_nodes}" + (f" ({risky} risky)" if risky else "")


def row(entry: Entry, form: str, side: int, made: Exported) -> str:
    """One line of the table."""
    cells = [
        f"{entry.name} {form}",
        f"{side}x{side}",
        f"{made.parameters:,}",
        f"{made.structure.size_bytes / MIB:.4g}",
        f"{made.export_peak_bytes / GIB:.2f}",
        f"{made.run_peak_bytes / GIB:.2f}",
        f"{made.invoke_ns / 1e9:.2f}",
        f"{made.output_min:.3g} to {made.output_max:.3g}",
        *(told(forecast(made.structure, target)) for target in TARGETS),
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| model | image | parameters | file, MiB | export, GiB | run, GiB | first run, s | output "
    "| GPU 2.8 | GPU 2.16.1 |\n|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> int:
    """Print the table; 1 when a promise is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="models (default: all)")
    parser.add_argument("--side", type=int, nargs="+", default=[1024], help="of square images")
    parser.add_argument("--form", choices=("original", "friendly"), action="append")
    parser.add_argument("--keep", type=Path, help="an existing folder for the files")
    words = parser.parse_args()
    try:
        entries = [find(name) for name in words.names] or list(MODELS)
    except BokehbenchError as error:
        parser.error(str(error))
    if words.keep and not words.keep.is_dir():
        parser.error(f"--keep: there is no folder {words.keep}")
    missed = []
    print(HEAD)
    with tempfile.TemporaryDirectory(prefix="bokehbench-zoo-") as scratch:
        for entry in entries:
            for form in words.form or ["original"]:
                for side in words.side:
                    wanted = Export(entry.name, side, side, friendly=form == "friendly")
                    path = Path(scratch) / f"{entry.name}_{form}_{side}.tflite"
                    try:
                        made = export(wanted, path)
                    except BokehbenchError as error:
                        print(f"| {entry.name} {form} | {side}x{side} | {error} |", flush=True)
                        if side == words.side[0]:
                            missed.append(f"{entry.name} {form}: {error}")
                        continue
                    print(row(entry, form, side, made), flush=True)
                    low, high = bounds_mib(entry)
                    # Friendly, Sensebrain holds positions of every patch instead of 24 x 24.
                    if form == "original" and not low <= made.structure.size_bytes / MIB <= high:
                        missed.append(f"{entry.name} {form} at {side}: not {low:g} to {high:g} MiB")
                    if words.keep:
                        shutil.move(path, words.keep / path.name)
                    path.unlink(missing_ok=True)
    for line in missed:
        print(f"MISSED: {line}", file=sys.stderr)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
