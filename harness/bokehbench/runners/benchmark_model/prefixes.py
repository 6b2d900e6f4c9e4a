"""What loggers put before a message -> where the message begins, who said it, how grave it is.

Sources: Android's logcat formats (brief, tag, time, threadtime, epoch, Android Studio's), glog and
absl, TensorFlow's and LiteRT's own loggers, Python's logging, syslog, kernel, CI timestamps.
"""

import re
from typing import Final, NamedTuple

MAX_PREFIXES: Final = 8
"""Prefixes before one message: CI's time, logcat's, the severity, the source file make four."""

_TAG = r"[\w.$@/-]{1,64}"
_SPACE = r"(?:[ ]|$)"


def _forms(*forms: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{form})" for form in forms))


_DIGIT: Final = _forms(
    # 11-22 13:38:01.123  1234  5678 I tflite  : (logcat threadtime)
    r"(?:\d{4}-)?\d\d-\d\d[ ]\d\d:\d\d:\d\d\.\d{3,9}[ ]+(?:\w{1,32}[ ]+)?"
    rf"(?P<pid1>\d{{1,7}})[ ]+\d{{1,7}}[ ]+(?P<level1>[VDIWEFAS])[ ]+{_TAG}[ ]*:{_SPACE}",
    # 2026-11-22 13:38:01.123 | 2026-11-22T13:38:01Z | 2026-11-22 13:38:01,123 | 11-22 13:38:01.1
    r"(?:\d{4}[-/])?\d\d[-/]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[ ]?[+-]\d\d:?\d\d)?(?::(?=[ ]))?[ ]+",
    r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?[ ]+",
    # 1592345678.123 (logcat epoch)
    r"\d{9,11}\.\d{3,9}[ ]+",
    # 1234 5678 I tflite  :
    rf"(?P<pid2>\d{{1,7}})[ ]+\d{{1,7}}[ ]+(?P<level2>[VDIWEFAS])[ ]+{_TAG}[ ]*:{_SPACE}",
    # 1234-5678/com.app I/tflite: | 1234-5678  tflite   com.app  I  (Android Studio)
    r"(?P<pid3>\d{1,7})-\d{1,7}/[\w.?:-]+[ ]+(?=[VDIWEFA]/)",
    rf"(?P<pid4>\d{{1,7}})-\d{{1,7}}[ ]+{_TAG}[ ]+[\w.?:-]+[ ]+(?P<level4>[VDIWEFA])[ ]+",
    # 00O (GitLab)
    r"\d\d[OE][ +]",
)
_BRACKET: Final = _forms(
    # [2026-11-22 13:38:01] | [13:38:01.123]
    r"\[(?:(?:\d{4}[-/])?\d\d[-/]\d\d[T _])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[ ]?[+-]\d\d:?\d\d)?\][ ]+",
    # [benchmark_litert_model.h:92] | [./litert/runtime/x.cc:12]
    r"\[[\w./+-]{1,256}\.(?:cc|cpp|c|h|mm|py|java):\d{1,7}\][ ]?",
    r"\[(?P<level5>INFO|WARN|WARNING|ERROR|FATAL|VERBOSE|DEBUG|CRITICAL)\][: ]{0,2}",
    # [1234] | [   12.345678]
    r"\[[ ]*\d{1,10}(?:\.\d{1,9})?\][ ]",
)
_LEVEL: Final = _forms(
    # I/tflite  ( 1234): | I/tflite:
    rf"(?P<level6>[VDIWEFAS])/{_TAG}[ ]*(?:\([ ]*(?P<pid6>\d{{1,7}})(?::[ ]*\w+)?\)[ ]*)?:{_SPACE}",
    # I( 1234) | I( 1234: 1234) (logcat process, thread)
    r"(?P<level7>[VDIWEFAS])\([ ]*(?P<pid7>\d{1,7})(?::[ ]*\d{1,7})?\)[ ]",
    # I tensorflow/tools/benchmark/benchmark_model.cc:600]
    r"(?P<level8>[IWEF])[ ][\w./+-]{1,256}\.(?:cc|h|py):\d{1,7}\][ ]?",
    # I tflite  : (a tag without date or pid)
    rf"(?P<taglevel>[VDIWEFA])[ ]{_TAG}[ ]*:[ ]",
    # I0000 00:00:1795354682.299844   17372 delegate_webgpu.cc:736]
    r"(?P<level9>[IWEF])\d{4}[ ][^\]]{0,160}?\][ ]?",
)
_WORD: Final = _forms(
    # INFO: | ERROR benchmark_litert_model: | INFO:benchmark_litert_model:
    r"(?P<level10>INFO|WARN|WARNING|ERROR|FATAL|VERBOSE|DEBUG|CRITICAL)"
    r"(?:[ ]+\w[\w.]{0,64}:|:\w[\w.]{0,64}:(?=\S)|[ ]?:)[ ]?",
)
_OTHER: Final = _forms(
    # Nov 22 13:38:01 host process[1234]:
    r"[A-Z][a-z]{2}[ ]{1,2}\d{1,2}[ ]\d\d:\d\d:\d\d[ ][\w.-]{1,64}[ ][\w./-]{1,64}"
    r"(?:\[\d{1,7}\])?:[ ]",
    r"tflite[ ]*:[ ]",
    # service-1  | (compose)
    r"[\w.-]{1,64}[ ]+\|[ ]",
    r"[>|][ ]",
)
_WORDS: Final = ("INFO", "WARN", "ERROR", "FATAL", "VERBOSE", "DEBUG", "CRITICAL")
_GROUPS: Final[dict[str, tuple[str | None, str | None, bool]]] = {
    # Last group of a form -> its groups of the process and of the level; whether it is logcat's.
    "level1": ("pid1", "level1", True),
    "level2": ("pid2", "level2", True),
    "pid3": ("pid3", None, True),
    "level4": ("pid4", "level4", True),
    "level5": (None, "level5", False),
    "level6": (None, "level6", True),
    "pid6": ("pid6", "level6", True),
    "pid7": ("pid7", "level7", True),
    "level8": (None, "level8", False),
    "taglevel": (None, "taglevel", True),
    "level9": (None, "level9", False),
    "level10": (None, "level10", False),
}
_BY_FIRST: Final = {
    **dict.fromkeys("0123456789", _DIGIT),
    "[": _BRACKET,
    " ": re.compile("[ ]+"),
    **dict.fromkeys("t>|", _OTHER),
}
"""First character of a prefix -> its forms; capitals need a look at what follows."""

_GRAVITY: Final = {
    **dict.fromkeys(("E", "ERROR"), "error"),
    **dict.fromkeys(("F", "A", "FATAL", "CRITICAL"), "fatal"),
    **dict.fromkeys(("W", "WARN", "WARNING"), "warning"),
}


class Stripped(NamedTuple):
    """A message without its prefixes.

    `source` is empty for a plain stream, `logcat` or `logcat PID` for Android's log. `gravity` is
    `error`, `fatal`, `warning` or empty.
    """

    message: str
    source: str
    gravity: str


def strip(line: str) -> Stripped:
    """Take all prefixes that loggers are known to write off a line."""
    position = 0
    source = gravity = ""
    for _ in range(MAX_PREFIXES):
        first = line[position : position + 1]
        pattern = _BY_FIRST.get(first)
        if pattern is None:
            if first.isupper():
                pattern = _behind_capital(line, position)
            elif position == 0 and " | " in line[:72]:
                pattern = _OTHER
        found = pattern.match(line, position) if pattern is not None else None
        if found is None:
            break
        position = found.end()
        group = found.lastgroup
        if group is not None:
            pid, level, logcat = _GROUPS[group]
            if pid is not None:
                source = f"logcat {found[pid]}"
            elif logcat and not source:
                source = "logcat"
            if level is not None:
                gravity = _GRAVITY.get(found[level], "")
    return Stripped(line[position:].rstrip(), source, gravity)


def _behind_capital(line: str, position: int) -> re.Pattern[str] | None:
    """The forms that a prefix beginning with a capital letter can have."""
    second = line[position + 1 : position + 2]
    if second in "/( " or second.isdigit():
        return _LEVEL
    if line.startswith(_WORDS, position):
        return _WORD
    return _OTHER if position == 0 and second.islower() else None
