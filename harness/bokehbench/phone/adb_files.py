"""The host's side of a copy: what is sent, where it is put, and what an error asks for."""

import contextlib
import errno
import io
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bokehbench.errors import TransferError
from bokehbench.phone.sync import Source


@contextlib.contextmanager
def reading(source: Path | bytes | memoryview) -> Iterator[Source]:
    """What is to be sent.

    Raises:
        TransferError: the file can't be read.
    """
    if not isinstance(source, Path):
        with io.BytesIO(source) as memory:
            yield memory
        return
    try:
        with open(source, "rb", buffering=0) as stream:
            yield stream
    except OSError as error:
        raise TransferError(f"can't read {source}: {error.strerror}") from error


@contextlib.contextmanager
def writing(target: Path) -> Iterator[IO[bytes]]:
    """A hidden file that becomes `target` when all went well and is gone when not.

    Raises:
        TransferError: it can't be made or written.
    """
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "wb", buffering=0) as sink:
            yield sink
        part.replace(target)
    except OSError as error:
        text = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            text += "; free some space there and run again"
        raise TransferError(f"can't write {target}: {text}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def hint(message: str) -> str:
    """What the user can do about a device's error message."""
    if "No space left" in message:
        return "; free some space on the device and run again"
    if "Read-only file system" in message or "Permission denied" in message:
        return "; choose a folder below /data/local/tmp"
    return ""
