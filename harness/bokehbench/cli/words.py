"""Words of a command line and files they name, checked before anything is done with them."""

from pathlib import Path

from bokehbench.errors import UsageError
from bokehbench.files import read_text

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
    return read_text(path, TABLE_LIMIT, "a table", pipe=True)
