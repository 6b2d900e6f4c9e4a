"""Device: one test device, a real adbd with a real Android shell in a sandbox."""

import errno
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.rig import leash, wire
from tests.rig.bionic import bionic_root
from tests.rig.packages import host_arch
from tests.rig.preload import NAME, preload_library
from tests.rig.sandbox import Folders, adbd_argv, require, sandbox_command
from tests.rig.texts import DUMPSYS, PROPERTIES, write_sys

PORTS = range(20000, 30000)
"""Above 5600, where adb looks for emulators unasked; below what kernels hand out."""

START_SECONDS = 20.0
FILL_SECONDS = 5.0


class TestDevice:
    """One device. It is off until `start()`; `close()` removes it with all its files.

    Its files (`data`), its port and its texts stay the same through `power_off()` and
    another `start()`.
    """

    __test__ = False

    def __init__(
        self,
        *,
        serial: str | None = None,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        arch: str | None = None,
        limit_bytes: int | None = None,
        linker64: bool = False,
        bionic: bool = False,
        gpu: bool = False,
    ) -> None:
        """Make a device.

        Args:
            serial: its ro.serialno; made from the port when there is none.
            port: its TCP port; a free one when there is none.
            properties: more properties than a Kirin 9000 phone's, or others.
            arch: "amd64" or "arm64", as Debian calls them; this machine's when None.
            limit_bytes: size of /data/local/tmp, which then is empty after every start.
            linker64: have /system/bin/linker64, so that the device says it is Android.
            bionic: arm64 alone: have a real Android C library and a linker that loads it, so
                that Android programs run.
            gpu: have a Vulkan driver, Mesa's lavapipe.

        Raises:
            RigMissing: a part of the rig can't be had here.
        """
        self._root = require(arch or host_arch())
        self._held = hold_port(port)
        self.port: int = self._held.getsockname()[1]
        self.serial = serial or f"RIG{self.port}"
        self.limit_bytes = limit_bytes
        self._system = self._root.android_system if linker64 else None
        if bionic:
            self._system = bionic_root(self._root) / "system"
        self._gpu = gpu
        self._leash: leash.Leash | None = None
        self._init: int | None = None
        self._adbd: int | None = None
        self._folders = Folders(Path(tempfile.mkdtemp(prefix="bokehbench-device-")))
        self._make_folders()
        self.properties = {**PROPERTIES, "ro.serialno": self.serial, **(properties or {})}
        self._write_properties()
        for service, text in DUMPSYS.items():
            self.set_dumpsys(service, text)

    def __enter__(self) -> "TestDevice":
        try:
            return self if self._leash else self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """What a client connects to."""
        return f"127.0.0.1:{self.port}"

    @property
    def is_on(self) -> bool:
        """Whether adbd runs, frozen or not."""
        return self._adbd is not None and leash.is_alive(self._adbd)

    @property
    def data(self) -> Path:
        """The host's path of the device's /data."""
        return self._folders.data

    @property
    def tmp(self) -> Path:
        """The host's path of /data/local/tmp; with `limit_bytes` only while the device is on."""
        if self.limit_bytes is None:
            return self.data / "local/tmp"
        return Path(f"/proc/{self._running()}/root/data/local/tmp")

    @property
    def sys(self) -> Path:
        """The host's path of the device's /sys; a test may write any file there, any time."""
        return self._folders.sys

    def start(self) -> "TestDevice":
        """Switch on, and wait until adbd answers."""
        if self._leash:
            raise RuntimeError(f"{self.address} is on")
        command = sandbox_command(
            self._root,
            self._folders,
            adbd_argv(self._root),
            port=self.port,
            limit_bytes=self.limit_bytes,
            system=self._system,
            gpu=self._gpu,
        )
        self._leash = leash.Leash(command, self._log)
        try:
            leash.wait_until(f"adbd at {self.address}", self._answers, START_SECONDS)
        except BaseException as error:
            self.power_off()
            error.add_note(self._log.read_text(encoding="utf-8", errors="replace")[-2000:])
            raise
        return self

    def power_off(self) -> None:
        """Switch off as a pulled battery does: every process ends at once."""
        if self._leash:
            self._leash.end()
            init = self._init
            if init is not None:
                leash.wait_until("power off", lambda: not leash.is_alive(init), 10)
        self._leash = self._init = self._adbd = None

    def freeze(self) -> None:
        """Stop adbd: connections stay open and nothing answers. Commands run on."""
        leash.send(self._running(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen adbd go on."""
        leash.send(self._running(), signal.SIGCONT)

    def fill_disk(self, leave_bytes: int = 0) -> None:
        """Fill /data/local/tmp up to the last `leave_bytes`; `limit_bytes` has to be set.

        The device may be writing to it at the same time.
        """
        if self.limit_bytes is None:
            raise ValueError("a device without limit_bytes has no disk of its own to fill")
        until = time.monotonic() + FILL_SECONDS
        with open(self.tmp / ".filler", "ab") as stream:
            while (count := _free_bytes(stream.fileno()) - leave_bytes) > 0:
                try:
                    os.posix_fallocate(stream.fileno(), os.fstat(stream.fileno()).st_size, count)
                except OSError as error:
                    # Somebody was faster: then there is less to fill.
                    if error.errno != errno.ENOSPC or time.monotonic() > until:
                        raise

    def empty_disk(self) -> None:
        """Undo `fill_disk`."""
        (self.tmp / ".filler").unlink(missing_ok=True)

    def processes(self) -> list[tuple[int, tuple[str, ...]]]:
        """(the host's pid, argv) of everything on the device but adbd and its init.

        Empty when nothing was left behind.
        """
        if not self._init or not leash.is_alive(self._init):
            return []
        pids = (pid for pid in leash.descendants(self._init) if pid != self._adbd)
        # Of an emulated program the first word is the emulator.
        skip = 0 if self._root.arch == host_arch() else 1
        return [(pid, leash.argv_of(pid)[skip:]) for pid in pids]

    def shell(self, command: str, timeout: float = 20.0) -> wire.ShellResult:
        """Run a command line by adb's protocol, without any server or client library."""
        return wire.shell(self.port, command, timeout)

    def set_property(self, name: str, value: str | None) -> None:
        """Change a property, or remove it with None."""
        if value is None:
            self.properties.pop(name, None)
        else:
            self.properties[name] = value
        self._write_properties()

    def set_dumpsys(self, service: str, text: str) -> None:
        """Change what `dumpsys SERVICE` prints."""
        (self._folders.rig / "dumpsys" / service).write_text(text, encoding="utf-8")

    def add_command(self, name: str, script: str) -> None:
        """Put an executable on the device's PATH, in /vendor/bin."""
        path = self._folders.commands / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def close(self) -> None:
        """Switch off, free the port and delete the device's files."""
        self.power_off()
        self._held.close()
        if self._folders.base.exists():
            _remove(self._folders.base)

    @property
    def _log(self) -> Path:
        return self._folders.base / "adbd.log"

    def _running(self) -> int:
        if self._adbd is None:
            raise RuntimeError(f"{self.address} is off")
        return self._adbd

    def _make_folders(self) -> None:
        self._folders.base.chmod(0o711)
        tmp = self._folders.data / "local/tmp"
        for folder in (tmp, self._folders.rig / "dumpsys", self._folders.commands):
            folder.mkdir(parents=True)
        # On a phone /data belongs to system, and the shell may only pass through.
        tmp.chmod(0o771)
        tmp.parent.chmod(0o111)
        self._folders.data.chmod(0o111)
        shutil.copy(preload_library(self._root.arch), self._folders.rig / NAME)
        write_sys(self._folders.sys)

    def _write_properties(self) -> None:
        text = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        part = self._folders.rig / "build.prop.part"
        part.write_text(text, encoding="utf-8")
        part.rename(self._folders.rig / "build.prop")

    def _answers(self) -> bool:
        assert self._leash
        if self._leash.child is None and self._leash.ended_early():
            raise RuntimeError("adbd ended at once")
        try:
            wire.banner(self.port, timeout=2)
        except (OSError, wire.WireError):
            return False
        # bwrap, the init of its pid namespace, adbd
        bwrap = self._leash.child
        self._init = leash.children(bwrap)[0] if bwrap else None
        self._adbd = leash.children(self._init)[0] if self._init else None
        return self._adbd is not None


def _free_bytes(fd: int) -> int:
    state = os.statvfs(fd)
    return state.f_bavail * state.f_frsize


def hold_port(port: int | None) -> socket.socket:
    """A socket that keeps a port for one device, on or off, but does not listen.

    It is bound alone and shared only then, so no other device gets the same port.
    """
    for candidate in [port] if port else random.sample(PORTS, 100):
        sock = socket.socket()
        try:
            sock.bind(("127.0.0.1", candidate))
        except OSError:
            sock.close()
            if port:
                raise
            continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return sock
    raise OSError("no free port")


def _remove(folder: Path) -> None:
    """Delete a tree in which the device may have made folders that can't be listed."""
    for path, names, _ in os.walk(folder):
        for inner in (Path(path, name) for name in names):
            if not inner.is_symlink():
                inner.chmod(0o700)
    shutil.rmtree(folder)
