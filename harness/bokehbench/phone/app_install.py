"""The app as a package of a device: installed when its bytes differ, removed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import AppTrouble, DeviceError, UsageError
from bokehbench.facts.app import MIN_SDK, PACKAGE
from bokehbench.phone.app_link import Opening
from bokehbench.phone.app_text import (
    apk_paths,
    install_failure,
    is_installed,
    uninstall_failure,
    unnamed_failure,
)
from bokehbench.phone.device import LOST_SECONDS, PUSH_SECONDS, Device

INSTALL_SECONDS = 180.0
"""`pm install` compiles nothing of ours; a question on the screen may wait for the user."""

PM_SECONDS = 30.0
"""`pm path` answers in less than one, unless the device is still starting."""

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class AppPackage:
    """An APK on this host: the app around the engines' libraries, known by its hash.

    `libraries` are the names of the libraries in it.
    """

    path: Path
    sha256: str
    libraries: frozenset[str] = frozenset()


class InstalledApp:
    """The app on one device, whether it runs or not."""

    def __init__(
        self, device: Device, package: AppPackage | None, *, install_seconds: float
    ) -> None:
        """Nothing is done yet.

        Raises:
            UsageError: there are no apps on that device.
        """
        require_apps(device)
        self.device = device
        self.package = package
        self._install_seconds = install_seconds

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
