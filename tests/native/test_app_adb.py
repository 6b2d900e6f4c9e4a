"""The app behind a real adbd: a forwarded port, a whole run, clients and processes that go."""

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.native.bench import Bench
from tests.native.test_app import ENDLESS, LARGE, SMALL, wait_until_over
from tests.rig import AdbServer, TestDevice, require_rig
from tests.support.app import AppClient, AppRun, StandIn, standin


@pytest.fixture(scope="module")
def link() -> Iterator[tuple[AdbServer, str]]:
    """A server and the serial of the one device that it is connected to."""
    require_rig()
    with TestDevice() as device, AdbServer() as server:
        yield server, server.connect(device)


@contextmanager
def forwarded(link: tuple[AdbServer, str], app: StandIn) -> Iterator[AppClient]:
    """A client through `adb forward`."""
    server, serial = link
    result = server.run("-s", serial, "forward", "tcp:0", f"localabstract:{app.socket_name}")
    assert result.returncode == 0, result.stderr
    port = int(result.stdout)
    try:
        sock = socket.create_connection(("127.0.0.1", port), timeout=30)
        with closing(AppClient(sock)) as client:
            yield client
    finally:
        server.run("-s", serial, "forward", "--remove", f"tcp:{port}")


def argv(app: StandIn, client: AppClient, **changes: object) -> list[str]:
    """A trial whose manifest is pushed as the host pushes it."""
    work = app.folder / "work"
    work.mkdir(exist_ok=True)
    words = Bench(Path("runner"), work).prepare(*(LARGE if changes else SMALL), **changes)
    [manifest] = work.glob("*.manifest")
    text = manifest.read_bytes()
    manifest.unlink()
    assert client.push(f"work/{manifest.name}", text)["path"] == str(manifest)
    return words


def test_a_whole_run_through_a_forwarded_port(
    link: tuple[AdbServer, str], program: Path, tmp_path: Path
) -> None:
    with standin(program, tmp_path / "files") as app, forwarded(link, app) as client:
        assert client.greeting["protocol"] == 1
        run = client.run(argv(app, client))
        assert run.end is not None
        assert (run.end["exit_code"], run.end["in_front"]) == (0, True)
        lines = run.output.splitlines(keepends=True)
        done = json.loads(lines[-1])
        assert done["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
        [output] = [json.loads(line) for line in lines if b'"event":"output"' in line]
        data = client.pull("work/out.raw")
        assert hashlib.sha256(data).hexdigest() == output["sha256"]
        large = bytes(range(256)) * 20_000
        assert client.push("work/large", large)["app"] == "pushed"
        assert client.pull("work/large") == large


def test_a_client_that_goes_behind_adb_stops_its_run(
    link: tuple[AdbServer, str], program: Path, tmp_path: Path
) -> None:
    with standin(program, tmp_path / "files") as app:
        with forwarded(link, app) as client:
            client.ask("run", argv=argv(app, client, **ENDLESS))
            while b'"event":"backend"' not in client.raw_line():
                pass
        with forwarded(link, app) as later:
            assert later.greeting["used"] is True
            wait_until_over(later)


def test_an_app_that_is_killed_behind_adb_ends_the_stream(
    link: tuple[AdbServer, str], program: Path, tmp_path: Path
) -> None:
    with standin(program, tmp_path / "files") as app, forwarded(link, app) as client:

        def on_line(line: dict[str, object]) -> None:
            if line.get("event") == "backend":
                app.process.kill()

        client.ask("run", argv=argv(app, client, **ENDLESS))
        run: AppRun = client.follow(on_line)
        assert run.end is None
        assert b'"event":"done"' not in run.output


def test_adb_takes_a_connection_that_nobody_answers(
    link: tuple[AdbServer, str], program: Path, tmp_path: Path
) -> None:
    """Which is why only a greeting counts."""
    with standin(program, tmp_path / "files") as app:
        app.end()
        server, serial = link
        result = server.run("-s", serial, "forward", "tcp:0", f"localabstract:{app.socket_name}")
        port = int(result.stdout)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            assert sock.recv(1) == b""
        server.run("-s", serial, "forward", "--remove", f"tcp:{port}")
