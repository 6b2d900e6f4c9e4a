"""A built APK looked at again: signatures, alignment, what it says it is."""

import hashlib
import io
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bokehbench.apk.archive import ALIGN_BYTES, PAGE_BYTES
from bokehbench.apk.library import MAX_LIBRARY_BYTES
from bokehbench.apk.signing import verify
from bokehbench.errors import ApkError
from bokehbench.facts.app import ABIS, LIBRARY_FILE, PACKAGE

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


@dataclass(frozen=True)
class CheckedApk:
    """An APK whose signatures hold; `libraries` are `ABI/name` -> sha256."""

    path: Path
    sha256: str
    size_bytes: int
    schemes: tuple[int, ...]
    cert_sha256: str
    libraries: Mapping[str, str]


def check_apk(path: Path) -> CheckedApk:
    """Check an APK that `build_apk` wrote: both signatures, and where its entries lie.

    Raises:
        ApkError: it can't be read, was altered, or is not one of ours.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ApkError("is no file; give the APK's own")
        if status.st_size > MAX_LIBRARY_BYTES * 2:
            raise ApkError("larger than any APK that is built here")
        data = path.read_bytes()
        signatures = verify(data)
        libraries, manifest = _contents(data)
        _require_ours(libraries, manifest)
    except OSError as error:
        raise ApkError(f"{path}: can't be read: {error.strerror}") from error
    except ApkError as error:
        raise ApkError(f"{path}: {error}") from error
    return CheckedApk(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        schemes=tuple(signature.scheme for signature in signatures),
        cert_sha256=hashlib.sha256(signatures[0].certificate).hexdigest(),
        libraries=libraries,
    )


def _contents(data: bytes) -> tuple[dict[str, str], bytes]:
    """The libraries, `ABI/name` -> sha256, and the manifest."""
    found, manifest = {}, b""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                alignment = PAGE_BYTES if info.filename.endswith(".so") else ALIGN_BYTES
                if info.compress_type != zipfile.ZIP_STORED:
                    raise ApkError(f"{info.filename} is compressed; libraries are mapped as stored")
                if _data_at(data, info) % alignment:
                    raise ApkError(f"{info.filename} does not start at {alignment} bytes")
                if info.filename.startswith("lib/"):
                    name = info.filename.removeprefix("lib/")
                    found[name] = hashlib.sha256(archive.read(info)).hexdigest()
                elif info.filename == "AndroidManifest.xml":
                    manifest = archive.read(info)
    except ApkError:
        raise
    # A zip of somebody else's, well signed, makes the reader fail in any way.
    except Exception as error:
        raise ApkError(f"not a zip that can be read: {error}") from error
    return found, manifest


def _require_ours(libraries: Mapping[str, str], manifest: bytes) -> None:
    """Refuse another app, however well signed: the device would install it, and it never greets."""
    text = PACKAGE.encode("utf-16-le")
    if struct.pack("<H", len(PACKAGE)) + text + b"\0\0" not in manifest:
        raise ApkError(f"not one of ours: its manifest does not name {PACKAGE}")
    if not any(f"{abi}/{LIBRARY_FILE}" in libraries for abi in ABIS):
        raise ApkError(f"not one of ours: it has no {LIBRARY_FILE}")


def _data_at(data: bytes, info: zipfile.ZipInfo) -> int:
    *_, name_size, extra_size = _LOCAL_HEADER.unpack_from(data, info.header_offset)
    return info.header_offset + _LOCAL_HEADER.size + int(name_size) + int(extra_size)
