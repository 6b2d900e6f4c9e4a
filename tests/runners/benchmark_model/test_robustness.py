"""Any bytes are read, in linear time and bounded memory; what loggers add changes nothing."""

import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bokehbench.runners.benchmark_model import ParsedLog, parse_log
from bokehbench.runners.benchmark_model.lines import LINE_LIMIT, Text, read_lines
from bokehbench.runners.benchmark_model.prefixes import strip
from tests.runners.benchmark_model.corpus import GOOD, NAMES, exit_code, expected, log

PLACES = {"lines", "decided_by", "first_line", "last_line", "warnings", "delegates", "unsupported"}
"""What moves when lines are added; the profile's line as well."""

PREFIXES = (
    "",
    "INFO: ",
    "I tflite  : ",
    "I/tflite  ( 1234): ",
    "11-22 13:38:01.123 I/tflite  ( 1234): ",
    "11-22 13:38:01.123  1234  5678 I tflite  : ",
    "2026-11-22 13:38:01.123  1234  1234 I tflite  : ",
    "1795354682.299  1234  1234 I tflite  : ",
    "2026-11-22 13:38:01.123 1234-1234/org.tensorflow.lite I/tflite: ",
    "2026-11-22 13:38:01.123  1234-1234  tflite   org.tensorflow.lite   I  ",
    "2026-11-22T13:38:01.1234567Z ",
    "[2026-11-22 13:38:01] ",
    "[13:38:01.123] ",
    "[1234] ",
    "[   12.345678] ",
    "Nov 22 13:38:01 host benchmark[1234]: ",
    "runner-1  | ",
    "\x1b[32m",
)
slow = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def told(data: bytes, code: int | None) -> dict[str, Any]:
    """What is said of a log, without where it stands."""
    file = parse_log(data, exit_code=code)
    assert len(file.runs) == 1
    return facts(file.last)


def facts(run: ParsedLog) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(run))
    if found["profile"]:
        found["profile"].pop("line")
    return {key: value for key, value in found.items() if key not in PLACES}


def body(name: str) -> list[str]:
    """The lines of a capture behind the comment that says where it is from."""
    return log(name).decode("utf-8", "replace").split("\n")[1:]


def bare(name: str) -> dict[str, Any]:
    return told("\n".join(body(name)).encode(), exit_code(name))


# Prefixes, copies, encodings


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_changes_nothing(name: str, prefix: str) -> None:
    text = "\n".join(prefix + line for line in body(name))
    assert told(text.encode(), exit_code(name)) == bare(name)


@slow
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_shuffled_prefixes_change_nothing(name: str, seed: int) -> None:
    chance = random.Random(seed)
    text = "\n".join(chance.choice(PREFIXES) + line for line in body(name))
    assert told(text.encode(), exit_code(name)) == bare(name)


@slow
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32))
def test_lines_that_are_there_twice_count_once(name: str, seed: int) -> None:
    chance = random.Random(seed)
    lines = []
    for line in body(name):
        lines.append(line)
        if line and chance.random() < 0.5:
            lines.append(chance.choice(PREFIXES) + line)
    assert told("\n".join(lines).encode(), exit_code(name)) == bare(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["before", "after", "mixed", "late"])
def test_logcat_and_stderr_in_one_log(name: str, order: str) -> None:
    plain = body(name)
    copies = [f"11-22 13:38:01.123  1234  5678 I tflite  : {line}" for line in plain]
    if order == "before":
        lines = copies + plain
    elif order == "after":
        lines = plain + copies
    elif order == "mixed":
        lines = [line for pair in zip(plain, copies, strict=True) for line in pair]
    else:
        # The copy comes three lines late, as a buffered stream does.
        late = ["", "", "", *copies]
        lines = [line for pair in zip([*plain, "", "", ""], late, strict=True) for line in pair]
    assert told("\n".join(lines).encode(), exit_code(name)) == bare(name)


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "utf-16 with a mark": lambda text: text.encode("utf-16"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR CRLF": lambda text: text.replace("\n", "\r\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "blanks at ends": lambda text: text.replace("\n", "   \n").encode(),
    "tabs at ends": lambda text: text.replace("\n", "\t\n").encode(),
    "NUL bytes": lambda text: text.replace("\n", "\n\x00\x00").encode(),
    "colours": lambda text: text.replace("\n", "\x1b[0m\n\x1b[1;31m").encode(),
    "bytes that are no text": lambda text: text.encode().replace(b"\n", b"\n\xff\xfe\x80\n"),
    "a progress bar": lambda text: text.replace("\n", "\n 10%\r 20%\r").encode(),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ENCODINGS)
def test_encodings_and_line_ends_change_nothing(name: str, kind: str) -> None:
    text = "\n".join(body(name))
    assert told(ENCODINGS[kind](text), exit_code(name)) == bare(name)


def test_lines_are_numbered_as_an_editor_does() -> None:
    for ending in (b"\n", b"\r\n", b"\r"):
        data = ending.join([b"STARTING!", b"", b"Graph: [m]", b"Initialized session in 2ms.", b""])
        assert parse_log(data).last.lines["init_ms"] == 4


# Any bytes at all


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=4000), st.none() | st.integers(-100, 300))
def test_any_bytes_are_read(data: bytes, code: int | None) -> None:
    file = parse_log(data, exit_code=code)
    assert file.runs
    msgspec.json.encode(file)


@slow
@given(name=st.sampled_from(NAMES), data=st.data())
def test_a_damaged_log_is_read(name: str, data: st.DataObject) -> None:
    damaged = bytearray(log(name))
    for _ in range(data.draw(st.integers(1, 20))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        damaged[place] = data.draw(st.integers(0, 255))
    msgspec.json.encode(parse_log(bytes(damaged), exit_code=exit_code(name)))


@slow
@given(name=st.sampled_from(NAMES), keep=st.floats(0, 1), junk=st.binary(max_size=200))
def test_an_unfinished_run_with_junk_behind_it_is_no_success(
    name: str, keep: float, junk: bytes
) -> None:
    data = log(name)
    part = data[: int(keep * len(data))] + b"\n" + junk
    if b"timings in us" in part or b"Inference (avg)" in part:
        return
    for code in (None, 0, exit_code(name)):
        assert all(run.outcome not in GOOD for run in parse_log(part, exit_code=code).runs)


@slow
@given(first=st.sampled_from(NAMES), second=st.sampled_from(NAMES))
def test_two_logs_in_one_file(first: str, second: str) -> None:
    """A log that follows another is judged alone: the first's result is not its own."""
    file = parse_log(log(first) + b"\n" + log(second), exit_code=exit_code(second))
    assert file.last.outcome == expected()[second]["outcome"]
    assert file.last.avg_us == expected()[second]["avg_us"]


# Time and memory

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "one line of letters": lambda n: b"a" * n,
    "one line of keys": lambda n: b"--use_" * (n // 6),
    "one line of counts": lambda n: b"count=" * (n // 6),
    "one line of brackets": lambda n: b": [" * (n // 3),
    "one line of prefixes": lambda n: b"INFO: " * (n // 6),
    "one line of digits": lambda n: b"count=1 first=" + b"9" * n,
    "spaces": lambda n: b"count=1 curr=3" + b" " * n + b"x",
    "many keys": lambda n: b"operations delegate node(s) --use_x ersion : [ usage: \n" * (n // 55),
    "many commands": lambda n: b"--use_gpu --graph=" * (n // 18) + b"\n",
    "many runs": lambda n: b"".join(
        b"STARTING!\nInitialized session in %dms.\n" % i for i in range(n // 40)
    ),
    "many failures": lambda n: b"ERROR: Node number 3 (A) failed to prepare.\n" * (n // 44),
    "many refusals": lambda n: (
        b"are operations are not supported by X:\n"
        + b"".join(b"OP_%d: no\n" % i for i in range(n // 10))
    ),
    "a long table": lambda n: (
        b"\t[node type]\t[avg ms]\t[%]\t[Name]\n"
        + b"".join(b"\tCONV\t 1.0\t 2.0%%\tn:%d\n" % i for i in range(n // 24))
    ),
    "escapes": lambda n: b"\x1b[" + b"1;" * (n // 2),
    "no end of escape": lambda n: b"\x1b]" * (n // 2),
    "carriage returns": lambda n: b"x\r" * (n // 2) + b"\n",
    "line ends": lambda n: b"\n" * n,
    "NULs": lambda n: b"\x00" * n,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_with_the_size_and_not_faster(kind: str) -> None:
    def took(size: int) -> float:
        data = HOSTILE[kind](size)
        best = float("inf")
        for _ in range(3):
            began = time.process_time()
            parse_log(data)
            best = min(best, time.process_time() - began)
        return best

    small, large = took(50_000), took(800_000)
    # Sixteen times the size; quadratic would be 256 times. Short times are noise.
    assert large < 60 * max(small, 0.002)


def endless(kind: str, total: int) -> Iterator[bytes]:
    """A stream without end, as far as memory is concerned."""
    piece = HOSTILE[kind](1 << 17)
    if kind.startswith("one line"):
        piece = piece.replace(b"\n", b"")
    for _ in range(total // len(piece)):
        yield piece


@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_does_not_grow_with_the_stream(kind: str) -> None:
    def peak(total: int) -> int:
        tracemalloc.start()
        parse_log(endless(kind, total))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(3 << 20) < 24 << 20


def test_a_line_without_end_is_cut_and_told_of() -> None:
    data = b"STARTING!\n" + b"x" * (LINE_LIMIT * 40) + b"\nInitialized session in 3ms.\n"
    run = parse_log(data, exit_code=0).last
    assert run.init_ms == 3
    assert run.lines["init_ms"] == 3
    assert any("too long" in text for text in run.warnings or ())


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=8))
def test_chunks_of_any_size_are_one_log(data: bytes, cuts: list[int]) -> None:
    data = b"STARTING!\r\n" * 500 + data
    places = sorted({0, len(data), *(min(cut * 10, len(data)) for cut in cuts)})
    chunks = [data[a:b] for a, b in pairwise(places)]

    def lines(chunks: list[bytes]) -> list[tuple[int, str]]:
        blocks = read_lines(chunks, Text())
        return [(number + i, line) for number, block in blocks for i, line in enumerate(block)]

    assert lines(chunks) == lines([data])


@pytest.mark.parametrize(
    ("line", "message", "source", "gravity"),
    [
        ("E/tflite  ( 6444): SUM: no", "SUM: no", "logcat 6444", "error"),
        ("W tflite  : x", "x", "logcat", "warning"),
        ("E0000 00:00:1795354682.299844   17372 delegate_webgpu.cc:736] y", "y", "", "error"),
        ("WARNING: [npu_registry.cc:34] z", "z", "", "warning"),
        ("2026-11-22 13:38:02 ERROR benchmark_litert_model: m", "m", "", "error"),
        ("2018-09-10 12:36:37.571200: I tensorflow/tools/x/y.cc:600] a", "a", "", ""),
        ("\tCONV_2D\t 1", "\tCONV_2D\t 1", "", ""),
        ("SUM: Operation is not supported.", "SUM: Operation is not supported.", "", ""),
        ("Model: x", "Model: x", "", ""),
    ],
)
def test_prefixes_that_are_taken_off(line: str, message: str, source: str, gravity: str) -> None:
    assert strip(line) == (message, source, gravity)
