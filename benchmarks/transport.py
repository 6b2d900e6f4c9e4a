"""The adb transports beside the `adb` program, on one real adbd in one run.

    python benchmarks/transport.py [--mb 200] [--rounds 7] [--adb PROGRAM]

Push and pull one random file and run a small program, taking turns; prints medians, ends with 1
when a goal is missed. The program is the one of the adbutils package or the one on PATH.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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

TRIPS = 30
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

    def trip(self) -> None:
        """Transport.run of a command that does nothing."""
        if self._transport.run([SMALL_PROGRAM], deadline=Deadline.after(60)).exit_code:
            raise RuntimeError(f"{SMALL_PROGRAM} failed")


def seconds_of(work: Callable[[], None]) -> float:
    """How long one call takes."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


def turns(clients: dict[str, Program | Ours], rounds: int) -> Iterator[str]:
    """Names of clients taking turns, each first as often as the others."""
    names = list(clients)
    for number in range(rounds):
        shift = number % len(names)
        yield from names[shift:] + names[:shift]


def measure(
    clients: dict[str, Program | Ours], source: Path, folder: Path, rounds: int
) -> dict[str, dict[str, float]]:
    """Median seconds of every client and operation; the clients take turns.

    Round trips come first, by themselves: what the system still writes after a large file
    would be in them.
    """
    data = source.read_bytes()
    taken: dict[str, dict[str, list[float]]] = {
        name: {"push": [], "pull": [], "trip": []} for name in clients
    }
    for name in turns(clients, 2 * rounds):
        trips = [seconds_of(clients[name].trip) for _ in range(TRIPS)]
        taken[name]["trip"].append(statistics.median(trips))
    for name in turns(clients, rounds + 1):
        client, back = clients[name], folder / f"back-{name}"
        target = f"{client.folder}/file-{name}"
        taken[name]["push"].append(seconds_of(partial(client.push, source, target)))
        taken[name]["pull"].append(seconds_of(partial(client.pull, target, back)))
        if back.read_bytes() != data:
            raise RuntimeError(f"{name}: the file came back altered")
        back.unlink()
    return {
        # The first of each warms up.
        name: {what: statistics.median(values[1:]) for what, values in rows.items()}
        for name, rows in taken.items()
    }


def missed_goals(medians: dict[str, dict[str, float]], megabytes: float) -> list[str]:
    """Print every client beside adb; the goals that were missed."""
    missed = []
    adb = medians["adb"]
    for name, row in medians.items():
        speeds = {what: adb[what] / row[what] for what in ("push", "pull")}
        print(
            f"{name:8} push {megabytes / row['push']:5.0f} MB/s ({speeds['push']:.2f}x)   "
            f"pull {megabytes / row['pull']:5.0f} MB/s ({speeds['pull']:.2f}x)   "
            f"shell {row['trip'] * 1000:5.1f} ms ({row['trip'] / adb['trip']:.2f}x)"
        )
        goal = SPEED_GOALS.get(name, 0.0)
        missed += [f"{name} {what} below {goal}x" for what, x in speeds.items() if x < goal]
    if medians["server"]["trip"] > ROUND_TRIP_GOAL * adb["trip"]:
        missed.append(f"server's shell above {ROUND_TRIP_GOAL}x")
    return missed


def main() -> int:
    """Measure on a device of the rig; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mb", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
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
        transports: dict[str, AdbTransport] = {
            "server": ServerTransport(serial, port=server.port),
            "direct": DirectTransport(f"tcp:{device.address}", key=folder / "adbkey"),
        }
        clients: dict[str, Program | Ours] = {"adb": Program(server, serial)}
        clients |= {name: Ours(transport) for name, transport in transports.items()}
        missed = missed_goals(measure(clients, source, folder, words.rounds), words.mb)
        for transport in transports.values():
            transport.close()
    print(f"goals: {'MISSED: ' + '; '.join(missed) if missed else 'met'}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
