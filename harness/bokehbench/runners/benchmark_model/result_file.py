"""The result file of benchmark_model: BenchmarkResult in protobuf's wire format.

Numbers of fields: tensorflow/lite/tools/benchmark/proto/benchmark_result.proto; the encoding:
protobuf.dev/programming-guides/encoding.
"""

import math
import struct
from collections.abc import Iterator
from typing import Final

import msgspec

MAX_BYTES: Final = 1 << 16
"""A whole one has less than 200 bytes."""

_VARINT, _FIXED64, _MESSAGE, _FIXED32 = 0, 1, 2, 5

_LATENCY: Final = {
    1: "avg_ms",
    2: "min_ms",
    3: "max_ms",
    4: "std_ms",
    5: "median_ms",
    6: "p5_ms",
    7: "p95_ms",
    8: "init_ms",
    9: "first_ms",
    10: "warmup_avg_ms",
}
_MEMORY: Final = {1: "init_footprint_kb", 2: "overall_footprint_kb", 3: "peak_memory_mb"}
_MISC: Final = {1: "model_size_mb", 2: "count", 3: "warmup_count", 4: "throughput_mb_per_second"}
_GROUPS: Final = {2: _LATENCY, 3: _MEMORY, 4: _MISC}
_WHOLE: Final = frozenset({"init_footprint_kb", "overall_footprint_kb", "count", "warmup_count"})


class ResultFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds; None is "it does not say". Times are 32-bit floats in the file."""

    avg_ms: float | None = None
    min_ms: float | None = None
    max_ms: float | None = None
    std_ms: float | None = None
    median_ms: float | None = None
    p5_ms: float | None = None
    p95_ms: float | None = None
    init_ms: float | None = None
    first_ms: float | None = None
    warmup_avg_ms: float | None = None
    init_footprint_kb: int | None = None
    overall_footprint_kb: int | None = None
    peak_memory_mb: float | None = None
    model_size_mb: float | None = None
    count: int | None = None
    warmup_count: int | None = None
    throughput_mb_per_second: float | None = None


class NotAResult(ValueError):
    """The bytes are no BenchmarkResult; the message says where they stop to be one."""


def read_result(data: bytes) -> ResultFile:
    """Decode a result file.

    A number that is NaN or infinite counts as not told: the tool divides by zero runs.

    Raises:
        NotAResult: cut, empty, or of another kind.
    """
    if not data or len(data) > MAX_BYTES:
        raise NotAResult(f"{len(data)} bytes")
    values: dict[str, float | int] = {}
    for number, kind, value in _fields(data):
        names = _GROUPS.get(number)
        if names is None:
            continue
        if kind != _MESSAGE or not isinstance(value, bytes):
            raise NotAResult(f"field {number} is no message")
        for inner, inner_kind, held in _fields(value):
            if (name := names.get(inner)) is not None:
                told = _value(name, inner_kind, held)
                if told is not None:
                    values[name] = told
    if not values:
        raise NotAResult("it holds no number")
    return msgspec.convert(values, ResultFile)


def float_interval(value: float) -> tuple[float, float]:
    """What a number can have been before it became this 32-bit float."""
    bits = struct.unpack("<I", struct.pack("<f", abs(value)))[0]
    below, above = (
        struct.unpack("<f", struct.pack("<I", max(0, bits + step)))[0] for step in (-1, 1)
    )
    return (abs(value) + below) / 2, (abs(value) + above) / 2


def _value(name: str, kind: int, held: int | bytes) -> float | int | None:
    if name in _WHOLE:
        if kind != _VARINT or not isinstance(held, int):
            raise NotAResult(f"{name} is no whole number")
        return held - (1 << 64) if held >> 63 else held
    if kind != _FIXED32 or not isinstance(held, bytes):
        raise NotAResult(f"{name} is no 32-bit float")
    value: float = struct.unpack("<f", held)[0]
    return value if math.isfinite(value) else None


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Number, wire type and value of each field of a message."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise NotAResult(f"a field without a number at byte {place}")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, kind, value
            continue
        if kind == _MESSAGE:
            size, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise NotAResult(f"a field of wire type {kind} at byte {place}")
        if size > len(data) - place:
            raise NotAResult(f"cut at byte {len(data)}")
        yield number, kind, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise NotAResult(f"cut at byte {len(data)}")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & ((1 << 64) - 1), place
    raise NotAResult(f"a number without an end at byte {place}")
