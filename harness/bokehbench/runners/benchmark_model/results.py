"""Tokens of one run -> its numbers, each with its line, and an interval where digits were lost.

What the text does not hold stays out. Two decimals of a millisecond are worth 10 us.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Final

from bokehbench.runners.benchmark_model.counts import (
    Count,
    Interval,
    agree,
    count_of,
    number,
    printed_alike,
    six_digits,
)
from bokehbench.runners.benchmark_model.rules import NUMBER
from bokehbench.runners.benchmark_model.runs import RawRun

_LABELS: Final = re.compile(
    r"(Inference \(avg\)|Warmup \(avg\)|First inference|Warmup|Init|Inference|no stats)"
    rf":[ ]*{NUMBER}",
    re.IGNORECASE,
)
_SUMMARY_FIELDS: Final = {
    "inference (avg)": "avg_us",
    "inference": "avg_us",
    "no stats": "avg_us",
    "warmup (avg)": "warmup_avg_us",
    "warmup": "warmup_avg_us",
    "first inference": "first_us",
    "init": "init_ms",
}
_EARLIEST: Final = re.compile(rf"[ ]*{NUMBER}[ ]*,")
"""The very first generation: the average comes without a label."""

_LABELLED_FIELDS: Final = {
    "Model initialization": "init_ms",
    "Warmup (first)": "first_us",
    "Warmup (avg)": "warmup_avg_us",
    "Inference (avg)": "avg_us",
    "Inference (min)": "min_us",
    "Inference (max)": "max_us",
    "Inference (median)": "median_us",
    "Inference (std)": "std_us",
    "Inference (p5)": "p5_us",
    "Inference (p95)": "p95_us",
    "Peak memory": "peak_memory_mb",
    "Init footprint": "init_memory_mb",
    "Overall footprint": "overall_memory_mb",
}
_JSON_FIELDS: Final = {
    "init_ms": "init_ms",
    "warmup_first_ms": "first_us",
    "warmup_avg_ms": "warmup_avg_us",
    "avg_ms": "avg_us",
    "min_ms": "min_us",
    "max_ms": "max_us",
    "median_ms": "median_us",
    "std_ms": "std_us",
    "p5_ms": "p5_us",
    "p95_ms": "p95_us",
    "num_runs": "count",
    "num_warmup_runs": "warmup_count",
}
_RUN_MODEL_FIELDS: Final = {
    "First": "first_us",
    "Slowest": "max_us",
    "Fastest": "min_us",
    "All": "avg_us",
    "Run": "count",
}


@dataclass
class Numbers:
    """Values by field name, their lines and intervals. `complete` once a result was printed."""

    values: dict[str, float] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, Interval] = field(default_factory=dict)
    complete: bool = False
    result_line: int | None = None
    has_session: bool = False
    unconfirmed: bool = False

    def put(
        self, name: str, value: float | None, line: int, interval: Interval | None = None
    ) -> None:
        """Keep a value; the first one said stays."""
        if value is None or name in self.values:
            return
        self.values[name] = value
        self.lines[name] = line
        if interval is not None and interval[0] != interval[1]:
            self.intervals[name] = interval

    def drop(self, name: str) -> None:
        """Forget a value."""
        self.values.pop(name, None)
        self.lines.pop(name, None)
        self.intervals.pop(name, None)


def read_numbers(run: RawRun, *, last_line_is_whole: bool, last_line: int) -> Numbers:
    """All numbers of one run.

    Args:
        run: its tokens.
        last_line_is_whole: whether the log's last line has a line end.
        last_line: the number of the log's last line.
    """
    numbers = Numbers()
    counts = [count_of(entry) for entry in run.of("count")]
    summary = _read_summary(run, numbers, counts, last_line_is_whole, last_line)
    _read_labelled(run, numbers)
    _read_json(run, numbers)
    _read_run_model(run, numbers)
    _read_counts(run, numbers, counts, summary)
    _read_session(run, numbers)
    _read_memory(run, numbers)
    return numbers


def _read_summary(
    run: RawRun, numbers: Numbers, counts: list[Count], whole: bool, last_line: int
) -> bool:
    """The line of averages; whether there is one that can be believed."""
    found = run.of("summary")
    if not found:
        return False
    line, token = found[-1]
    text = token.values[0] or ""
    earliest = _EARLIEST.match(text)
    if earliest is not None:
        _put_printed(numbers, "avg_us", earliest[1], line)
    for label, value in _LABELS.findall(text):
        _put_printed(numbers, _SUMMARY_FIELDS[label.lower()], value, line)
    average = numbers.values.get("avg_us")
    if average is None:
        _drop_zeros(numbers)
        return False
    if line == last_line and not whole and not any(printed_alike(c.mean, average) for c in counts):
        # The line has no end and nothing repeats its last number: it may have lost digits.
        numbers.drop("avg_us")
        numbers.unconfirmed = True
        return False
    numbers.complete = average > 0 or bool(counts and counts[-1].count > 0)
    numbers.result_line = line
    if not numbers.complete:
        _drop_zeros(numbers)
    return True


def _drop_zeros(numbers: Numbers) -> None:
    """A dry run prints averages of nothing: 0, or NaN."""
    for name in ("avg_us", "first_us", "warmup_avg_us"):
        if not numbers.values.get(name):
            numbers.drop(name)


def _put_printed(numbers: Numbers, name: str, text: str, line: int) -> None:
    value = number(text)
    if value is None or value < 0:
        return
    if name == "init_ms":
        # A whole number of microseconds, printed whole.
        numbers.put(name, value / 1000, line)
    elif name == "first_us":
        numbers.put(name, value, line)
    else:
        numbers.put(name, value, line, six_digits(value))


def _read_counts(run: RawRun, numbers: Numbers, counts: list[Count], summary: bool) -> None:
    """Which count line is the result's and which the warm-up's, and what they add."""
    average, warm = numbers.values.get("avg_us"), numbers.values.get("warmup_avg_us")
    result: Count | None = None
    warmup: Count | None = None
    if summary and average is not None:
        matching = [c for c in counts if agree(c.mean, average)]
        result = matching[-1] if matching else None
        others = [c for c in counts if c is not result]
        if warm is not None:
            warmup = next((c for c in others if agree(c.mean, warm)), None)
    elif numbers.result_line is not None and average is not None:
        # LiteRT's tool: the same two lines before its own block.
        result = counts[-1] if len(counts) >= 2 else None
        warmup = counts[0] if len(counts) >= 2 else None
    elif counts:
        warmup = counts[0]
        result = counts[-1] if len(counts) >= 2 else None
        if len(counts) == 1 and not run.of("running") and not numbers.unconfirmed:
            result, warmup = counts[0], None
    if warmup is None and result is not None and counts[0] is not result and not counts[0].count:
        # No warm-up was run: zeros stand for nothing, and the first run is a timed one.
        numbers.put("warmup_count", 0, counts[0].line)
        for name in ("first_us", "warmup_avg_us"):
            numbers.drop(name)
        numbers.put("first_us", result.first or result.current, result.line)
    if warmup is not None:
        numbers.put("warmup_count", warmup.count, warmup.line)
        numbers.put("first_us", warmup.first or warmup.current, warmup.line)
        _put_mean(numbers, "warmup_avg_us", warmup)
    if result is not None:
        numbers.drop("count")
        numbers.put("count", result.count, result.line)
        if result.count > 0:
            _put_result(numbers, result)


def _put_mean(numbers: Numbers, name: str, count: Count) -> None:
    mean = count.mean
    if mean is None:
        return
    exact = count.average is None
    if exact or name not in numbers.values:
        numbers.drop(name)
        numbers.put(name, mean, count.line, None if exact else six_digits(mean))


def _put_result(numbers: Numbers, result: Count) -> None:
    """The result's own line is finer than the block of rounded milliseconds after it."""
    _put_mean(numbers, "avg_us", result)
    if result.average is not None and "avg_us" in numbers.intervals:
        fine = six_digits(number(result.average) or 0.0)
        low, high = numbers.intervals["avg_us"]
        if high - low > fine[1] - fine[0]:
            numbers.drop("avg_us")
            numbers.put("avg_us", number(result.average), result.line, fine)
    for name, value in (
        ("min_us", result.low),
        ("max_us", result.high),
        ("std_us", result.std),
        ("p5_us", result.p5),
        ("median_us", result.median),
        ("p95_us", result.p95),
    ):
        if value is None:
            continue
        numbers.drop(name)
        # The tool cuts a deviation to whole microseconds; the others are whole.
        numbers.put(name, value, result.line, (value, value + 1) if name == "std_us" else None)


def _read_labelled(run: RawRun, numbers: Numbers) -> None:
    """LiteRT's block of results; complete at the rule below it."""
    found = run.of("labelled")
    for line, token in found:
        label, text = token.values[0] or "", token.values[1]
        value = number(text)
        if value is None or text is None:
            continue
        name = _LABELLED_FIELDS[label]
        _put_decimal(numbers, name, value, text, line)
        if label == "Inference (avg)" and token.values[2] is not None:
            numbers.put("count", int(token.values[2]), line)
            numbers.result_line = line
        elif label == "Warmup (avg)" and token.values[2] is not None:
            numbers.put("warmup_count", int(token.values[2]), line)
    if numbers.result_line is None or not found:
        return
    last = max(line for line, _ in found)
    ruled = any(line > last for line, _ in run.of("rule"))
    if ruled and numbers.values.get("count", 0) > 0:
        numbers.complete = True


def _put_decimal(numbers: Numbers, name: str, value: float, text: str, line: int) -> None:
    """A number printed with so many decimals; milliseconds become microseconds for `_us`."""
    half = 0.5 * 10.0 ** -len(text.partition(".")[2])
    scale = 1000.0 if name.endswith("_us") else 1.0
    low = max(0.0, value - half)
    numbers.put(
        name,
        round(value * scale, 6),
        line,
        (round(low * scale, 6), round((value + half) * scale, 6)),
    )


def _read_json(run: RawRun, numbers: Numbers) -> None:
    """The Python tool's result file, in lines or in one."""
    end = run.of("json_end")
    for line, token in run.of("json_value"):
        _put_json(numbers, token.values[0] or "", token.values[1] or "", line)
    for line, token in run.of("json"):
        try:
            values = json.loads("{" + (token.values[0] or "") + "}")
        except ValueError:
            continue
        for name, value in values.items():
            _put_json(numbers, name, repr(value), line)
        end = end or [(line, token)]
    if end and numbers.result_line is None and "avg_us" in numbers.values:
        numbers.result_line = numbers.lines["avg_us"]
        numbers.complete = numbers.values.get("count", 0) > 0


def _put_json(numbers: Numbers, key: str, text: str, line: int) -> None:
    name, value = _JSON_FIELDS.get(key), number(text)
    if name is None or value is None:
        return
    if name.endswith("count"):
        numbers.put(name, int(value), line)
    else:
        # Rounded to two decimals, and trailing zeros are not written.
        _put_decimal(numbers, name, value, f"{value:.2f}", line)


def _read_run_model(run: RawRun, numbers: Numbers) -> None:
    """run_model's whole microseconds; its average is cut, not rounded."""
    for line, token in run.of("run_model"):
        value = float(token.values[1] or 0)
        name = _RUN_MODEL_FIELDS[token.values[0] or ""]
        numbers.put(name, value, line, (value, value + 1) if name == "avg_us" else None)
        if name == "avg_us":
            numbers.result_line = line
    if run.of("run_done") and run.of("run_model") and "avg_us" in numbers.values:
        numbers.complete = True


def _read_session(run: RawRun, numbers: Numbers) -> None:
    scale = {"ms": 1.0, "us": 1e-3, "s": 1e3}
    for line, token in run.of("session"):
        value = number(token.values[0])
        numbers.has_session = True
        if value is not None:
            value *= scale[token.values[1] or "ms"]
            # Microseconds in six digits: exact below a second.
            numbers.put("init_ms", value, line, six_digits(value) if value >= 1000 else None)
    if run.of("litert_loaded"):
        numbers.has_session = True


def _read_memory(run: RawRun, numbers: Numbers) -> None:
    for line, token in run.of("monitored") or run.of("peak"):
        value = number(token.values[0])
        if value is not None:
            numbers.put("peak_memory_mb", value, line, six_digits(value))
    for line, token in run.of("delta"):
        numbers.put("init_memory_mb", number(token.values[0]), line)
        numbers.put("overall_memory_mb", number(token.values[1]), line)
    for line, token in run.of("size"):
        numbers.put("model_size_mb", number(token.values[0]), line)
