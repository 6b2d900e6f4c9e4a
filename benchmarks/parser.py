"""How fast logs are parsed, and in how much memory, beside a program that looks for one line.

    python benchmarks/parser.py [--mb 20] [--rounds 3] [--stream-mb 400]

Each capture is grown in two ways: many times over (what CI collects) and once inside a logcat in
which no line comes twice. The peer looks for the line of averages, line by line, as scripts do.
Times are of the processor, medians of interleaved rounds. A log of thousands of runs that all
differ is told of in runs a second. Memory is the peak of a process of its own over a stream that is
never in memory as a whole. Ends with 1 when a goal is missed.
"""

import argparse
import random
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bokehbench.runners.benchmark_model import parse_log
from tests.runners.benchmark_model.corpus import NAMES, log

MB_A_SECOND = 20.0
STREAM_MIB = 200.0
"""Peak memory of a whole process over a stream of any length."""

_ONE_LINE = re.compile(r"Inference timings in us: .*Inference \(avg\): ([\d.e+]+)")
_NUMBERS = re.compile(rb"(session in |curr=|Init: |\(avg\): )(\d)")


def copies(data: bytes, size: int) -> bytes:
    """A log many times over."""
    return data * max(1, size // len(data))


def in_noise(data: bytes, size: int) -> bytes:
    """A log in the middle of a logcat in which no line comes twice."""
    line = (
        b"11-22 13:%02d:%02d.%03d  %5d  %5d D ActivityManager: "
        b"broadcast %d to process %d, state %d\n"
    )
    lines = [
        line % (i // 60000 % 60, i // 1000 % 60, i % 1000, i % 9999, i % 997, i, i * 7, i % 5)
        for i in range(max(0, size - len(data)) // 96)
    ]
    middle = data.rfind(b"\n", 0, len(data) // 2) + 1
    half = len(lines) // 2
    return b"".join([*lines[:half], data[:middle], *lines[half:], data[middle:]])


def different_runs(data: bytes, count: int) -> bytes:
    """That many runs, each with numbers of its own."""
    chance = random.Random(1)

    def other(found: re.Match[bytes]) -> bytes:
        return found[1] + str(chance.randrange(1, 9999)).encode() + found[2]

    return b"".join(_NUMBERS.sub(other, data) for _ in range(count))


def one_line(data: bytes) -> list[str]:
    """What a script does that wants the average alone."""
    found = map(_ONE_LINE.search, data.decode("utf-8", "replace").splitlines())
    return [match[1] for match in found if match]


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    """Processor time of one call."""
    began = time.process_time()
    work(data)
    return max(time.process_time() - began, 1e-9)


def speed(name: str, megabytes: float, rounds: int) -> list[str]:
    """Print one capture's line; what misses the goal."""
    missed = []
    parts = []
    for kind, grow in (("copies", copies), ("in noise", in_noise)):
        data = grow(log(name), int(megabytes * 1e6))
        ours, peers = [], []
        for _ in range(rounds):
            ours.append(seconds(parse_log, data))
            peers.append(seconds(one_line, data))
        rate = len(data) / 1e6 / statistics.median(ours)
        peer = len(data) / 1e6 / statistics.median(peers)
        parts.append(f"{kind} {rate:6.1f} MB/s ({rate / peer:.2f} of the peer)")
        if rate < MB_A_SECOND:
            missed.append(f"{name} {kind}: {rate:.1f} MB/s")
    print(f"{name:45} {'; '.join(parts)}", flush=True)
    return missed


def stream(megabytes: int) -> Iterator[bytes]:
    """A log without end: noise, runs, and a line that does not stop."""
    noise = in_noise(log(NAMES[0]), 1 << 20)
    for number in range(megabytes // 2):
        yield noise
        yield b"x" * (1 << 20) if number % 2 else copies(log(NAMES[number % len(NAMES)]), 1 << 20)


def peak_mib(megabytes: int) -> float:
    """Peak memory of a process that parses the stream."""
    words = [sys.executable, __file__, "--child", str(megabytes)]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Measure and print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--mb", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stream-mb", type=int, default=400)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.child is not None:
        parse_log(stream(words.child))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return 0
    missed = [line for name in NAMES for line in speed(name, words.mb, words.rounds)]
    runs = different_runs(log("021_x86_xnnpack_default.txt"), 3000)
    took = statistics.median(seconds(parse_log, runs) for _ in range(words.rounds))
    print(f"3000 different runs: {3000 / took:.0f} runs/s, {len(runs) / 1e6 / took:.1f} MB/s")
    peaks = [peak_mib(size) for size in (words.stream_mb // 8, words.stream_mb)]
    print(f"peak memory of the process: {peaks[0]:.0f} MiB over {words.stream_mb // 8} MB, "
          f"{peaks[1]:.0f} MiB over {words.stream_mb} MB")  # fmt: skip
    if peaks[1] > STREAM_MIB:
        missed.append(f"memory: {peaks[1]:.0f} MiB")
    print(f"goals: {'MISSED: ' + '; '.join(missed) if missed else 'met'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
