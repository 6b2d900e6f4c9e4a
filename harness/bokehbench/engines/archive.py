"""A file out of an AAR, a wheel or a zip: bounded, and never to a path that the archive names."""

import errno
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bokehbench.engines.effort import Effort
from bokehbench.engines.files import LIMIT_BYTES, copy
from bokehbench.errors import EngineError

MAX_MEMBERS = 65_535
"""An archive that claims more is refused before its list is walked."""


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    """An archive to take files from; `name` is what it is called in messages.

    Raises:
        EngineError: it is no zip file, or a broken one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MAX_MEMBERS:
                raise EngineError(f"{name}: more than {MAX_MEMBERS} files; refused")
            yield archive
    # RuntimeError: a password, or a method unknown to zipfile. ValueError: names that are no text.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise _broken(name, error) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's start
            raise
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> EngineError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return EngineError(f"{name}: a broken archive: {reason}; nothing was installed; fetch it again")


def find_member(archive: zipfile.ZipFile, file: str, abi: str) -> zipfile.ZipInfo | None:
    """The member of that file name: the one in a folder named after the ABI, or the only one.

    Raises:
        EngineError: there are several, or none of this ABI among those of others.
    """
    named = [m for m in archive.infolist() if PurePosixPath(m.filename).name == file]
    fitting = [m for m in named if abi in PurePosixPath(m.filename).parts[:-1]]
    if len(fitting) > 1 or (not fitting and len(named) > 1):
        places = ", ".join(sorted(m.filename for m in fitting or named)[:6])
        lack = "" if fitting else f", none of them for {abi}"
        raise EngineError(f"{archive.filename}: holds {file} several times ({places}){lack}")
    chosen = fitting or named
    return chosen[0] if chosen else None


def extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, effort: Effort
) -> None:
    """Write one member's bytes to `target`, wherever its own name would lead.

    Raises:
        EngineError: it is larger than it may be, or than it says.
    """
    what = f"{PurePosixPath(member.filename).name} out of {Path(archive.filename or '').name}"
    if member.file_size > LIMIT_BYTES:
        raise EngineError(
            f"{what}: says it is {member.file_size} bytes, larger than "
            f"{LIMIT_BYTES // 2**20} MiB; refused"
        )
    with archive.open(member) as source, open(target, "wb") as sink:
        copy(source, sink, effort, what, member.file_size)
