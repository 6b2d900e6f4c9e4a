"""Text of a ratings file -> checked votes: rater, image, method, score."""

import csv
import difflib
import io
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from bokehbench.errors import RatingsError

COLUMNS = ("rater", "image", "method", "score")
SCALE = (1.0, 5.0)
"""The five grades of absolute category rating (ITU-T P.910)."""

MAX_BYTES = 64 << 20
SHOWN_PROBLEMS = 3

_MARKS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)


@dataclass(frozen=True)
class Vote:
    """One score that one rater gave to one method's picture of one image."""

    rater: str
    image: str
    method: str
    score: float


@dataclass(frozen=True)
class Ratings:
    """All votes of a file, one a rater, image and method, and what was noticed on the way."""

    votes: tuple[Vote, ...]
    scale: tuple[float, float]
    notes: tuple[str, ...] = ()


@dataclass
class _Found:
    votes: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    lines: dict[tuple[str, str, str], int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    repeats: int = 0


def parse_ratings(
    data: bytes,
    source: str,
    *,
    scale: tuple[float, float] = SCALE,
    methods: Collection[str] | None = None,
    average_repeats: bool = False,
) -> Ratings:
    """The votes of a CSV file with the columns rater, image, method and score, in any order.

    UTF-8, or UTF-16 and UTF-32 with their mark; commas, semicolons or tabs. Other columns are
    left out and named in `notes`.

    Args:
        source: the file's name, for messages.
        scale: lowest and highest score.
        methods: the names that are known; any other is refused. None knows none.
        average_repeats: several votes of one rater for one picture become their mean, instead
            of being refused.

    Raises:
        RatingsError: the file can't be read as such, or rows are wrong; lines are named.
    """
    text = _decode(data, source)
    delimiter = _delimiter(text, source)
    rows = _rows(text, delimiter)
    # A spreadsheet whose language writes 3,5 separates its columns by something else.
    checks = _Checks(scale, methods, average_repeats, decimal_comma=delimiter != ",")
    try:
        header = [name.strip().lower() for name in next(rows)[1]]
        places = _places(header, source)
        found = _Found()
        for line, cells in rows:
            checks.take(found, line, cells, places, len(header))
    except StopIteration:
        raise RatingsError(f"{source}: empty; it needs a line {','.join(COLUMNS)}") from None
    except csv.Error as error:
        raise RatingsError(f"{source}: no CSV file: {error}") from None
    if found.problems:
        raise RatingsError(_summary(source, found.problems))
    if not found.votes:
        raise RatingsError(f"{source}: no votes below the header; add one a line")
    return Ratings(
        tuple(
            Vote(rater, image, method, math.fsum(scores) / len(scores))
            for (rater, image, method), scores in found.votes.items()
        ),
        scale,
        tuple(_notes(source, header, found)),
    )


def _decode(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise RatingsError(f"{source}: larger than {MAX_BYTES >> 20} MiB; is it a ratings file?")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise RatingsError(
            f"{source}: byte {error.start} is no {encoding.removesuffix('-sig').upper()}; "
            "save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise RatingsError(f"{source}: holds NUL characters; save the file as CSV in UTF-8")
    return text


def _delimiter(text: str, source: str) -> str:
    first = next((line for line in re.split(r"[\r\n]", text) if line.strip()), "")
    if not first:
        raise RatingsError(f"{source}: empty; it needs a line {','.join(COLUMNS)}")
    return max(",;\t", key=first.count)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line numbers with the cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _places(header: list[str], source: str) -> list[int]:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise RatingsError(
            f"{source}: no column {', '.join(missing)} in its first line; "
            f"it needs {','.join(COLUMNS)}"
        )
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise RatingsError(f"{source}: column {twice[0]} is there twice; keep one")
    return [header.index(name) for name in COLUMNS]


@dataclass(frozen=True)
class _Checks:
    """What a row has to fulfil."""

    scale: tuple[float, float]
    methods: Collection[str] | None
    average_repeats: bool
    decimal_comma: bool

    def take(
        self, found: _Found, line: int, cells: list[str], places: list[int], width: int
    ) -> None:
        """Add one row's vote, or say what is wrong with the row."""
        problem = f"{len(cells)} cells, the header has {width}" if len(cells) != width else ""
        rater, image, method, text = (
            ("",) * 4 if problem else (cells[place].strip() for place in places)
        )
        key = (rater, image, method)
        problem = problem or self._name_problem(key) or self._score_problem(text)
        if not problem and key in found.votes and not self.average_repeats:
            earlier = found.lines[key]
            problem = f"{rater!r} voted for {image!r} by {method!r} before, in line {earlier}"
        if problem:
            found.problems.append(f"line {line}: {problem}")
            return
        found.repeats += key in found.votes
        found.lines.setdefault(key, line)
        found.votes.setdefault(key, []).append(self._number(text))

    def _name_problem(self, key: tuple[str, str, str]) -> str:
        for name, value in zip(COLUMNS, key, strict=False):
            if not value:
                return f"no {name}"
        method = key[2]
        if self.methods is None or method in self.methods:
            return ""
        near = difflib.get_close_matches(method, self.methods, 1)
        hint = f"is it {near[0]!r}?" if near else f"known: {_brief(self.methods)}"
        return f"unknown method {method!r}; {hint}"

    def _score_problem(self, text: str) -> str:
        if not text:
            return "no score"
        low, high = self.scale
        score = self._number(text)
        if not math.isfinite(score):
            return f"score {text!r} is no number"
        return "" if low <= score <= high else f"score {text} is outside of {low:g} to {high:g}"

    def _number(self, text: str) -> float:
        try:
            return float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            return math.nan


def _brief(names: Collection[str]) -> str:
    known = sorted(names)
    more = f" and {len(known) - 8} more" if len(known) > 8 else ""
    return (", ".join(known[:8]) or "none") + more


def _summary(source: str, problems: list[str]) -> str:
    more = len(problems) - SHOWN_PROBLEMS
    tail = f"; and {more} more" if more > 0 else ""
    return f"{source}: " + "; ".join(problems[:SHOWN_PROBLEMS]) + tail


def _notes(source: str, header: list[str], found: _Found) -> Iterator[str]:
    unused = [name or "(no name)" for name in header if name not in COLUMNS]
    if unused:
        yield f"{source}: columns left out: {', '.join(unused)}"
    if found.repeats:
        yield f"{source}: {found.repeats} repeated votes averaged"
