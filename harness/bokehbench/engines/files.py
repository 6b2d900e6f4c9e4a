"""Hashes and bounded copies of files that came from elsewhere."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from bokehbench.engines.effort import Effort
from bokehbench.errors import EngineError

LIMIT_BYTES = 512 * 2**20
"""No file that is installed is larger; what claims to be is refused before the disk is full."""

CHUNK_BYTES = 2**18


class Reader(Protocol):
    """What bytes are copied from."""

    def read(self, size: int, /) -> bytes:
        """At most that many bytes; none at the end."""


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: Reader, target: BinaryIO, effort: Effort, what: str, total: int | None) -> int:
    """Copy to the end; the number of bytes copied.

    Raises:
        EngineError: more bytes than LIMIT_BYTES, or the effort's deadline has passed.
    """
    done = 0
    while chunk := source.read(CHUNK_BYTES):
        done += len(chunk)
        if done > LIMIT_BYTES:
            raise EngineError(f"{what}: larger than {LIMIT_BYTES // 2**20} MiB; refused")
        target.write(chunk)
        effort.tell(what, done, total)
    return done


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Translate what a disk or its rights say about files below a folder.

    Raises:
        EngineError: no space, no right to write, or no such folder.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        where = error.filename or folder
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise EngineError(
                f"{folder}: no space left; nothing was installed; make room, or set "
                "BOKEHBENCH_ENGINES to a folder on another disk"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EngineError(
                f"{where}: {error.strerror}; set BOKEHBENCH_ENGINES to a folder of yours"
            ) from error
        raise EngineError(f"{where}: {error.strerror}; nothing was installed") from error
