"""The adb transports beside the `adb` program, on one real adbd in one run.

    python benchmarks/transport.py [--mb 200] [--rounds 15] [--trips 300] [--adb PROGRAM]

Run a small program, and push and pull one random file, all clients taking turns. Prints medians,
and medians of each client's time as a part of adb's in the same turn; ends with 1 when a goal is
missed. `alone` is a command with a shell of its own, as a trial is run. The program is the one of
the adbutils package or the one on PATH.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bokehbench.phone.adb_transport import AdbTransport
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.server import ServerTransport
from bokehbench.phone.transport import Deadline
from tests.rig import TestDevice
from tests.rig.server import AdbServer

SPEED_GOALS = {"server": 0.9, "direct": 0.6}
"""Times adb's own speed."""

ROUND_TRIP_GOAL = 0.5
"""The server transport's round trip, as a part of adb's."""

WARM_UPS = 5
SMALL_PROGRAM = "/system/bin/true"
"""A program: `true` alone is built into the shell, and our transport always runs programs."""


class Program:
    """The adb program on the same server."""

    def __init__(self, server: AdbServer, serial: str) -> None:
        self._server = server
        self._serial = serial
        self.folder = "/data/local/tmp"

    def _adb(self, *words: str) -> None:
        ended = self._server.run("-s", self._serial, *words, timeout=300)
        if ended.returncode:
            raise subprocess.CalledProcessError(ended.returncode, words, stderr=ended.stderr)

    def push(self, source: Path, target: str) -> None:
        """`adb push`."""
        self._adb("push", str(source), target)

    def pull(self, source: str, target: Path) -> None:
        """`adb pull`."""
        self._adb("pull", source, str(target))

    def trip(self) -> None:
        """`adb shell PROGRAM`."""
        self._adb("shell", SMALL_PROGRAM)


class Ours:
    """One of our transports."""

    def __init__(self, transport: AdbTransport) -> None:
        self._transport = transport
        self.folder = transport.root

    def push(self, source: Path, target: str) -> None:
        """Transport.push, which also compares sizes and renames."""
        self._transport.push(source, target, mode=0o600, deadline=Deadline.after(300))

    def pull(self, source: str, target: Path) -> None:
        """Transport.pull."""
        self._transport.pull(source, target, deadline=Deadline.after(300))

    def trip(self, *, alone: bool = False) -> None:
        """Transport.run of a command that does nothing."""
        deadline = Deadline.after(60)
        if self._transport.run([SMALL_PROGRAM], deadline=deadline, alone=alone).exit_code:
            raise RuntimeError(f"{SMALL_PROGRAM} failed")


Seconds = dict[str, list[float]]
"""Of every client, one number a turn."""


def seconds_of(work: Callable[[], None]) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def turns(names: Sequence[str], rounds: int) -> Iterator[str]:
    """Names taking turns in an order drawn anew: what one leaves to the next falls on all alike."""
    order = list(names)
    draw = random.Random(1)
    for _ in range(rounds):
        draw.shuffle(order)
        yield from order


def measure_trips(works: dict[str, Callable[[], None]], rounds: int) -> Seconds:
    """One trip of every client a turn."""
    taken: Seconds = {name: [] for name in works}
    for name in turns(list(works), WARM_UPS + rounds):
        taken[name].append(seconds_of(works[name]))
    return {name: values[WARM_UPS:] for name, values in taken.items()}


def measure_copies(
    clients: dict[str, Program | Ours], source: Path, folder: Path, rounds: int
) -> tuple[Seconds, Seconds]:
    """Seconds of pushes and of pulls; a file that came back altered ends it all."""
    data = source.read_bytes()
    pushes: Seconds = {name: [] for name in clients}
    pulls: Seconds = {name: [] for name in clients}
    for name in turns(list(clients), rounds + 1):
        client, back = clients[name], folder / f"back-{name}"
        target = f"{client.folder}/file-{name}"
        pushes[name].append(seconds_of(partial(client.push, source, target)))
        pulls[name].append(seconds_of(partial(client.pull, target, back)))
        if back.read_bytes() != data:
            raise RuntimeError(f"{name}: the file came back altered")
        back.unlink()
    # The first of each warms up.
    without_first = [
        {name: values[1:] for name, values in taken.items()} for taken in (pushes, pulls)
    ]
    return without_first[0], without_first[1]


def ratio(seconds: Seconds, name: str) -> float:
    """The median over all turns of a client's time as a part of adb's."""
    pairs = zip(seconds[name], seconds["adb"], strict=True)
    return statistics.median(own / adb for own, adb in pairs)


def quartiles(seconds: Seconds, name: str) -> str:
    """Between what a half of all turns lies."""
    pairs = zip(seconds[name], seconds["adb"], strict=True)
    low, _, high = statistics.quantiles(own / adb for own, adb in pairs)
    return f"{low:.2f}-{high:.2f}"


def missed_trips(trips: Seconds) -> list[str]:
    """Print every client's round trip beside adb's; the goal, when it was missed."""
    for name, values in trips.items():
        print(
            f"shell  {name:12} {statistics.median(values) * 1000:5.1f} ms   "
            f"{ratio(trips, name):.2f}x of adb's time, half of all turns {quartiles(trips, name)}"
        )
    too_slow = ratio(trips, "server") > ROUND_TRIP_GOAL
    return [f"server's shell above {ROUND_TRIP_GOAL}x"] if too_slow else []


def missed_copies(what: str, seconds: Seconds, megabytes: float) -> list[str]:
    """Print every client's speed beside adb's; the goals that were missed."""
    missed = []
    for name, values in seconds.items():
        speed = 1 / ratio(seconds, name)
        print(
            f"{what:6} {name:12} {megabytes / statistics.median(values):5.0f} MB/s   "
            f"{speed:.2f}x of adb's speed"
        )
        goal = SPEED_GOALS.get(name, 0.0)
        if speed < goal:
            missed.append(f"{name}'s {what} below {goal}x")
    return missed


def main() -> int:
    """Measure on a device of the rig; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--trips", type=int, default=300)
    parser.add_argument("--adb", help="the adb program; found by itself when not given")
    words = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        TestDevice() as device,
        AdbServer([words.adb] if words.adb else None) as server,
    ):
        folder = Path(name)
        source = folder / "random"
        source.write_bytes(os.urandom(words.mb * 1_000_000))
        serial = server.connect(device)
        print(server.run("version").stdout.decode().splitlines()[1])
        # A command alone ends the shells that wait, so it has a transport of its own.
        transports: dict[str, AdbTransport] = {
            f"{link}{alone}": ServerTransport(serial, port=server.port)
            if link == "server"
            else DirectTransport(f"tcp:{device.address}", key=folder / "adbkey")
            for alone in ("", " alone")
            for link in ("server", "direct")
        }
        program = Program(server, serial)
        clients = {"adb": program} | {n: Ours(transports[n]) for n in ("server", "direct")}
        works: dict[str, Callable[[], None]] = {"adb": program.trip}
        works |= {
            name: partial(Ours(transport).trip, alone=name.endswith("alone"))
            for name, transport in transports.items()
        }
        # By themselves and first: what the system still writes after a file would be in them.
        missed = missed_trips(measure_trips(works, words.trips))
        pushes, pulls = measure_copies(clients, source, folder, words.rounds)
        missed += missed_copies("push", pushes, words.mb) + missed_copies("pull", pulls, words.mb)
        for transport in transports.values():
            transport.close()
    print(f"goals: {'MISSED: ' + '; '.join(missed) if missed else 'met'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
