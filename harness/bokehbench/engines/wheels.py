"""Libraries out of a Python wheel for another platform, through pip and its own settings."""

import importlib.util
import sys
from pathlib import Path

from bokehbench.engines.effort import Effort
from bokehbench.engines.process import run_program
from bokehbench.errors import EngineError

GLIBC_MINORS = (17, 24, 26, 27, 28, 31, 34, 35)
"""glibc 2.N of the platform tags that wheels of inference engines carry."""


def platform_tags(abi: str) -> list[str]:
    """Platform tags of Linux wheels for an ABI, the oldest glibc first."""
    return [f"manylinux2014_{abi}", *(f"manylinux_2_{minor}_{abi}" for minor in GLIBC_MINORS)]


def fetch_wheel(package: str, version: str, abi: str, folder: Path, effort: Effort) -> Path:
    """The wheel of a package for Linux on another machine, below `folder`.

    pip finds the index by this machine's settings and checks the index's own hash.

    Raises:
        EngineError: there is no pip, or it did not fetch the wheel.
    """
    if importlib.util.find_spec("pip") is None:
        raise EngineError(
            f"{package}: this Python has no pip to fetch it with; run `{sys.executable} -m "
            "ensurepip`, or give the wheel with --from FILE"
        )
    words = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    words += ["--no-input", "--progress-bar=off", "--disable-pip-version-check", "--no-color"]
    for tag in platform_tags(abi):
        words += ["--platform", tag]
    ended = run_program(
        [*words, "--dest", str(folder), f"{package}=={version}"],
        effort,
        f"{package} {version} for Linux {abi}",
    )
    wheels = sorted(folder.glob("*.whl"))
    if ended.exit_code != 0 or len(wheels) != 1:
        reason = next((line for line in ended.lines if line.startswith("ERROR: ")), None)
        said = reason or (ended.lines[-1] if ended.lines else f"exit code {ended.exit_code}")
        raise EngineError(
            f"{package} {version} for Linux {abi}: pip did not fetch it: "
            f"{said.removeprefix('ERROR: ')}; nothing was installed; on a machine without "
            "network give the wheel with --from FILE"
        )
    return wheels[0]
