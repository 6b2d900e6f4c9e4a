"""Preload: build the small library that adbd is loaded with."""

import hashlib
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.rig.packages import RigMissing, build_once, cache_folder

SOURCE = Path(__file__).with_name("preload.c")

TARGETS = {"amd64": "x86_64-linux-gnu.2.31", "arm64": "aarch64-linux-gnu.2.31"}
"""zig's names; every glibc since 2.31 can load what comes out."""

NAME = "rig-preload.so"


def preload_library(arch: str) -> Path:
    """The library for that architecture, compiled once per change of its source.

    Raises:
        RigMissing: there is no compiler for it.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise RigMissing("the Python package ziglang is missing", "pip install -e '.[dev]'")
    if arch not in TARGETS:
        raise RigMissing(f"no target for architecture {arch}")
    flags = ["-target", TARGETS[arch], "-shared", "-fPIC", "-O2", "-s", "-Wall", "-Werror"]
    key = SOURCE.read_bytes() + "\0".join(flags).encode()
    digest = hashlib.sha256(key).hexdigest()[:16]

    def build(folder: Path) -> None:
        argv = [sys.executable, "-m", "ziglang", "cc", *flags]
        result = subprocess.run(
            [*argv, "-o", str(folder / NAME), str(SOURCE)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise RigMissing(f"preload.c does not compile: {result.stderr.strip()[-500:]}")

    return build_once(cache_folder() / f"preload-{digest}", build) / NAME
