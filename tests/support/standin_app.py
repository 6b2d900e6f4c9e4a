"""Stand-ins on a test device for `pm` and `am`, and one for the app behind an abstract socket.

The app's trials are those of the real runner of this machine; everything around it speaks
docs/app-protocol.md. The network namespace is the device's too, so its adbd finds the socket.
"""

import hashlib
import json
import platform
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from bokehbench.engines import find_engine
from bokehbench.runners import bundled_runner
from tests.rig import TestDevice

PM = r"""#!/system/bin/sh
# What Android's pm says and does, with one package.
d=/data/local/tmp/.pm
case $1 in
  path) [ -f $d/base.apk ] && echo "package:$d/base.apk" || exit 1 ;;
  install)
    [ -f $d/hang ] && sleep 600
    if [ -f $d/answer ]; then cat $d/answer; exit 1; fi
    rm -f $d/base.apk; cp "$3" $d/base.apk && echo Success ;;
  uninstall)
    if [ -f $d/answer ]; then cat $d/answer; exit 1; fi
    rm $d/base.apk && echo Success ;;
esac
"""

AM = r"""#!/system/bin/sh
# What Android's am says; the app's stand-in reads what was asked.
d=/data/local/tmp/.pm
[ "$1" = start ] && [ -f $d/am_hang ] && sleep 600
[ "$1" = start ] && [ -f $d/am_answer ] && { cat $d/am_answer; exit 1; }
echo "$*" >> $d/am.log
[ "$1" = start ] || exit 0
echo "Stopping: org.bokehbench.runner"
echo "Starting: Intent { cmp=org.bokehbench.runner/android.app.NativeActivity }"
echo "Status: ok"
echo "LaunchState: COLD"
echo "Complete"
"""

NAME_SECONDS = 120.0

Client = Callable[["StandInApp", socket.socket, dict[str, Any]], None]


class StandInApp:
    """One app on one device. What it says and does is to be changed by tests, any time."""

    def __init__(self, device: TestDevice, folder: Path, name: str = "") -> None:
        """Listen under a name of its own, or under the app's, which one has at a time."""
        self.device = device
        self.name = name or f"bokehbench.test.{device.port}"
        self.data = folder / "app-data"
        self.data.mkdir()
        self.pm = device.tmp / ".pm"
        self.pm.mkdir(mode=0o777)
        self.pm.chmod(0o777)
        device.add_command("pm", PM)
        device.add_command("am", AM)
        self.greeting: dict[str, Any] = {}
        """Fields of the greeting that are other than usual."""
        self.hello: bytes | None = None
        """What comes in place of a greeting; nothing at all for b""."""
        self.front: list[tuple[str, bool]] = []
        """States that `ping` tells before it tells the usual one."""
        self.on_run: Client | None = None
        """What happens at a `run` in place of a trial."""
        self.runs: list[dict[str, Any]] = []
        self.used = False
        self._starts = 0
        self._listener = socket.socket(socket.AF_UNIX)
        _bind(self._listener, f"\0{self.name}")
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    @property
    def calls(self) -> list[str]:
        """What `am` was asked for."""
        log = self.pm / "am.log"
        return log.read_text().splitlines() if log.exists() else []

    def answer(self, name: str, text: str) -> None:
        """Have `pm` (answer), or `am start` (am_answer), refuse with these words."""
        (self.pm / name).write_text(text)

    @property
    def is_installed(self) -> bool:
        """Whether `pm` has a package."""
        return (self.pm / "base.apk").exists()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        calls = self.calls
        starts = sum(call.startswith("start") for call in calls)
        if not calls or not calls[-1].startswith("start"):
            return
        if starts != self._starts:
            self._starts, self.used = starts, False
        if self.hello is not None:
            client.sendall(self.hello)
            client.settimeout(5)
            client.recv(1)
            return
        say(client, "greeting", **self._greeting())
        with client.makefile("rb") as stream:
            while line := stream.readline():
                self._answer(client, stream, json.loads(line))

    def _greeting(self) -> dict[str, Any]:
        state, focused = self.front[0] if self.front else ("resumed", True)
        return {
            "protocol": 1,
            "runner_protocol": 2,
            "build": "b" * 64,
            "runner_build": "r" * 64,
            "abi": "x86_64",
            "api_level": 34,
            "pid": 4000 + self._starts,
            "uid": 10321,
            "nice": 0,
            "cgroup": "0::/apps/uid_10321",
            "oom_score_adj": 0,
            "data_folder": str(self.data),
            "library": "/data/app/base.apk!/lib/x86_64/libbokehbench_app.so",
            "library_folder": "/data/app/base.apk!/lib/x86_64",
            "state": state,
            "focused": focused,
            "used": self.used,
            "monotonic_ns": time.monotonic_ns(),
            **self.greeting,
        }

    def _answer(self, client: socket.socket, stream: BinaryIO, asked: dict[str, Any]) -> None:
        name = asked["request"]
        if name == "run":
            self.runs.append(asked)
            self.used = True
            (self.on_run or run_trial)(self, client, asked)
        elif name == "ping":
            if self.front:
                self.front.pop(0)
            state, focused = self.front[0] if self.front else ("resumed", True)
            now = time.monotonic_ns()
            say(client, "pong", running=False, state=state, focused=focused, monotonic_ns=now)
        elif name == "folder":
            (self.data / asked["path"]).mkdir(parents=True, exist_ok=True)
            say(client, "folder", path=str(self.data / asked["path"]))
        elif name == "push":
            self._push(client, asked, stream.read(asked["size_bytes"]))
        elif name == "pull":
            self._pull(client, asked)
        elif name == "remove":
            self._remove(client, asked)
        elif name == "probe":
            for library in asked["libraries"]:
                loaded = library == "libc.so"
                error = None if loaded else f'dlopen failed: library "{library}" not found'
                path = "/apex/libc.so" if loaded else None
                found = {"loaded": loaded, "error": error, "path": path, "mapped": []}
                say(client, "library", name=library, **found)
            opencl = ["/vendor/lib64/libOpenCL.so"]
            say(client, "probed", libraries=len(asked["libraries"]), opencl=opencl)
        else:
            say(client, "error", request=name, code="usage", message="no such request")

    def _push(self, client: socket.socket, asked: dict[str, Any], data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != asked["sha256"]:
            say(client, "error", request="push", code="altered", message="other bytes arrived")
            return
        path = self.data / asked["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        say(client, "pushed", path=str(path), size_bytes=len(data), sha256=asked["sha256"])

    def _pull(self, client: socket.socket, asked: dict[str, Any]) -> None:
        path = self.data / asked["path"]
        if not path.is_file():
            say(client, "error", request="pull", code="missing", message="no such file")
            return
        data = path.read_bytes()
        say(client, "file", path=asked["path"], size_bytes=len(data))
        client.sendall(data)
        digest = hashlib.sha256(data).hexdigest()
        say(client, "pulled", path=asked["path"], sha256=digest)

    def _remove(self, client: socket.socket, asked: dict[str, Any]) -> None:
        path = self.data / asked["path"]
        if not path.exists():
            say(client, "error", request="remove", code="missing", message="no such file")
            return
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        say(client, "removed", path=asked["path"], entries=1)


def _bind(listener: socket.socket, name: str) -> None:
    """Take the name as soon as no other test has it."""
    until = time.monotonic() + NAME_SECONDS
    while True:
        try:
            return listener.bind(name)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def say(client: socket.socket, app: str, **fields: object) -> None:
    """One line of the app."""
    line = json.dumps({"app": app, **fields}, separators=(",", ":")) + "\n"
    client.sendall(line.encode())


def end(client: socket.socket, exit_code: int = 0, *, in_front: bool = True) -> None:
    """The closing line of a run."""
    say(
        client,
        "end",
        exit_code=exit_code,
        reason="deadline" if exit_code == 124 else "returned",
        in_front=in_front,
        monotonic_ns=time.monotonic_ns(),
    )


def started(app: StandInApp, client: socket.socket) -> None:
    """The first line of a run."""
    now = time.monotonic_ns()
    pid = 4000 + len(app.runs)
    say(client, "started", pid=pid, state="resumed", focused=True, monotonic_ns=now)


def run_trial(app: StandInApp, client: socket.socket, asked: dict[str, Any]) -> None:
    """A trial of this machine's own runner, its events as an app sends them."""
    started(app, client)
    process = runner_of(app, asked)
    for line in process.stdout.splitlines(keepends=True):
        client.sendall(line)
        say(client, "heartbeat", monotonic_ns=time.monotonic_ns())
    end(client, process.returncode)


def runner_of(app: StandInApp, asked: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
    """This machine's runner with the words that the app was sent."""
    engine = find_engine("litert", "linux", platform.machine(), gpu=False, root=app.data)
    replaced = {
        "engine": "litert",
        "engine_library": str(engine.library),
        "engine_folder": str(engine.library.parent),
    }
    words = []
    for word in asked["argv"][1:]:
        key, mark, value = word.partition("=")
        value = replaced.get(key, value).replace("/data/local/tmp", str(app.device.tmp))
        words.append(f"{key}{mark}{value}" if mark else word)
    _, program = bundled_runner("linux", platform.machine())
    with open(app.data / "log", "wb") as log:
        return subprocess.run(
            [str(program), *words], stdout=subprocess.PIPE, stderr=log, check=False, timeout=60
        )
