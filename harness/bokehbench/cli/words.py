"""Words of a command line and files they name, checked before anything is done with them."""

from pathlib import Path

from bokehbench.errors import UsageError

TABLE_LIMIT = 16 << 20
"""Bytes of a table in text; tables of thousands of rows have some hundred thousand."""


def storable(text: str, where: str) -> str:
    """The text, if a record can hold it.

    Raises:
        UsageError: it is not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{where} {text!r}: not UTF-8; give another name") from error
    return text


def named(text: str, where: str) -> str:
    """The text, if it names something and a record can hold it.

    Raises:
        UsageError: it is empty, or not UTF-8.
    """
    if not text.strip():
        raise UsageError(f"{where}: an empty name; give one that is not")
    return storable(text, where)


def table_text(path: Path) -> str:
    """The text of a table's file, bounded, without a byte order mark.

    Raises:
        UsageError: it can't be read, is no UTF-8, or larger than a table is.
    """
    try:
        with path.open("rb") as file:
            # One byte more than is allowed tells that there is more.
            data = file.read(TABLE_LIMIT + 1)
        if len(data) > TABLE_LIMIT:
            raise UsageError(f"{path}: larger than {TABLE_LIMIT >> 20} MiB; is it a table?")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: no UTF-8; save it as UTF-8") from error
