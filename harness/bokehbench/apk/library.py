"""The native libraries of an APK: the app's own, which this package brings, and the engine's."""

import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bokehbench.engines.elf import check_elf
from bokehbench.errors import ApkError, EngineError
from bokehbench.facts.app import ABIS, LIBRARY_FILE

ENTRY = "ANativeActivity_onCreate"
"""What Android's NativeActivity calls."""

MAX_LIBRARY_BYTES = 1 << 30
"""Refused beyond: a zip of the plain form holds 4 GiB, and everything passes through memory."""

# PackageManager (NativeLibraryHelper of AOSP) sees no other names in an APK.
_NAME = re.compile(r"lib[A-Za-z0-9_.+-]+\.so")


def require_abi(abi: str) -> None:
    """Refuse an ABI that there is no app for.

    Raises:
        ApkError: it names the ABIs that there are.
    """
    if abi not in ABIS:
        raise ApkError(f"ABI {abi}: no app is built for it; give one of: {', '.join(ABIS)}")


def bundled_app_library(abi: str) -> Path:
    """The app's native part for an ABI, as this installation holds it.

    Raises:
        ApkError: no app is built for that ABI.
        EngineError: this installation holds none.
    """
    require_abi(abi)
    folder = Path(__file__).resolve().parent.parent / "_runners"
    path = folder / f"android-{abi}" / LIBRARY_FILE
    if not path.is_file():
        raise EngineError(
            f"no {LIBRARY_FILE} for {abi} in this installation; "
            "reinstall with `pip install .`, which compiles it"
        )
    return path


@dataclass(frozen=True)
class Library:
    """A library that fits the ABI; a page of the device must not be larger than `align_bytes`."""

    name: str
    data: bytes
    align_bytes: int


def read_libraries(
    abi: str, app_library: Path, engine_libraries: Sequence[Path]
) -> tuple[Library, ...]:
    """All libraries, the app's own first, then in the order of names.

    Raises:
        ApkError: a file is missing, of another ABI or system, no library, or badly named.
    """
    require_abi(abi)
    if not engine_libraries:
        raise ApkError(f"no engine library for {abi}; an app without one can run no model")
    found = {LIBRARY_FILE: _read(app_library, LIBRARY_FILE, abi, [ENTRY])}
    for path in sorted(engine_libraries, key=lambda path: path.name):
        if not path.exists():
            raise ApkError(f"{path}: can't be read: No such file or directory; check the path")
        if not _NAME.fullmatch(path.name):
            raise ApkError(f"{path}: Android sees libraries named lib….so alone; rename it")
        if path.name in found:
            raise ApkError(f"{path}: a second library named {path.name}; give each once")
        found[path.name] = _read(path, path.name, abi, [])
    return tuple(found.values())


def _read(path: Path, name: str, abi: str, functions: list[str]) -> Library:
    try:
        about = path.stat()
        if not (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)):
            raise ApkError(f"{path}: is a pipe or a device; give a library's file")
        size_bytes = about.st_size
        if size_bytes > MAX_LIBRARY_BYTES:
            raise ApkError(f"{path}: {size_bytes} bytes, more than an APK can hold")
        facts = check_elf(
            path, str(path), platform="android", abi=abi, role="library", functions=functions
        )
        return Library(name, path.read_bytes(), facts.align_bytes)
    except OSError as error:
        raise ApkError(f"{path}: can't be read: {error.strerror}; give {name} for {abi}") from error
    except EngineError as error:
        raise ApkError(str(error)) from error
