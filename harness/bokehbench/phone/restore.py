"""What is changed on a device for a run, and put back whatever happens to the host.

Before anything is changed, a script with the old values lies on the device and a watcher runs
there, in a session of its own, so that it outlives the link. A lease says that the host is alive:
over adb a command that is held open, which the device itself kills when the link breaks; on this
machine the host's own process. When the lease is gone for two looks, the watcher runs the script.
The host runs it too, at the end of a run and where an earlier run left one; whoever renames the
folder first is the one who does it.

A watcher dies with the device, and on phones where adbd is restarted perhaps with adbd; the
script is then run by the next run on that device.
"""

import contextlib
import os
import posixpath
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bokehbench.errors import DeviceError
from bokehbench.phone.device import SHORT_SECONDS, Device
from bokehbench.phone.restore_scripts import BEGIN, END, HOLD, WATCHER
from bokehbench.phone.sampler import little_cores
from bokehbench.phone.transport import Deadline
from bokehbench.profile import ClockLock

LEASE_SECONDS = 900.0
"""How long one held command lasts; a new one follows. A host that died with its USB cable still
plugged in breaks no link, so that this ends its lease."""

END_SECONDS = 5.0
"""How long the held command may take to end once its process was killed."""


@dataclass
class Changes:
    """What is changed on a device now.

    `names` are settings and files as a Record keeps them, `refused` what the device would not
    change; `clocks_locked` is whether every clock that was to be locked is.
    """

    names: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    clocks_locked: bool = False
    restored_earlier: int = 0
    _keeper: "_Keeper | None" = field(default=None, repr=False)

    @property
    def stand(self) -> bool:
        """Whether the changes stand, as far as the host knows: the link did not break."""
        return self._keeper is None or self._keeper.is_held

    def again(self) -> None:
        """After the device was lost: look whether the changes still stand, else make them again.

        Raises:
            DeviceError: the device can't be changed any more, or does not answer.
        """
        if self._keeper is not None and not self.stand:
            self._keeper.begin(self)


@contextlib.contextmanager
def watch(
    device: Device, locks: Sequence[ClockLock] = (), *, stay_awake: bool = True
) -> Iterator[Changes]:
    """Change a device for a run, and put everything back at the end.

    On Android it is kept awake; with `locks` its clocks are fixed at their highest, which
    takes a rooted device. Where nothing is to be changed nothing is sent.

    Raises:
        DeviceError: another run holds the device, clocks are to be locked and it is not
            rooted, or it does not answer.
    """
    awake = stay_awake and device.facts.platform == "android"
    changes = Changes()
    if not awake and not locks:
        yield changes
        return
    keeper = _Keeper(device, tuple(locks), awake)
    changes._keeper = keeper
    try:
        keeper.begin(changes)
        yield changes
    finally:
        keeper.end()


class _Keeper:
    """The lease and the folder of one run's changes."""

    def __init__(self, device: Device, locks: tuple[ClockLock, ...], awake: bool) -> None:
        self._device = device
        self._locks = locks
        self._awake = awake
        self._folder = ""
        self._held = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_held(self) -> bool:
        """Whether the lease stands, as far as the host knows."""
        return self._held.is_set()

    def begin(self, changes: Changes) -> None:
        """Take a lease, start the watcher, make the changes.

        Raises:
            DeviceError: it can't be done; nothing stays changed.
        """
        root = self._device.transport.root
        self.end()
        self._folder = posixpath.join(root, "changes", secrets.token_hex(5))
        self._take_lease()
        arguments = [word for lock in self._locks for word in (lock.path, lock.source)]
        said = self._device.check_shell(
            "can't be prepared for a run",
            BEGIN,
            root,
            self._folder,
            _mask(self._device),
            WATCHER,
            "yes" if self._awake else "",
            *arguments,
        )
        lines = [line.split(" ", 1) for line in said.splitlines() if line.startswith("@")]
        words = [line[0] for line in lines]
        address = self._device.facts.address
        if "@busy" in words:
            raise DeviceError(f"{address}: another run is on this device; wait until it has ended")
        if "@unrooted" in words:
            raise DeviceError(
                f"{address}: --lock-clocks needs a rooted device, and no root shell answers; "
                "leave the option out"
            )
        if "@done" not in words:
            raise DeviceError(f"{address}: its preparation for a run was cut short; run again")
        named = {word: _names(lines, word) for word in ("@changed", "@refused", "@locked")}
        changes.names, changes.refused = named["@changed"], named["@refused"]
        files = [name for name in named["@refused"] if name.startswith("/")]
        changes.clocks_locked = bool(self._locks) and bool(named["@locked"]) and not files
        changes.restored_earlier += words.count("@left")
        if not changes.names:
            # Nothing to put back: no lease, no watcher, nothing that costs anything.
            self.end()
            self._held.set()

    def end(self) -> None:
        """Put everything back, or leave it to the watcher of a device that is gone."""
        if self._folder:
            # The lease of this machine is our own process.
            kill = "" if self._device.is_this_machine else "kill"
            with contextlib.suppress(DeviceError):
                self._device.shell(END, self._folder, kill)
        self._folder = ""
        self._stop_holding()

    def _take_lease(self) -> None:
        self._over.clear()
        if self._device.is_this_machine:
            folder = Path(self._folder)
            folder.mkdir(parents=True, exist_ok=True)
            began = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(") ")[2]
            (folder / "lease").write_text(f"{os.getpid()} {began.split()[19]}\n", encoding="ascii")
            self._held.set()
            return
        self._thread = threading.Thread(
            target=self._hold, name="bokehbench-lease", args=(self._folder,), daemon=True
        )
        self._thread.start()
        if not self._held.wait(SHORT_SECONDS):
            self._over.set()
            raise DeviceError(f"{self._device.facts.address}: no answer; nothing was changed")

    def _hold(self, folder: str) -> None:
        """Keep a command open for as long as the run lasts or the link holds."""
        while not self._over.is_set():
            try:
                result = self._device.transport.run(
                    ["sh", "-c", HOLD, "lease", folder],
                    deadline=Deadline.after(LEASE_SECONDS),
                    on_stdout=lambda _: self._held.set(),
                    alone=True,
                )
            except DeviceError:
                break
            if not result.timed_out:
                break
        self._held.clear()

    def _stop_holding(self) -> None:
        self._over.set()
        if self._thread is not None:
            # Its command was killed; where the device is gone the thread ends with the link.
            self._thread.join(END_SECONDS)
        self._thread = None
        self._held.clear()


def _names(lines: Sequence[Sequence[str]], word: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line[1].strip() for line in lines if line[0] == word and line[1:]))


def _mask(device: Device) -> str:
    """The slowest cores as taskset takes them, or nothing."""
    cores = little_cores(device.facts)
    return f"{sum(1 << core for core in cores):x}" if cores else ""
