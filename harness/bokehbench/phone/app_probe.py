"""Which libraries a process of the shell and one of the app can open: each asked by itself.

They are in different namespaces of Android's linker, so what one sees says nothing of the other.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from bokehbench.errors import DeviceError
from bokehbench.facts.app import OPTIONAL_LIBRARIES
from bokehbench.phone.app_control import App
from bokehbench.phone.device import Device, Placed
from bokehbench.text import clean

VENDOR_FILES = (
    *("/vendor/lib64/libOpenCL.so", "/system/vendor/lib64/libOpenCL.so"),
    *("/vendor/lib64/libPVROCL.so", "/vendor/lib64/egl/libGLES_mali.so"),
    "/vendor/lib64/libGLES_mali.so",
)
"""Where vendors put OpenCL, by its own name or within the GPU's driver (Mali, PowerVR)."""

_LOOK = 'for f in "$@"; do [ -e "$f" ] && echo "$f"; done; true'
_OPEN = 'LD_LIBRARY_PATH="$1" LD_PRELOAD="$2" exec "$3" 0'
"""The linker opens the library for our runner, or says why not and starts nothing."""

_NOWHERE = "libbokehbench-nowhere.so"
"""A name that no library has: a linker that opens this one too does not listen."""

_REFUSAL = b'"event":"error"'
"""What a runner answers that was started with version 0 of the protocol."""


@dataclass(frozen=True)
class Seen:
    """One library: whether it was opened, and the linker's words or the file it came from.

    None: a linker that opens nothing for others can't be asked.
    """

    name: str
    loaded: bool | None
    text: str


def vendor_files(device: Device) -> list[str]:
    """Those of VENDOR_FILES that there are."""
    said = device.shell(_LOOK, *VENDOR_FILES).stdout.decode("utf-8", "replace")
    return [line for line in said.splitlines() if line in VENDOR_FILES]


def libraries_to_ask(device: Device, engines: Sequence[str]) -> list[str]:
    """OpenCL by all its names, the vendor's files that there are, and the engines' libraries."""
    return [*OPTIONAL_LIBRARIES, *vendor_files(device), *engines]


def seen_by_shell(
    device: Device, runner: Placed, names: Sequence[str], folders: Sequence[str] = ()
) -> list[Seen]:
    """Have the linker open each for a process of the shell, as it does for a trial's.

    Args:
        runner: our runner on the device: programs elsewhere are in another namespace.
        folders: where the engines' own libraries are.

    Raises:
        DeviceError: the device does not answer.
    """
    if _opened(device, runner, _NOWHERE, folders).loaded:
        return [Seen(name, None, "its linker passes LD_PRELOAD over") for name in names]
    return [_opened(device, runner, name, folders) for name in names]


def _opened(device: Device, runner: Placed, name: str, folders: Sequence[str]) -> Seen:
    result = device.shell(_OPEN, ":".join(folders), name, runner.path)
    said = result.stderr.decode("utf-8", "replace").strip()
    # Where a library can't be preloaded, Android's linker starts nothing; glibc's goes on.
    loaded = _REFUSAL in result.stdout and "cannot be preloaded" not in said
    return Seen(name, loaded, "" if loaded else _why(said) or result.describe())


def seen_by_app(app: App, names: Sequence[str]) -> list[Seen]:
    """Have a fresh process of the app open each.

    Raises:
        AppTrouble: it does not start; the message has the cure.
    """
    try:
        link = app.start()
        try:
            libraries, _ = link.probe([_app_name(name) for name in names])
        finally:
            link.close()
    finally:
        app.end()
    if len(libraries) != len(names):
        raise DeviceError(f"{app.device.facts.address}: the app answers for other libraries")
    return [
        Seen(name, library.loaded, clean((library.path or library.error) or ""))
        for name, library in zip(names, libraries, strict=True)
    ]


def _app_name(name: str) -> str:
    """What the app calls an engine's library: its name, as it is in the APK."""
    return posixpath.basename(name) if name.startswith("/data/") else name


def _why(said: str) -> str:
    """The linker's reason without the name of the program."""
    lines = [line for line in said.splitlines() if line.strip()]
    text = lines[-1] if lines else ""
    return clean(text.partition('runner": ')[2] or text)[:200]
