"""The app on a device: started until it greets and is in front, met again, ended."""

import time
from collections.abc import Callable

from bokehbench.errors import AppTrouble, DeadlineExceeded, DeviceError, DeviceLost
from bokehbench.facts.app import COMPONENT, PACKAGE, SOCKET_NAME
from bokehbench.phone.adb_stream import Refused
from bokehbench.phone.app_install import INSTALL_SECONDS, AppPackage, InstalledApp
from bokehbench.phone.app_link import AppGone, AppLink, AppRefused, Opening
from bokehbench.phone.app_text import (
    start_failure,
    why_not_in_front,
)
from bokehbench.phone.device import LOST_SECONDS, Device
from bokehbench.phone.process import Stop
from bokehbench.phone.transport import Deadline

AM_SECONDS = 20.0
"""`am start -W` waits until the activity is drawn; Android itself gives up after 10 s."""

GREET_SECONDS = 10.0
FRONT_SECONDS = 6.0
"""How long an activity that was started may take to be in front."""

AGAIN_SECONDS = 0.1


class NotInFront(AppTrouble):
    """Another app, a dialog or the lock screen is in front."""


class App(InstalledApp):
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
        super().__init__(device, package, install_seconds=install_seconds)
        assert isinstance(device.transport, Opening)
        self._transport: Opening = device.transport
        self._socket = socket
        self._greet_seconds = greet_seconds
        self._am_seconds = am_seconds
        self._front_seconds = front_seconds

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
