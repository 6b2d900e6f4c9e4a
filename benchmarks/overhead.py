"""What the harness adds to a run beyond the runner's own life, and how fast `--help` starts.

python benchmarks/overhead.py [--rounds 15]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"
RUN_BOUND_SECONDS = 0.35
HELP_BOUND_SECONDS = 0.2
HEAVY = ("numpy", "pandas", "cv2", "PIL", "rich", "psycopg", "tensorflow")


def program() -> str:
    """The installed `bokehbench` of this interpreter's environment."""
    return str(Path(sysconfig.get_path("scripts")) / "bokehbench")


def run_overhead(folder: Path) -> float:
    """Wall time of a one-process run less the life of its runner, in seconds."""
    words = [program(), "run", "--device", "local", str(EXAMPLES / "tiny_unet.tflite")]
    words += ["--backend", "xnnpack", "--quick", "--runs", "5", "--warmups", "1"]
    words += ["--json", "-", "--store", str(folder / "store.sqlite3")]
    begin = time.perf_counter()
    out = subprocess.run(words, check=True, capture_output=True).stdout
    wall = time.perf_counter() - begin
    [trial] = json.loads(out)["records"][0]["trials"]
    return float(wall - trial["wall_ns"] / 1e9)


def help_seconds() -> float:
    """Wall time of `bokehbench --help`."""
    begin = time.perf_counter()
    subprocess.run([program(), "--help"], check=True, capture_output=True)
    return time.perf_counter() - begin


def imported_by_help() -> list[str]:
    """Heavy modules that `bokehbench --help` imports; there should be none."""
    code = (
        "import sys\nfrom bokehbench.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "print('@' + ' '.join(sys.modules), file=sys.stderr)"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    loaded = done.stderr.rpartition("@")[2].split()
    return [name for name in HEAVY if name in loaded]


def main() -> int:
    """Print medians; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    words = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        run_overhead(Path(folder))
        runs = [run_overhead(Path(folder)) for _ in range(words.rounds)]
    helps = [help_seconds() for _ in range(words.rounds)]
    heavy = imported_by_help()
    run, start = statistics.median(runs), statistics.median(helps)
    print(f"run: wall less runner {run:.3f} s (bound {RUN_BOUND_SECONDS} s), worst {max(runs):.3f}")
    print(f"--help: {start:.3f} s (bound {HELP_BOUND_SECONDS} s), worst {max(helps):.3f}")
    print(f"--help imports of {', '.join(HEAVY)}: {', '.join(heavy) or 'none'}")
    return int(run > RUN_BOUND_SECONDS or start > HELP_BOUND_SECONDS or bool(heavy))


if __name__ == "__main__":
    sys.exit(main())
