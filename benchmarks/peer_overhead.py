"""What a whole run adds on a device, beside LiteRT's own command line, through one adb server.

    python benchmarks/peer_overhead.py --litert /path/to/litert [--rounds 9]

`litert benchmark --android` (PyPI litert-cli 0.2.1, in an environment of its own) gets a stand-in
for its on-device tool that ends at once; ours is the wall time less the runner's life. Both push
nothing: model and tool are there already, theirs known by their size, ours by their hash. Ends with
1 when ours takes more than twice as long.
"""

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from overhead import EXAMPLES, program

from tests.rig import AdbServer, TestDevice
from tests.rig.server import find_adb

BOUND = 2.0
MODEL = EXAMPLES / "tiny_unet.tflite"
ABI = "arm64-v8a"


def environment(home: Path, server: AdbServer, serial: str) -> dict[str, str]:
    """A home of its own, the private adb server, and its `adb` program first on the PATH."""
    tools = home / "bin"
    tools.mkdir(exist_ok=True)
    adb = tools / "adb"
    if not adb.exists():
        adb.write_text(f'#!/bin/sh\nexec {shlex.join(find_adb())} "$@"\n')
        adb.chmod(0o755)
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "ANDROID_ADB_SERVER_PORT": str(server.port),
        "ANDROID_SERIAL": serial,
        "PATH": f"{tools}:{os.environ['PATH']}",
    }


def stand_in(home: Path) -> None:
    """The on-device tool where litert-cli keeps what it has downloaded."""
    folder = home / ".cache" / "litert-cli" / "binaries" / ABI
    folder.mkdir(parents=True, exist_ok=True)
    tool = folder / "benchmark_model"
    tool.write_text("#!/bin/sh\nexit 0\n")
    tool.chmod(0o755)


def peer_seconds(litert: Path, variables: Mapping[str, str]) -> float:
    """Wall time of the peer's command."""
    begin = time.perf_counter()
    words = [str(litert), "benchmark", str(MODEL), "--android"]
    done = subprocess.run(words, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{shutil.which(words[0]) or words[0]} failed: {done.stdout}{done.stderr}")
    return time.perf_counter() - begin


def our_seconds(serial: str, server: AdbServer, variables: Mapping[str, str], store: Path) -> float:
    """Wall time of `bokehbench run` less the life of its runner."""
    words = [program(), "run", "--device", serial, "--adb-server", f"127.0.0.1:{server.port}"]
    words += [str(MODEL), "--backend", "xnnpack", "--quick", "--runs", "1"]
    words += ["--warmups", "0", "--json", "-", "--store", str(store)]
    begin = time.perf_counter()
    out = subprocess.run(words, env=dict(variables), check=True, capture_output=True).stdout
    wall = time.perf_counter() - begin
    [trial] = json.loads(out)["records"][0]["trials"]
    return wall - float(trial["wall_ns"]) / 1e9


def main() -> int:
    """Print both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--litert", type=Path, required=True, help="the peer's program")
    parser.add_argument("--rounds", type=int, default=9)
    words = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        TestDevice(properties={"ro.product.cpu.abi": ABI}) as device,
        AdbServer() as server,
    ):
        home = Path(folder)
        serial = server.connect(device)
        stand_in(home)
        variables = environment(home, server, serial)
        store = home / "store.sqlite3"
        ours, peers = [], []
        for number in range(words.rounds + 1):
            ours.append(our_seconds(serial, server, variables, store))
            peers.append(peer_seconds(words.litert.resolve(), variables))
            if number == 0:
                # The first round places what the others find.
                ours.clear()
                peers.clear()
    mine, theirs = statistics.median(ours), statistics.median(peers)
    print(f"bokehbench run, less the runner: {mine:.3f} s, worst {max(ours):.3f}")
    print(f"litert benchmark --android, tool ends at once: {theirs:.3f} s, worst {max(peers):.3f}")
    missed = mine > BOUND * theirs
    print(f"ratio {mine / theirs:.2f}, bound {BOUND}: {'MISSED' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
