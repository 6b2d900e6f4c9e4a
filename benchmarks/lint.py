"""`bokehbench lint` beside edge-compat's `edge-lint` and TensorFlow's Analyzer: whole processes.

    python -m venv PEERS && PEERS/bin/pip install edge-compat==0.1.0 tensorflow-cpu
    python benchmarks/lint.py --peers PEERS --matrix MATRIX.json MODEL... [--rounds 7]

The three take turns on each model; times are medians of wall time from start to end of the
process, on files that are in memory. pip compiles what it installs; so are a work tree's modules
here, before anything is timed. `edge-lint` needs a matrix of its own project; the Analyzer
checks for the GPU delegate. Ends with 1 when a bound is missed.
"""

import argparse
import compileall
import statistics
import subprocess
import sys
import time
from pathlib import Path

import bokehbench

EDGE_BOUND = 3.0
ANALYZER_BOUND = 10.0

ANALYZER = (
    "import sys, tensorflow as tf; "
    "tf.lite.experimental.Analyzer.analyze(model_path=sys.argv[1], gpu_compatibility=True)"
)


def seconds(command: list[str]) -> float:
    """Wall time of one process, which has to end well."""
    begun = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, check=False)
    took = time.perf_counter() - begun
    if ended.returncode != 0:
        sys.exit(f"{' '.join(command)}: {ended.stderr.decode(errors='replace')[-400:]}")
    return took


def main() -> int:
    """Print medians and ratios; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--peers", type=Path, required=True, help="the virtual environment")
    parser.add_argument("--matrix", type=Path, required=True, help="edge-lint's matrix")
    parser.add_argument("--rounds", type=int, default=7)
    words = parser.parse_args()
    compileall.compile_dir(Path(bokehbench.__file__).parent, quiet=2)
    commands = {
        "bokehbench": [str(Path(sys.executable).with_name("bokehbench")), "lint"],
        "edge-lint": [str(words.peers / "bin/edge-lint"), "--matrix", str(words.matrix)],
        "Analyzer": [str(words.peers / "bin/python"), "-c", ANALYZER],
    }
    ratios: dict[str, list[float]] = {"edge-lint": [], "Analyzer": []}
    for model in words.models:
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(words.rounds + 1):
            for name, command in commands.items():
                times[name].append(seconds([*command, str(model)]))
        medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
        told = []
        for name, found in ratios.items():
            found.append(medians[name] / medians["bokehbench"])
            told.append(f"{name} {medians[name]:.2f} s ({found[-1]:.1f}x)")
        print(f"{model.name}: {medians['bokehbench']:.3f} s; {', '.join(told)}")
    edge, analyzer = (statistics.median(found) for found in ratios.values())
    print(f"median: edge-lint {edge:.1f}x, Analyzer {analyzer:.1f}x as long as bokehbench lint")
    missed = edge < EDGE_BOUND or analyzer < ANALYZER_BOUND
    print(f"bounds ({EDGE_BOUND:g}x, {ANALYZER_BOUND:g}x): {'MISSED' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
