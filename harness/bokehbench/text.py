"""Strangers' text -> text for one line of a terminal, a table or a message."""

import unicodedata

_SPACES = frozenset("\n\r\t\u2028\u2029")
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})


def spelled(text: str) -> str:
    """The text as UTF-8 can hold it: a byte of a file's name that is no UTF-8 is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 thread`, `2 threads`; `many` where it is not `one` with an s."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def clean(text: str) -> str:
    """Text without control, format or surrogate characters, which become U+FFFD.

    Names and messages come from files and devices: an escape sequence or a mark that turns
    text around must not reach a terminal or a document. Line ends become spaces.
    """
    if text.isprintable():
        return text
    return "".join(
        " "
        if character in _SPACES
        else "\ufffd"
        if unicodedata.category(character) in _HIDDEN
        else character
        for character in text
    )
