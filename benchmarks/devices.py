"""Eight devices beside one, and what a run on one device adds to its runner's life.

    python benchmarks/devices.py [--rounds 7] [--devices 8]

On test devices, a real adbd each, over direct connections. Side by side they do what waits more
than it computes: describe, place a model that is there already, sleep for a second, pull a small
file. Then a run of one process is timed, as a command and, with all that is on the device hashed
again as the challenge protocol does, from the library. Ends with 1 when a bound is missed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from overhead import EXAMPLES, program

from bokehbench.derive import derive
from bokehbench.engines import file_sha256, find_engine
from bokehbench.facts import MeasurementProtocol
from bokehbench.fidelity import get_protocol
from bokehbench.fleet import run_devices
from bokehbench.model.iospec import resolve_io
from bokehbench.model.reader import read_model
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.transport import Deadline
from bokehbench.profile import builtin_folder, load_profiles, match_profile
from bokehbench.runners import bundled_runner
from bokehbench.schedule import Settings
from bokehbench.session import ModelInput, Observer, RunRequest, new_id, prepare
from bokehbench.store import open_store
from tests.rig import TestDevice

PARALLEL_BOUND = 1.3
"""All devices together, as a multiple of one alone."""

RUN_BOUND_SECONDS = 0.4
MODEL = EXAMPLES / "tiny_unet.tflite"
SECONDS = 20.0


def work(device: TestDevice, folder: Path) -> None:
    """What a host does on a device beside measuring, over a new connection."""
    transport = DirectTransport(f"tcp:{device.address}", key=folder / "adbkey")
    try:
        phone = Device.connect(transport)
        sha256 = file_sha256(MODEL)
        placed = phone.place(MODEL, name="model.tflite", sha256=sha256, verify=True)
        phone.check_shell("sleeping", 'sleep 1; echo done > "$1"', f"{transport.root}/small")
        target = folder / f"small-{device.port}"
        transport.pull(f"{transport.root}/small", target, deadline=Deadline.after(SECONDS))
        assert placed.path
        assert target.read_bytes() == b"done\n"
    finally:
        transport.close()


def seconds_of(devices: Sequence[TestDevice], folder: Path) -> float:
    """Wall time of the work on all of these at once, a thread each."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(lambda device: work(device, folder), devices))
    return time.perf_counter() - begin


def command_overhead(folder: Path, address: str) -> float:
    """Wall time of `bokehbench run` with one process less the life of its runner."""
    words = [program(), "run", "--device", address, str(MODEL), "--backend", "xnnpack"]
    words += ["--processes", "1", "--runs", "5", "--warmups", "1", "--json", "-"]
    words += ["--store", str(folder / "command.sqlite3")]
    begin = time.perf_counter()
    out = subprocess.run(words, check=True, capture_output=True).stdout
    wall = time.perf_counter() - begin
    [trial] = json.loads(out)["records"][0]["trials"]
    return float(wall - trial["wall_ns"] / 1e9)


def library_overhead(folder: Path, address: str) -> float:
    """The same from the library, with files that are there already hashed again."""
    begin = time.perf_counter()
    facts = read_model(MODEL)
    transport = DirectTransport(address, key=folder / "adbkey")
    device = Device.connect(transport)
    platform, abi = device.facts.platform, device.facts.abi
    protocol = MeasurementProtocol(
        name="challenge",
        processes=1,
        warmups=1,
        runs=5,
        min_runs=1,
        max_seconds=10,
        verify_files=True,
    )
    request = RunRequest(
        models=(ModelInput(MODEL, facts, resolve_io(facts, MODEL), None),),
        settings=Settings("xnnpack", "default", 1, 0, protocol, 0),
        dataset=None,
        fit="error",
        fidelity_rules=get_protocol("mai22"),
        score_backend="xnnpack",
    )
    profile = match_profile(load_profiles([builtin_folder()]), device.facts)
    engine = find_engine("litert", platform, abi, gpu=False)
    runner = bundled_runner(platform, abi)
    prepared = prepare(request, device, profile, {engine.name: engine}, runner, {}, new_id)
    with open_store(str(folder / "library.sqlite3"), derive=derive) as store:
        outcome = run_devices([prepared], store, lambda _: Observer(), print, new_id())
    transport.close()
    wall = time.perf_counter() - begin
    [trial] = outcome.records[0].evidence.trials
    assert trial.status == "ok", trial.failure
    return wall - trial.wall_ns / 1e9


def main() -> int:
    """Print medians; 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--devices", type=int, default=8)
    words = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    ones, alls, runs, verified = [], [], [], []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # Keys and stores of these runs are not the user's.
        os.environ.update(HOME=name, XDG_CACHE_HOME=name)
        devices = [stack.enter_context(TestDevice()) for _ in range(words.devices)]
        seconds_of(devices, folder)
        address = f"tcp:{devices[0].address}"
        command_overhead(folder, address)
        for number in range(words.rounds):
            ones.append(seconds_of([devices[number % len(devices)]], folder))
            alls.append(seconds_of(devices, folder))
            runs.append(command_overhead(folder, address))
            verified.append(library_overhead(folder, address))
    one, together = statistics.median(ones), statistics.median(alls)
    ratio = together / one
    print(
        f"{words.devices} devices {together:.3f} s, one {one:.3f} s: "
        f"{ratio:.2f}x (bound {PARALLEL_BOUND}x)"
    )
    missed = ratio > PARALLEL_BOUND
    for name, found in (("command", runs), ("library, all hashed again", verified)):
        median = statistics.median(found)
        missed |= median > RUN_BOUND_SECONDS
        print(
            f"{name}: wall less runner {median:.3f} s (bound {RUN_BOUND_SECONDS} s), "
            f"worst {max(found):.3f}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
