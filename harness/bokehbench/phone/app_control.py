"""The app on a device: installed when its bytes differ, started until it greets, ended, removed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import AppTrouble, DeadlineExceeded, DeviceError, DeviceLost, UsageError
from bokehbench.facts.app import COMPONENT, MIN_SDK, PACKAGE, SOCKET_NAME
from bokehbench.phone.adb_stream import Refused
from bokehbench.phone.app_link import AppGone, AppLink, AppRefused, Opening
from bokehbench.phone.app_text import (
    apk_paths,
    install_failure,
    is_installed,
    start_failure,
    uninstall_failure,
    unnamed_failure,
    why_not_in_front,
)
from bokehbench.phone.device import LOST_SECONDS, PUSH_SECONDS, Device
from bokehbench.phone.process import Stop
from bokehbench.phone.transport import Deadline

INSTALL_SECONDS = 180.0
"""`pm install` compiles nothing of ours; a question on the screen may wait for the user."""

PM_SECONDS = 30.0
"""`pm path` answers in less than one, unless the device is still starting."""

AM_SECONDS = 20.0
"""`am start -W` waits until the activity is drawn; Android itself gives up after 10 s."""

GREET_SECONDS = 10.0
FRONT_SECONDS = 6.0
"""How long an activity that was started may take to be in front."""

AGAIN_SECONDS = 0.1

UNREADABLE = "unreadable"


class NotInFront(AppTrouble):
    """Another app, a dialog or the lock screen is in front."""


@dataclass(frozen=True)
class AppPackage:
    """An APK on this host: the app around the engines' libraries, known by its hash.

    `libraries` are the names of the libraries in it.
    """

    path: Path
    sha256: str
    libraries: frozenset[str] = frozenset()


class App:
    """The app on one device. Between `install` and the end of a run nobody else should use it."""

    def __init__(
        self,
        device: Device,
        package: AppPackage | None = None,
        *,
        socket: str = SOCKET_NAME,
        greet_seconds: float = GREET_SECONDS,
        am_seconds: float = AM_SECONDS,
        install_seconds: float = INSTALL_SECONDS,
        front_seconds: float = FRONT_SECONDS,
    ) -> None:
        """Nothing is done yet.

        Raises:
            UsageError: there are no apps on that device.
        """
        require_apps(device)
        assert isinstance(device.transport, Opening)
        self.device = device
        self.package = package
        self._transport: Opening = device.transport
        self._socket = socket
        self._greet_seconds = greet_seconds
        self._am_seconds = am_seconds
        self._install_seconds = install_seconds
        self._front_seconds = front_seconds

    def installed_sha256(self) -> str | None:
        """The hash of the installed APK as the device tells it, or None when there is none.

        An APK that can't be hashed is one of another hash.

        Raises:
            AppTrouble: its package manager does not say.
        """
        result = self.device.shell('pm path "$1" 2>&1', PACKAGE, seconds=PM_SECONDS)
        said = result.stdout.decode("utf-8", "replace")
        paths = apk_paths(said)
        if result.timed_out:
            raise self._trouble(
                f"`pm path` did not end within {PM_SECONDS:.0f} s, so nobody knows whether the app "
                "is installed: restart the device"
            )
        # 1 without a word of its own: no such package.
        if not paths and result.exit_code not in (0, 1):
            raise self._trouble(f"`pm path` failed: {unnamed_failure(said)}")
        if not paths:
            return None
        if len(paths) > 1:
            return "several files"
        told = self.device.shell(
            f'{self.device.digest.program} < "$1"', paths[0], seconds=PUSH_SECONDS
        ).stdout.split()
        return told[0].decode("ascii", "replace") if told else UNREADABLE

    def install(self, say: Callable[[str], None] = lambda _: None) -> bool:
        """Have exactly this APK on the device; whether it had to be installed.

        Raises:
            AppTrouble: the device refuses it; the message has the cure.
            TransferError: it did not arrive whole.
        """
        package = self.package
        assert package is not None
        digest = self.device.digest.of_file(package.path)
        if self.installed_sha256() == digest:
            return False
        say(f"installing {PACKAGE} on {self._where}; look at its screen if it takes long")
        placed = self.device.place(package.path, name="app.apk", sha256=package.sha256, verify=True)
        try:
            self._install(placed.path)
        finally:
            # The package manager has its own copy now.
            self._quietly('rm -f "$1"; rmdir "$2"', placed.path, placed.folder)
        found = self.installed_sha256()
        if found is None:
            raise self._trouble("the device says that the app is installed, but has none")
        if found not in (digest, UNREADABLE):
            raise self._trouble(
                "the device says that the app is installed, but has another: run `bokehbench apk "
                f"uninstall --device {self._where}`, then again"
            )
        return True

    def uninstall(self) -> bool:
        """Remove the app with its data; whether there was one.

        Raises:
            AppTrouble: the device keeps it.
        """
        if self.installed_sha256() is None:
            return False
        result = self.device.shell('pm uninstall "$1" 2>&1', PACKAGE, seconds=self._install_seconds)
        said = result.stdout.decode("utf-8", "replace")
        if result.timed_out:
            raise self._trouble(
                f"`pm uninstall` did not end within {self._install_seconds:.0f} s: look at the "
                "device's screen"
            )
        if not is_installed(said):
            raise self._trouble(f"the app was not removed: {uninstall_failure(said)}")
        return True

    def start(self, stop: Stop | None = None) -> AppLink:
        """A fresh process of the app that greeted and is in front.

        Raises:
            AppTrouble: it can't be started, does not greet, or does not come to the front.
            DeviceLost: the device went.
            KeyboardInterrupt: the run was stopped.
        """
        check = stop.check if stop is not None else _nothing
        check()
        said, in_time = self._am_start()
        if failure := start_failure(said):
            raise self._trouble(failure)
        link = self._greeted(said, in_time, check)
        try:
            self._in_front(link, check)
        except BaseException:
            link.close()
            raise
        return link

    def rejoin(self) -> AppLink:
        """Another connection to the process that runs, once it saw that the last client left.

        Raises:
            DeviceError: none greets.
        """
        until = Deadline.after(self._greet_seconds)
        while True:
            try:
                return AppLink.greeted(self._transport, until, socket=self._socket)
            except (AppRefused, AppGone, Refused) as error:
                other = isinstance(error, AppRefused) and error.code != "busy"
                if other or until.remaining() <= AGAIN_SECONDS:
                    raise
            time.sleep(AGAIN_SECONDS)

    def end(self) -> None:
        """End the app's process, if one runs and the device is there."""
        self._quietly('am force-stop "$1"', PACKAGE)

    def exit_info(self) -> str:
        """What Android keeps of how the app's processes ended (Android 11 and newer)."""
        try:
            result = self.device.shell(
                'dumpsys activity exit-info "$1" 2>/dev/null', PACKAGE, seconds=LOST_SECONDS
            )
        except DeviceError:
            return ""
        return result.stdout.decode("utf-8", "replace")

    @property
    def _where(self) -> str:
        return self.device.facts.address

    def _install(self, path: str) -> None:
        result = self.device.shell('pm install -r "$1" 2>&1', path, seconds=self._install_seconds)
        said = result.stdout.decode("utf-8", "replace")
        if is_installed(said):
            return
        if result.timed_out:
            raise self._trouble(
                f"`pm install` did not end within {self._install_seconds:.0f} s: the device waits "
                "for an answer on its screen (Play Protect, `Install via USB`): give it and run "
                "again"
            )
        raise self._trouble(f"the app was not installed: {install_failure(said, self._where)}")

    def _am_start(self) -> tuple[str, bool]:
        """What `am start` said, and whether it ended in time."""
        result = self.device.shell(
            'am start -S -W -n "$1" 2>&1', COMPONENT, seconds=self._am_seconds
        )
        return result.stdout.decode("utf-8", "replace"), not result.timed_out

    def _greeted(self, said: str, in_time: bool, check: Callable[[], None]) -> AppLink:
        """The first greeting within the deadline; adb may accept before anybody listens."""
        until = Deadline.after(self._greet_seconds)
        why: DeviceError | None = None
        while until.remaining() > 0:
            check()
            try:
                return AppLink.greeted(self._transport, until, socket=self._socket)
            except AppRefused as error:
                raise self._trouble(_refusal(error)) from error
            except (AppGone, Refused, DeadlineExceeded) as error:
                why = error
            except DeviceLost:
                raise
            except AppTrouble as error:
                raise self._trouble(str(error)) from error
            time.sleep(min(AGAIN_SECONDS, until.remaining()))
        raise self._trouble(self._no_greeting(said, in_time, why))

    def _no_greeting(self, said: str, in_time: bool, why: DeviceError | None) -> str:
        if not in_time:
            return (
                f"`am start` did not end within {self._am_seconds:.0f} s and the app does not "
                "greet: look at the device's screen, or restart it"
            )
        told = f"; {why}" if why is not None else ""
        code = "did not greet" if "Status: ok" in said else "did not start and greet"
        return (
            f"the app {code} within {self._greet_seconds:.0f} s{told}: look at the device's screen "
            "for a message; `bokehbench doctor --app` tells more"
        )

    def _in_front(self, link: AppLink, check: Callable[[], None]) -> None:
        """Wait until the activity is resumed and has the focus; wake the device once if not."""
        until = Deadline.after(self._front_seconds)
        woken = False
        state, focused = link.greeting.state, link.greeting.focused
        while not (state == "resumed" and focused):
            check()
            if until.remaining() <= 0:
                raise NotInFront(
                    f"{self._where}: the app is not in front (state {state}, "
                    f"{'with' if focused else 'no'} focus): {self._why_not_in_front()}"
                )
            if not woken and until.remaining() < self._front_seconds * 0.75:
                woken = True
                self._quietly("input keyevent KEYCODE_WAKEUP; wm dismiss-keyguard")
            time.sleep(AGAIN_SECONDS)
            try:
                pong = link.ping()
            except (AppGone, DeadlineExceeded) as error:
                raise self._trouble(f"the app ended right after its greeting: {error}") from error
            state, focused = pong.state, pong.focused

    def _why_not_in_front(self) -> str:
        texts = []
        for service in ("window", "power"):
            script = 'dumpsys "$1" 2>/dev/null'
            try:
                result = self.device.shell(script, service, seconds=LOST_SECONDS)
            except DeviceError:
                return "the device went"
            texts.append(result.stdout.decode("utf-8", "replace"))
        return why_not_in_front(*texts)

    def _quietly(self, script: str, *args: str) -> None:
        """A script whose failure changes nothing: the device may be gone."""
        try:
            self.device.shell(f"{{ {script}; }} >/dev/null 2>&1", *args, seconds=LOST_SECONDS)
        except DeviceError:
            return

    def _trouble(self, text: str) -> AppTrouble:
        return AppTrouble(f"{self._where}: {text}")


def require_apps(device: Device) -> None:
    """Refuse devices that have no apps.

    Raises:
        UsageError: it is this machine, or no Android.
    """
    address = device.facts.address
    if device.is_this_machine:
        raise UsageError(
            f"{address}: this machine has no apps; name an Android device, or use --launch shell"
        )
    if device.facts.platform != "android":
        raise UsageError(f"{address}: not Android, so it has no apps; use --launch shell")
    if device.facts.sdk is not None and device.facts.sdk < MIN_SDK:
        raise UsageError(
            f"{address}: API level {device.facts.sdk}; the app needs {MIN_SDK} (Android 7.0)"
        )
    if not isinstance(device.transport, Opening):
        raise UsageError(f"{address}: this link can't reach an app's socket; use --launch shell")


def _refusal(error: AppRefused) -> str:
    if error.code == "busy":
        return (
            f"{error}; another program is connected to the app: end it (perhaps another bokehbench)"
        )
    if error.code == "stranger":
        return (
            f"{error}; adbd on this device runs as a user that the app does not let in: restart "
            "adbd as the shell with `adb unroot`"
        )
    return str(error)


def _nothing() -> None:
    return
