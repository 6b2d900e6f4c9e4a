"""Small files of text that users name, read whole but never without a bound."""

import stat
from pathlib import Path

from bokehbench.errors import UsageError


def read_text(
    path: Path, limit_bytes: int, what: str, *, where: str | None = None, pipe: bool = False
) -> str:
    """The text of a file, without a byte order mark.

    Args:
        limit_bytes: what is longer is not `what`, such as "a table".
        where: what messages begin with.  [default: the path]
        pipe: a pipe (`<(command)` in a shell) will do, too; nobody may ever write into one.

    Raises:
        UsageError: it can't be read, is a folder, pipe or device, longer than `limit_bytes`,
            or no UTF-8.
    """
    where = where or str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{where}: is a folder; give a file")
        if not (stat.S_ISREG(mode) or (pipe and stat.S_ISFIFO(mode))):
            raise UsageError(f"{where}: is a pipe or a device; give a file")
        with path.open("rb") as file:
            # One byte more than is allowed tells that there is more.
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise UsageError(f"{where}: can't be read: {error.strerror}") from error
    if len(data) > limit_bytes:
        size = f"{limit_bytes >> 20} MiB" if limit_bytes >> 20 else f"{limit_bytes >> 10} KiB"
        raise UsageError(f"{where}: larger than {size}; is it {what}?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: byte {error.start} is no UTF-8; save it as UTF-8") from error
