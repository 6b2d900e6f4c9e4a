"""Lines -> tokens: what a line says, and through which stream.

A line that shares no word with any rule is noise, which a set of words tells fast; only the others
are looked at closely. Tables (op profiles, lists of unsupported ops) follow a heading.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bokehbench.runners.benchmark_model.failures import FAILURE_RULES
from bokehbench.runners.benchmark_model.prefixes import strip
from bokehbench.runners.benchmark_model.rules import RULES, Rule, Verdict

TEXT_LIMIT: Final = 300
"""Characters of a line that a token keeps, for messages."""

KEYS_A_LINE: Final = 8
"""Keys tried in one line; a real line holds one or two."""

REMEMBERED: Final = 4096
"""Lines and messages whose tokens are remembered: logs repeat themselves."""

PATIENCE: Final = 4
"""Other lines that may stand between the operators of one list."""

_NEAR: Final = 160
_NEAR_END: Final = 512


class Token(NamedTuple):
    """One thing that a line says. `values` are the pattern's groups.

    `source` is the stream (see `prefixes`), `gravity` the logger's level, `verdict` what a line
    of failure means.
    """

    kind: str
    values: tuple[str | None, ...]
    text: str
    source: str = ""
    gravity: str = ""
    verdict: Verdict | None = None


_BY_KEY: Final[dict[str, list[Rule]]] = {}
for _rule in (*RULES, *FAILURE_RULES):
    _BY_KEY.setdefault(_rule.key, []).append(_rule)
# Longest first: of two keys that begin at one place the more special one is taken.
_KEY: Final = re.compile("|".join(map(re.escape, sorted(_BY_KEY, key=len, reverse=True))))

_LETTERS: Final = re.compile(r"[A-Za-z]{2,}")
_EVERYWHERE: Final = frozenset(
    {
        *("CPU", "Created", "ERROR", "GPU", "Model", "NPU", "Run", "TensorFlow", "The"),
        *("accelerator", "and", "are", "call", "compiler", "could", "delegate", "error"),
        *("failed", "file", "for", "found", "from", "graph", "have", "input", "library", "load"),
        *("model", "not", "number", "open", "out", "run", "runs", "set", "size", "supported"),
        *("tensor", "the", "unknown", "use"),
    }
)
"""Words that many lines hold which say nothing here."""


def _word(key: str) -> str:
    """The word of a key by which its lines are found: a long one that is not everywhere."""
    words = _LETTERS.findall(key)
    return max(words, key=lambda word: (word not in _EVERYWHERE, len(word)), default="")


_WORDS: Final = frozenset(
    {_word(key) for key in _BY_KEY}
    - {"", "ersion", "external", "accelerator", "use", "CPU", "GPU", "NPU"}
    | {"version", "Version", "VERSION", "graph"}
)

_UNSUPPORTED_OP: Final = re.compile(r"(CUSTOM [^:]{1,120}|[A-Z][A-Z0-9_]{1,80}): (.*)")
_COUNT_OWNER: Final = re.compile(r":\s*$|\(microseconds\)|\(bytes\)")
_LITERT_RULE: Final = re.compile(r"={30,}\s*$")
_ENDS: Final = frozenset(']=", \t')
"""Last characters of lines that are known by little else: parameters, LiteRT's rules, JSON; and
blanks, behind which a terminal's copy hides them."""

_AFTER_TABLES: Final = frozenset({"start", "loaded", "session", "running"})
_UNKNOWN: Final = Token("", (), "")


class Tokens:
    """Reads numbered lines; remembers lines met before, and whether a table is open."""

    def __init__(self) -> None:
        self._patience = 0
        self._in_table = False
        self._by_line: dict[str, Token | None] = {}
        self._by_message: dict[str, Token | None] = {}

    def read(self, blocks: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, Token]]:
        """Line numbers and tokens, in order."""
        known = self._by_line
        words, letters = _WORDS, _LETTERS.findall
        for number, lines in blocks:
            for line in lines:
                if self._in_table and "%" in line and _is_row(line):
                    yield number, _row(line)
                else:
                    token = known.get(line, _UNKNOWN)
                    if token is _UNKNOWN:
                        token = None
                        if not words.isdisjoint(letters(line)) or line[-1:] in _ENDS:
                            token = self._learn(line)
                    if token is not None:
                        self._enter(token)
                        yield number, token
                    elif self._patience:
                        row = self._unsupported_row(line)
                        if row is not None:
                            yield number, row
                number += 1

    def _learn(self, line: str) -> Token | None:
        """The token of a line, remembered."""
        stripped = strip(line)
        message = stripped.message
        token = self._by_message.get(message, _UNKNOWN)
        if token is _UNKNOWN:
            token = _find(message)
            _remember(self._by_message, message, token)
        if token is not None and (stripped.source or stripped.gravity):
            token = Token(
                token.kind,
                token.values,
                token.text,
                stripped.source,
                stripped.gravity,
                token.verdict,
            )
        _remember(self._by_line, line, token)
        return token

    def _enter(self, token: Token) -> None:
        """Open and close tables as headings come by."""
        if token.kind == "header":
            self._in_table = True
        elif token.kind in _AFTER_TABLES:
            self._in_table = False
        if token.kind == "unsupported":
            self._patience = PATIENCE
        elif token.kind not in ("refused", "failure"):
            self._patience = 0

    def _unsupported_row(self, line: str) -> Token | None:
        """An operator under a heading; other streams may write between."""
        stripped = strip(line)
        match = _UNSUPPORTED_OP.match(stripped.message)
        if match is None:
            self._patience -= 1
            return None
        self._patience = PATIENCE
        return Token("unsupported_op", match.groups(), stripped.message[:TEXT_LIMIT], *stripped[1:])


def _is_row(line: str) -> bool:
    """Whether a line with a per cent sign is a row, not the heading of the next table."""
    return ("\t" in line or ", " in line or "  " in line) and "ode type" not in line


def _row(line: str) -> Token:
    """A row of a profile, unread; most rows of a plain stream begin with a tab."""
    if line[:1] == "\t":
        return Token("row", (line,), "", "")
    stripped = strip(line)
    # Where tabs became spaces nothing else says where a prefix ends.
    return Token("row", (line if "\t" in line else stripped.message,), "", stripped.source)


def _remember(memory: dict[str, Token | None], text: str, token: Token | None) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[text] = token


def _find(message: str) -> Token | None:
    """What a message says; the first rule whose pattern fits."""
    start = 0
    for _ in range(KEYS_A_LINE):
        found = _KEY.search(message, start)
        if found is None:
            break
        for rule in _BY_KEY[found[0]]:
            match = _match(rule, message, found.start())
            if match is not None:
                return Token(rule.kind, match.groups(), message[:TEXT_LIMIT], verdict=rule.verdict)
        start = found.start() + 1
    if _LITERT_RULE.search(message):
        return Token("rule", (), message[:TEXT_LIMIT])
    return None


def _match(rule: Rule, message: str, start: int) -> re.Match[str] | None:
    if rule.where == "message":
        return rule.pattern.match(message)
    if rule.where == "near":
        end = min(len(message), start + _NEAR_END)
        return rule.pattern.search(message, max(0, start - _NEAR), end)
    if rule.kind == "count" and start > 0 and _COUNT_OWNER.search(message[:start]):
        # Profiles and summaries of several runs print count lines behind a label.
        return None
    return rule.pattern.match(message, start)
