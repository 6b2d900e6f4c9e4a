"""Libraries for APKs, compiled by zig, and Android's own programs that look at an APK."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from android_app.build import TARGETS, zig_cc

ENTRY = "void ANativeActivity_onCreate(void) {}"
PACKAGES = {
    "apksigner": "apksigner",
    "aapt2": "aapt",
    "zipalign": "zipalign",
    "dexdump": "dexdump",
}
"""Program -> Debian's package."""


@functools.cache
def _compiled(abi: str, source: str, page_bytes: int) -> bytes:
    target = TARGETS[f"android-{abi}"]
    with tempfile.TemporaryDirectory(prefix="bokehbench-library-") as name:
        folder = Path(name)
        (folder / "library.c").write_text(source, encoding="utf-8")
        flags = ["-shared", "-fPIC", "-nostdlib", "-ffreestanding", "-fno-builtin", "-O2", "-s"]
        flags += [f"-Wl,-z,max-page-size={page_bytes}", *target.flags]
        out = folder / "library.so"
        problem = zig_cc(target, [*flags, str(folder / "library.c"), "-o", str(out)])
        assert not problem, problem
        return out.read_bytes()


def write_library(
    path: Path, abi: str = "arm64-v8a", source: str = ENTRY, *, page_bytes: int = 16384
) -> Path:
    """Write a shared library for Android; by default it has the entry of a native activity."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_compiled(abi, source, page_bytes))
    return path


def require_program(name: str) -> str:
    """A program of Android's build tools; skip the test where it is missing, in CI fail it."""
    found = shutil.which(name)
    if found is None:
        reason = f"no {name}; try: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def ask(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run one of these programs to its end."""
    return subprocess.run(
        [require_program(name), *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
