"""Sandbox: the command line that runs adbd as uid 2000 in a device root of its own."""

import functools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.emulate import emulated
from tests.rig.packages import RigMissing, host_arch
from tests.rig.preload import NAME, preload_library
from tests.rig.root import Root, device_root, host_command
from tests.rig.vulkan import SoftwareGpu, device_gpu

GPU_FOLDER = "/vendor/lib64"
USER_NAMESPACES = "sysctl -w kernel.unprivileged_userns_clone=1"

ISOLATION = (
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--unshare-user", "--uid", "2000", "--gid", "2000"),
    *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "localhost"),
)
"""The network stays shared: the device listens on this machine's loopback."""

ENVIRONMENT = {
    "ANDROID_DATA": "/data",
    "ANDROID_ROOT": "/system",
    "HOME": "/",
    "PATH": "/system/bin:/vendor/bin",
    "SHELL": "/system/bin/sh",
    "TMPDIR": "/data/local/tmp",
    "USER": "shell",
}


@dataclass(frozen=True)
class Folders:
    """What a device has of its own: host folders, bound into the root."""

    base: Path

    @property
    def data(self) -> Path:
        """/data"""
        return self.base / "data"

    @property
    def rig(self) -> Path:
        """/rig: the texts that getprop and dumpsys answer from."""
        return self.base / "rig"

    @property
    def sys(self) -> Path:
        """/sys"""
        return self.base / "sys"

    @property
    def commands(self) -> Path:
        """/vendor/bin: programs that a test adds."""
        return self.base / "bin"


def sandbox_command(
    root: Root,
    folders: Folders | None,
    argv: Sequence[str],
    *,
    port: int = 0,
    limit_bytes: int | None = None,
    system: Path | None = None,
    gpu: bool = False,
) -> list[str]:
    """The argv that runs `argv` inside; `system` takes the place of the root's own /system."""
    command = [*host_command("usr/bin/bwrap"), *ISOLATION, "--ro-bind", str(root.folder), "/"]
    if system is not None:
        command += ["--ro-bind", str(system), "/system"]
    if folders:
        command += ["--bind", str(folders.data), "/data", "--bind", str(folders.rig), "/rig"]
        command += ["--bind", str(folders.sys), "/sys"]
        command += ["--ro-bind", str(folders.commands), "/vendor/bin"]
    if limit_bytes is not None:
        command += ["--perms", "0771", "--size", str(limit_bytes), "--tmpfs", "/data/local/tmp"]
    environment = {**ENVIRONMENT, "ADBD_PORT": str(port)}
    if gpu:
        software = device_gpu(root.arch)
        command += ["--ro-bind", str(software.folder), GPU_FOLDER]
        environment |= SoftwareGpu(Path(GPU_FOLDER)).environment
    command += ["--tmpfs", "/sdcard", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
    command += ["--chdir", "/", "--clearenv"]
    for name, value in environment.items():
        command += ["--setenv", name, value]
    command += argv
    return command if root.arch == host_arch() else emulated(command)


def adbd_argv(root: Root) -> list[str]:
    """adbd with our library, which the commands that it starts don't inherit."""
    return [root.loader, "--preload", f"/rig/{NAME}", root.adbd]


@functools.cache
def require(arch: str) -> Root:
    """The root for devices of that architecture, once everything that they need is here.

    Raises:
        RigMissing: something can't be had; it names what.
    """
    root = device_root(arch)
    preload_library(arch)
    probe = sandbox_command(root, None, ["/system/bin/sh", "-c", "exit 42"])
    result = subprocess.run(
        probe, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode != 42:
        # No emulator means no binfmt_misc in user namespaces, which no setting brings.
        command = USER_NAMESPACES if arch == host_arch() else ""
        raise RigMissing(f"no sandbox for {arch} here: {result.stderr.strip()}", command)
    return root
