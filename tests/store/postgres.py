"""A real PostgreSQL server of the tests' own: private folder, socket and port."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "s3cret/pa:ss@word"
QUOTED_PASSWORD = "s3cret%2Fpa%3Ass%40word"


@dataclass(frozen=True)
class Server:
    """A running server. `admin_url` is a superuser's, by the socket and without a password."""

    folder: Path
    port: int

    @property
    def admin_url(self) -> str:
        """The maintenance database."""
        return self.url("postgres")

    def url(self, database: str) -> str:
        """A database through the socket."""
        return f"postgresql://tester@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database: str, password: str = QUOTED_PASSWORD) -> str:
        """A database through the loopback, where the server asks for the password."""
        return f"postgresql://tester:{password}@127.0.0.1:{self.port}/{database}"


def find_binaries() -> Path | None:
    """The folder of initdb and postgres, the newest if there are several."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name.split(".")[0]), default=None)


def unprivileged_user() -> str | None:
    """Whom to run the server as: the server refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """Starts a server, stops it by its pid, and removes its folder."""
    user = unprivileged_user()
    # Not pytest's folder: a socket's path is short, and the server's user must reach it.
    folder = Path(tempfile.mkdtemp(prefix="bb-pg-", dir="/tmp"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if user:
            for path in (folder, secret):
                shutil.chown(path, user)
        data = folder / "data"
        words = (
            f"-D {data} -U tester --pwfile {secret} --auth-local=trust "
            "--auth-host=scram-sha-256 -E UTF8 --locale=C --no-sync"
        )
        subprocess.run(
            [str(binaries / "initdb"), *words.split()],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "port": str(port),
            "fsync": "off",
            "max_connections": "40",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), *options],
                stdout=log,
                stderr=log,
                user=user,
                cwd=folder,
            )
        try:
            _wait_until_ready(binaries, folder, port, process)
            yield Server(folder, port)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(
    binaries: Path, folder: Path, port: int, process: "subprocess.Popen[bytes]"
) -> None:
    command = [str(binaries / "pg_isready"), "-q", "-h", str(folder), "-p", str(port)]
    deadline = time.monotonic() + 60
    while subprocess.run(command, check=False, cwd=folder).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.1)
