"""TFLite's C library for Linux, fetched from npm by this machine's own client, for tests alone."""

import base64
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from tests.rig.packages import RigMissing, build_once, cache_folder

PACKAGE = "tfjs-tflite-node@0.0.2"
INTEGRITY = (
    "sha512-Zed9biOz9lkWsekvPwdEmxXnsjXJnZO8iOV0s2Y20QU15cwiPedzFEBYiGbK7smYpkJpQNNY9Suko"
    "KmUi9bk9w=="
)
"""As the package's lock files give it. The library in there says that it is TFLite 2.9.0; it has
XNNPACK, no GPU delegate, and no signatures."""

FOLDERS = {"x86_64": "linux_amd64", "aarch64": "linux_arm64"}
LIBRARY = "libtensorflowlite_c.so"
FETCH_SECONDS = 300.0


@functools.cache
def tflite_library() -> Path:
    """The library for this machine, fetched once and kept.

    Raises:
        RigMissing: it can't be had here, or is not the file that it should be.
    """
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in FOLDERS:
        raise RigMissing(f"{PACKAGE} has no library for {platform.system()} {machine}")
    member = f"package/cc_deps/{FOLDERS[machine]}/{LIBRARY}"
    key = hashlib.sha256(f"{PACKAGE} {INTEGRITY} {member}".encode()).hexdigest()[:16]

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="bokehbench-npm-") as work:
            archive = _fetch(Path(work))
            with tarfile.open(archive) as packed:
                stream = packed.extractfile(member)
                assert stream is not None
                (folder / LIBRARY).write_bytes(stream.read())

    return build_once(cache_folder() / f"tflite-{key}", build) / LIBRARY


def require_tflite() -> Path:
    """The library; skip the test where it can't be had, in CI fail it instead."""
    try:
        return tflite_library()
    except RigMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"no TFLite library: {missing}")
        pytest.skip(f"no TFLite library: {missing}")


def _fetch(folder: Path) -> Path:
    """The package's archive, of the pinned bytes."""
    if shutil.which("npm") is None:
        raise RigMissing("npm is not on this machine", "apt-get install npm")
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE]
    try:
        result = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RigMissing(f"npm did not end within {FETCH_SECONDS:.0f} s") from None
    found = sorted(folder.glob("*.tgz"))
    if result.returncode != 0 or not found:
        lines = result.stderr.strip().splitlines() or ["no message"]
        raise RigMissing(f"npm failed: {lines[-1]}")
    digest = hashlib.sha512(found[0].read_bytes()).digest()
    have = "sha512-" + base64.b64encode(digest).decode()
    if have != INTEGRITY:
        raise RigMissing(f"{PACKAGE} is {have}, not {INTEGRITY}")
    return found[0]
