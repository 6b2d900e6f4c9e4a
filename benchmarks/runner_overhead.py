"""Runner against Google's LiteRT benchmark tool and Interpreter.invoke(), interleaved.

Same model, shape, threads; each contestant runs in fresh processes, in an order that is drawn
anew each round, and counts with the median of its process medians. Usage:

    python benchmarks/runner_overhead.py [--rounds 10] [--runs 64] [--threads 1]
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import bokehbench

EXAMPLES = Path(__file__).parents[1] / "examples"
BOUND = 0.02

INVOKE = """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
model, threads, warmups, runs = sys.argv[1], *map(int, sys.argv[2:])
net = Interpreter(model_path=model, num_threads=threads)
net.allocate_tensors()
detail = net.get_input_details()[0]
net.set_tensor(detail["index"], np.random.default_rng(0).random(detail["shape"], np.float32))
times = []
for _ in range(warmups + runs):
    begin = time.perf_counter_ns()
    net.invoke()
    times.append(time.perf_counter_ns() - begin)
print(json.dumps(times[warmups:]))
"""


def invoke_ms(model: Path, threads: int, warmups: int, runs: int) -> float:
    """Median of Interpreter.invoke() in one fresh process."""
    words = [sys.executable, "-c", INVOKE, model, threads, warmups, runs]
    out = subprocess.run([str(w) for w in words], check=True, capture_output=True).stdout
    return float(statistics.median(json.loads(out)) / 1e6)


def google_ms(model: Path, threads: int, warmups: int, runs: int) -> float:
    """Median that Google's Python benchmark tool reports from one fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        words = [sys.executable, "-m", "ai_edge_litert.tools.benchmark_litert_model"]
        words += [f"--model={model}", f"--num_threads={threads}", f"--warmup_runs={warmups}"]
        words += [f"--num_runs={runs}", f"--result_json={result}"]
        subprocess.run(words, check=True, capture_output=True)
        found = json.loads(result.read_text())
    median = find(found, ("median_ms", "median", "p50_ms", "p50"))
    assert median is not None, found
    return median


def find(value: object, names: tuple[str, ...]) -> float | None:
    """The first number under one of these names, anywhere in a JSON document."""
    if isinstance(value, dict):
        for name in names:
            if isinstance(value.get(name), int | float):
                return float(value[name])
        for item in value.values():
            if (inner := find(item, names)) is not None:
                return inner
    return None


def runner_ms(model: Path, threads: int, warmups: int, runs: int) -> float:
    """Median of one process of our runner, through `bokehbench run`."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "bokehbench", "run", "--device", "local", str(model)]
        words += ["--backend", "xnnpack", "--threads", str(threads), "--warmups", str(warmups)]
        words += ["--runs", str(runs), "--quick", "--json", "-"]
        words += ["--store", f"{folder}/store.sqlite3"]
        out = subprocess.run(words, check=True, capture_output=True).stdout
    return float(json.loads(out)["records"][0]["latency"]["median_ms"])


def fixed_model(folder: Path) -> Path:
    """The example model at 1x1024x1024x3: the peers' tools can't resize a dynamic one."""
    from fixed_shape import fix_shape

    path: Path = fix_shape(EXAMPLES / "tiny_unet.tflite", folder / "fixed.tflite", 1024, 1024)
    return path


def main() -> int:
    """Print the medians and the ratios; 1 when the runner is off by more than the bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--warmups", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", type=Path, help="a model of fixed shape")
    words = parser.parse_args()
    contestants: dict[str, Callable[[Path, int, int, int], float]] = {
        "bokehbench runner": runner_ms,
        "benchmark_litert_model": google_ms,
        "Interpreter.invoke": invoke_ms,
    }
    found: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory() as folder:
        model = words.model or fixed_model(Path(folder))
        for number in range(words.rounds):
            order = list(contestants)
            random.Random(number).shuffle(order)
            for name in order:
                ms = contestants[name](model, words.threads, words.warmups, words.runs)
                found[name].append(ms)
    print(f"bokehbench {bokehbench.__version__}, {words.rounds} rounds, {words.threads} threads")
    ours = statistics.median(found["bokehbench runner"])
    missed = False
    for name, values in found.items():
        median = statistics.median(values)
        # Paired by round: what disturbs the machine for seconds falls on all three.
        ratio = statistics.median(
            mine / theirs for mine, theirs in zip(found["bokehbench runner"], values, strict=True)
        )
        print(f"{name:<24} {median:8.3f} ms   runner / it = {ratio:.4f}")
        missed |= abs(ratio - 1) > BOUND
    print(f"runner's median {ours:.3f} ms; bound {BOUND:.0%}: {'MISSED' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
