"""An APK from libraries and a key: assembled, signed, written whole or not at all."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bokehbench.apk.archive import write_archive
from bokehbench.apk.dex import write_dex
from bokehbench.apk.keys import SigningKey
from bokehbench.apk.library import Library, read_libraries
from bokehbench.apk.manifest import VERSION_CODE, write_manifest
from bokehbench.apk.signing import sign
from bokehbench.errors import ApkError
from bokehbench.facts.app import PACKAGE

EMPTY_CLASS = f"{PACKAGE}.Empty"
"""The one class of classes.dex: the system wants code before it lets an app see libraries."""


@dataclass(frozen=True)
class PackedLibrary:
    """A library inside; devices whose pages are larger than `align_bytes` may not load it."""

    name: str
    sha256: str
    align_bytes: int


@dataclass(frozen=True)
class ApkFile:
    """A built APK; `sha256` and `size_bytes` are the file's.

    `version_name` names the content and the key: two APKs that have the same are the same.
    """

    path: Path
    abi: str
    sha256: str
    size_bytes: int
    version_code: int
    version_name: str
    cert_sha256: str
    libraries: tuple[PackedLibrary, ...]


def build_apk(
    out_path: Path,
    *,
    abi: str,
    app_library: Path,
    engine_libraries: Sequence[Path],
    key: SigningKey,
) -> ApkFile:
    """Write the APK of the app with these engine libraries, signed with `key`.

    The same libraries and key give the same bytes on every machine. An older file is replaced
    when the new one is whole.

    Raises:
        ApkError: a library does not fit the ABI, none is given, or the file can't be written or
            is a library's or the key's own.
    """
    _see_no_part(out_path, [key.path, app_library, *engine_libraries])
    libraries = read_libraries(abi, app_library, engine_libraries)
    version_name = _content_id(abi, libraries, key)
    data = sign(write_archive(_entries(abi, libraries, version_name)), key)
    _write(out_path, data)
    return ApkFile(
        path=out_path,
        abi=abi,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        version_code=VERSION_CODE,
        version_name=version_name,
        cert_sha256=key.cert_sha256,
        libraries=tuple(
            PackedLibrary(lib.name, hashlib.sha256(lib.data).hexdigest(), lib.align_bytes)
            for lib in libraries
        ),
    )


def _entries(abi: str, libraries: Sequence[Library], version_name: str) -> dict[str, bytes]:
    return {
        "AndroidManifest.xml": write_manifest(version_name),
        "classes.dex": write_dex(EMPTY_CLASS),
        **{f"lib/{abi}/{library.name}": library.data for library in libraries},
    }


def _content_id(abi: str, libraries: Sequence[Library], key: SigningKey) -> str:
    """The start of a sha256 over all entries, the manifest without this text, and the key."""
    digest = hashlib.sha256(key.certificate_der)
    for name, data in _entries(abi, libraries, "").items():
        digest.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _see_no_part(path: Path, parts: Sequence[Path]) -> None:
    """Keep the APK from replacing the key, whose loss can't be made good, or a library."""
    for part in parts:
        if path.exists() and part.exists() and path.samefile(part):
            raise ApkError(f"{path}: the APK would replace what it is made of; give another file")


def _write(path: Path, data: bytes) -> None:
    try:
        if path.is_dir():
            raise ApkError(f"{path}: is a folder; give a file name")
        if path.exists() and not path.is_file():
            # A rename would put the APK in its place for everybody.
            raise ApkError(f"{path}: is a pipe or a device; give a file name")
        # Behind a link it is the file that is replaced, not the link.
        goal = Path(os.path.realpath(path))
        number, name = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
        try:
            with open(number, "wb") as stream:
                stream.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(goal)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ApkError(
            f"{path}: can't be written: {error.strerror}; give a file in a folder that is yours"
        ) from error
