"""The app's native part on this machine, behind a stand-in for Android, and a client of it."""

import hashlib
import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from android_app.build import APP, PROGRAM, host_target, sources, zig_cc

SECONDS = 30.0
_numbers = itertools.count()


def build_standin(out: Path, *defines: str, sanitize: bool = False) -> Path:
    """Compile app, runner and stand-in to one program: by zig, or by gcc with ASan and UBSan.

    Raises:
        RuntimeError: the compiler failed; its words.
    """
    files = [*sorted(APP.glob("*.c")), APP / "tests" / "standin.c"]
    files += [path for path in sources() if path.name not in PROGRAM]
    flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off"]
    flags += [f"-D{define}" for define in defines]
    flags += ["-D_GNU_SOURCE", '-DBOKEHBENCH_BUILD="runner"', '-DBOKEHBENCH_APP_BUILD="app"']
    arguments = [*flags, *map(str, files), "-o", str(out), "-ldl", "-lpthread"]
    if sanitize:
        extra = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        extra += ["-fno-omit-frame-pointer"]
        result = subprocess.run(
            ["gcc", *extra, *arguments], capture_output=True, text=True, check=False
        )
        problem = result.stderr if result.returncode else ""
    else:
        problem = zig_cc(host_target(), arguments)
    if problem:
        raise RuntimeError(f"the stand-in did not build:\n{problem}")
    return out


class StandIn:
    """One process of the app. Its socket's name is its own, so tests can run side by side."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        *options: str,
        prefix: Sequence[str] = (),
        name: str = "",
    ) -> None:
        self.name = name or f"org.bokehbench.runner.t{os.getpid()}.n{next(_numbers)}"
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [*prefix, str(program), self.name, str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._answer() == "ready"

    @property
    def socket_name(self) -> str:
        """The abstract socket, without the leading zero byte."""
        return f"bokehbench.{self.name}"

    def say(self, what: str) -> None:
        """Have Android do something, without waiting until it has."""
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def happen(self, what: str) -> str:
        """Have Android do something; what the stand-in said then."""
        self.say(what)
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Kill it, if it has not ended."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()


@contextmanager
def standin(program: Path, folder: Path, *options: str, **more: Any) -> Iterator[StandIn]:
    """A stand-in that ends with the test."""
    app = StandIn(program, folder, *options, **more)
    try:
        yield app
    finally:
        app.end()


def connect(name: str, seconds: float = SECONDS) -> socket.socket:
    """A connection to an abstract socket, as soon as somebody listens there."""
    deadline = time.monotonic() + seconds
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(seconds)
        try:
            sock.connect("\0" + name)
        except ConnectionRefusedError:
            sock.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return sock


class AppClient:
    """A client of docs/app-protocol.md that believes nothing: each line's form is checked."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._stream = sock.makefile("rb")
        self.greeting = self.line()

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self.sock.close()

    def raw_line(self) -> bytes:
        """The next line with its end; empty at the end of the stream."""
        return self._stream.readline()

    def line(self) -> dict[str, Any]:
        """The next line, which is one of the app's."""
        text = self.raw_line()
        assert text.startswith(b'{"app":'), text
        assert text.endswith(b"\n")
        found: dict[str, Any] = json.loads(text)
        return found

    def ended(self) -> bool:
        """Whether the app has closed the connection, after nothing more."""
        return self.raw_line() == b""

    def send(self, data: bytes) -> None:
        """Raw bytes."""
        self.sock.sendall(data)

    def ask(self, request: str, /, **fields: Any) -> None:
        """Send a request."""
        self.send(json.dumps({"request": request, **fields}).encode() + b"\n")

    def answer(self, request: str, /, **fields: Any) -> dict[str, Any]:
        """The line that answers a request of one line."""
        self.ask(request, **fields)
        return self.line()

    def push(self, path: str, data: bytes, sha256: str | None = None) -> dict[str, Any]:
        """Push bytes; the answer."""
        digest = sha256 or hashlib.sha256(data).hexdigest()
        self.ask("push", path=path, size_bytes=len(data), sha256=digest)
        self.send(data)
        return self.line()

    def pull(self, path: str) -> bytes:
        """Pull a file, its digest checked."""
        header = self.answer("pull", path=path)
        assert header["app"] == "file", header
        data = self._stream.read(header["size_bytes"])
        closing = self.line()
        assert closing == {
            "app": "pulled",
            "path": path,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        return data

    def run(
        self, argv: Sequence[str], on_line: Callable[[dict[str, Any]], None] | None = None
    ) -> "AppRun":
        """Run a trial to its closing line, or to the end of the stream."""
        self.ask("run", argv=list(argv))
        return self.follow(on_line)

    def follow(self, on_line: Callable[[dict[str, Any]], None] | None = None) -> "AppRun":
        """The lines of a run that was asked for."""
        events = b""
        lines: list[dict[str, Any]] = []
        while text := self.raw_line():
            assert text.endswith(b"\n")
            found = json.loads(text)
            if text.startswith(b'{"app":'):
                lines.append(found)
            else:
                assert text.startswith(b'{"event":'), text
                events += text
            if on_line is not None:
                on_line(found)
            if found.get("app") in ("end", "error"):
                break
        return AppRun(lines, events)


class AppRun:
    """What came of a run: the app's lines and the runner's events apart."""

    def __init__(self, lines: list[dict[str, Any]], output: bytes) -> None:
        self.lines = lines
        self.output = output

    @property
    def end(self) -> dict[str, Any] | None:
        """The closing line; None: the app died."""
        return self.lines[-1] if self.lines and self.lines[-1]["app"] == "end" else None

    def named(self, name: str) -> list[dict[str, Any]]:
        """The app's lines of one name."""
        return [line for line in self.lines if line["app"] == name]
