"""The real command line in a process of its own, with folders of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 240


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error of a command that refused; no traceback, no more."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if not line.startswith("warning: ")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("bokehbench: ")
        return lines[0]

    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


@dataclass
class Command:
    """`bokehbench` with a private home, store and local device."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The store that every command of this home uses."""
        return self.home / "store.sqlite3"

    def variables(self) -> Mapping[str, str]:
        """The environment of the process."""
        return {
            **os.environ,
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "BOKEHBENCH_STORE": str(self.store),
            # Nobody listens there; the user's own adb server is none of a test's business.
            "BOKEHBENCH_ADB_SERVER": "127.0.0.1:1",
            **self.environment,
        }

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            [sys.executable, "-m", "bokehbench", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=self.variables(),
            cwd=self.home,
            text=True,
        )

    def __call__(self, *words: object) -> Ended:
        """Run a command to its end."""
        with self.start(*words) as process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                raise
        return Ended(process.returncode, out, err)
