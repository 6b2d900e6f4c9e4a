"""Emulate: run an arm64 device on another machine, through a private binfmt_misc.

The kernel keeps one binfmt_misc for each user namespace (since Linux 6.7), so the emulator is
registered for the device alone and nothing on the machine changes.
"""

import functools
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.rig.packages import RigMissing, host_arch, unpacked

QEMU = "qemu-aarch64"

MAGIC = r"\x7fELF\x02\x01\x01\x00" + r"\x00" * 8 + r"\x02\x00\xb7\x00"
MASK = r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"
"""A 64-bit little-endian ELF executable or library for AArch64, whatever its OS ABI."""

REGISTER = """\
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' "$1" > /proc/sys/fs/binfmt_misc/register
shift
exec "$@"
"""


@functools.cache
def emulator() -> Path:
    """The program that runs arm64 programs.

    Raises:
        RigMissing: it can't be had here.
    """

    def finish(folder: Path) -> None:
        program = (folder / "usr/bin" / QEMU).rename(folder / QEMU)
        shutil.rmtree(folder / "usr")
        program.chmod(0o755)

    host = host_arch()
    if host != "amd64":
        raise RigMissing(f"no emulator of arm64 for {host}")
    folder = unpacked(["qemu-user"], arch=host, recipe=QEMU, finish=finish, dependencies=False)
    return folder / QEMU


def emulated(command: Sequence[str]) -> list[str]:
    """The argv that runs `command` where arm64 programs can be executed.

    F has the kernel open the emulator at once, so that it works in any root.
    """
    entry = f":{QEMU}:M::{MAGIC}:{MASK}:{emulator()}:F"
    return ["unshare", "-Urm", "sh", "-c", REGISTER, "register", entry, *command]
