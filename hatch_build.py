"""Build hook: compile the native runner with zig and ship it inside the wheel."""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
SOURCES = ROOT / "android_app" / "runner"


@dataclass(frozen=True)
class Target:
    """One platform that the runner is built for."""

    name: str
    triple: str
    wheel_platform: str
    flags: tuple[str, ...] = ()


LINUX_FLAGS = ("-fPIE", "-pie", "-ldl")

TARGETS = {
    target.name: target
    for target in (
        Target("linux-x86_64", "x86_64-linux-gnu.2.27", "manylinux_2_27_x86_64", LINUX_FLAGS),
        Target("linux-aarch64", "aarch64-linux-gnu.2.27", "manylinux_2_27_aarch64", LINUX_FLAGS),
    )
}

# platform.machine() in lower case; the kernel says aarch64, some systems arm64.
HOSTS = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "amd64"): "linux-x86_64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
}

# -ffp-contract=off: a fused multiply-add rounds once where the host rounds twice, and output
# bytes would differ between machines.
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
RELEASE_FLAGS = ("-O2", "-fno-sanitize=all", "-s")


def host_target() -> Target:
    """The target that this machine can run."""
    system, machine = platform.system().lower(), platform.machine().lower()
    name = HOSTS.get((system, machine))
    if name is None:
        known = ", ".join(sorted({f"{system} {machine}" for system, machine in HOSTS}))
        raise RuntimeError(f"no runner for {system} {machine}; it can be built on: {known}")
    return TARGETS[name]


def sources() -> list[Path]:
    """The runner's C files, its tests left out."""
    return sorted(SOURCES.glob("*.c"))


def build_id() -> str:
    """sha256 over the names and contents of all sources, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")]):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def zig_environment() -> dict[str, str]:
    """The environment with zig's caches in a folder of this user and of nothing else."""
    folder = Path(tempfile.gettempdir()) / f"bokehbench-zig-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to another user; set TMPDIR to a folder of yours")
    return {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(folder / "global"),
        "ZIG_LOCAL_CACHE_DIR": str(folder / "local"),
    }


def build_runner(target: Target, out_path: Path, *, extra_flags: Sequence[str] = ()) -> None:
    """Compile the runner for `target`; a failed build raises with the compiler's words."""
    out_path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", "ziglang", "cc", "-target", target.triple),
        *FLAGS,
        *RELEASE_FLAGS,
        f'-DBOKEHBENCH_BUILD="{build_id()}"',
        *map(str, sources()),
        *("-o", str(out_path)),
        *target.flags,
        *extra_flags,
    ]
    result = subprocess.run(
        command, env=zig_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"the runner for {target.name} did not build:\n{result.stderr}")
    out_path.chmod(0o755)


class CustomBuildHook(BuildHookInterface[Any]):
    """Builds `bokehbench/_runners/<target>/runner` in the source tree, where an editable install
    finds it, and adds that one file (git ignores it) to the wheel.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        target = host_target()
        place = f"harness/bokehbench/_runners/{target.name}/runner"
        build_runner(target, ROOT / place)
        build_data["artifacts"].append(f"/{place}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{target.wheel_platform}"
