"""Bytes of a log -> its lines as text, numbered, in bounded memory whatever the bytes are.

UTF-8 with wrong bytes in it, UTF-16 with or without a byte order mark, NUL bytes, colour escapes
and all kinds of line ends come out as plain text. A line is kept up to `LINE_LIMIT`.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

LINE_LIMIT: Final = 1 << 13
"""Characters kept of one line. The longest real one, a flag's echo, has a few hundred."""

PIECE: Final = 1 << 20
"""Bytes decoded at a time, so that a chunk of any size costs bounded memory."""

SNIFFED: Final = 1 << 12
"""Bytes that decide about the encoding and about the line ends."""

LAST_LINES: Final = 8
LAST_LIMIT: Final = 300
"""Characters kept of the last line, and lines at the end that may be empty."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b\n]{0,256}(?:\x07|\x1b\\)|[@-Z\\^_])"
)
"""ECMA-48 control sequences: colours, cursor moves, window titles."""


@dataclass
class Text:
    """What was met while reading, for warnings and for telling a binary file.

    `lines` counts lines as an editor does. `odd` counts characters that no log has: control
    characters and bytes that are not of the encoding. `last` is the last line that says anything.
    """

    encoding: str = "utf-8"
    lines: int = 0
    characters: int = 0
    odd: int = 0
    cut_lines: int = 0
    ended: bool = True
    last: str = ""
    _sniffed: bytearray = field(default_factory=bytearray, repr=False)


def read_lines(chunks: Iterable[bytes], text: Text) -> Iterator[tuple[int, list[str]]]:
    """Blocks of lines with the number of the first; `text` says afterwards what was met.

    A line that a lone carriage return split (a progress bar) comes as several lines of one
    number; such a block holds that line alone. `text.ended` is false when the last line has no
    line end: it may have been cut.
    """
    number = 1
    kept = ""
    dropping = False
    cr_ends = False
    for first, piece in _decoded(chunks, text):
        if first:
            cr_ends = "\r" in piece[:SNIFFED] and "\n" not in piece[:SNIFFED]
        block = piece.replace("\r", "\n") if cr_ends else piece.replace("\r\n", "\n")
        if "\x1b" in block:
            block = _ESCAPES.sub("", block)
        if "\x00" in block:
            block = block.replace("\x00", "")
        lines = block.split("\n")
        if dropping:
            if len(lines) == 1:
                continue
            lines[0] = ""
            dropping = False
        lines[0] = kept + lines[0]
        kept = lines.pop()
        if len(kept) > LINE_LIMIT:
            kept, dropping = kept[:LINE_LIMIT], True
            text.cut_lines += 1
        if lines:
            _note_last(lines, text)
            yield from _tidy(number, lines, text, has_cr="\r" in block or "\r" in lines[0])
            number += len(lines)
    text.lines = number - 1
    text.ended = not kept
    if kept:
        _note_last([kept], text)
        text.lines = number
        yield from _tidy(number, [kept], text, has_cr="\r" in kept)


def _note_last(lines: list[str], text: Text) -> None:
    for line in reversed(lines[-LAST_LINES:]):
        if line.strip():
            text.last = line.strip()[:LAST_LIMIT]
            return


def _tidy(
    number: int, lines: list[str], text: Text, *, has_cr: bool
) -> Iterator[tuple[int, list[str]]]:
    """Long lines cut, carriage returns at ends removed, those inside turned into line ends."""
    if has_cr or max(map(len, lines)) > LINE_LIMIT:
        start = 0
        for index, line in enumerate(lines):
            if len(line) > LINE_LIMIT:
                line = line[:LINE_LIMIT]
                text.cut_lines += 1
            line = line.rstrip("\r")
            lines[index] = line
            if "\r" in line:
                if index > start:
                    yield number + start, lines[start:index]
                yield from ((number + index, [part]) for part in line.split("\r") if part)
                start = index + 1
        if start < len(lines):
            yield number + start, lines[start:]
    else:
        yield number, lines


def _decoded(chunks: Iterable[bytes], text: Text) -> Iterator[tuple[bool, str]]:
    """Pieces of text; the first is large enough to tell how lines end."""
    decoder: codecs.IncrementalDecoder | None = None
    first = True
    for chunk in chunks:
        for offset in range(0, len(chunk), PIECE):
            piece = bytes(chunk[offset : offset + PIECE])
            if decoder is None:
                text._sniffed += piece
                if len(text._sniffed) < SNIFFED:
                    continue
                piece = bytes(text._sniffed)
                decoder, piece = _decoder(piece, text)
            yield first, _counted(decoder.decode(piece), text)
            first = False
    if decoder is None:
        decoder, piece = _decoder(bytes(text._sniffed), text)
        yield True, _counted(decoder.decode(piece, True), text)
    else:
        yield False, _counted(decoder.decode(b"", True), text)


def _counted(piece: str, text: Text) -> str:
    text.characters += len(piece)
    if "\x00" in piece:
        text.odd += piece.count("\x00")
    if not piece.isascii():
        text.odd += piece.count("\ufffd")
    # C0 characters other than tab, line ends and escape: a sample is enough to tell a binary.
    sample = piece[:SNIFFED]
    if not sample.isprintable():
        text.odd += sum(c < " " and c not in "\t\n\r\x1b\x00" for c in sample)
    return piece


def _decoder(start: bytes, text: Text) -> tuple[codecs.IncrementalDecoder, bytes]:
    """The decoder that the first bytes ask for, and those bytes without their mark."""
    for mark, name in _MARKS:
        if start.startswith(mark):
            text.encoding = name
            start = start[len(mark) :]
            break
    else:
        text.encoding = _unmarked(start)
    return codecs.getincrementaldecoder(text.encoding)(errors="replace"), start


def _unmarked(start: bytes) -> str:
    """UTF-16 without a mark: every second byte of mostly ASCII text is NUL."""
    pairs = len(start) // 2
    if pairs >= 4:
        high, low = start[1 : 2 * pairs : 2].count(0), start[0 : 2 * pairs : 2].count(0)
        if high * 10 >= pairs * 8 and low * 10 <= pairs:
            return "utf-16-le"
        if low * 10 >= pairs * 8 and high * 10 <= pairs:
            return "utf-16-be"
    return "utf-8"
