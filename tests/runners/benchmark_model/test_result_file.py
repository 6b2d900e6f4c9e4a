"""The result file's bytes, made by an encoder of the tests' own from the public .proto."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.runners.benchmark_model import NotAResult, ResultFile, read_result
from bokehbench.runners.benchmark_model.result_file import float_interval
from tests.support.standin_tool import encode_result

WHOLE = {
    2: {1: 6.12843, 2: 5.554, 3: 25.902, 4: 1.602, 5: 5.9, 6: 5.6, 7: 9.0, 8: 0.852, 9: 9.958,
        10: 6.14001},
    3: {1: 2628, 2: 11076, 3: 12.5},
    4: {1: 0.005, 2: 162, 3: 81, 4: 3.5},
}  # fmt: skip


def test_every_field_by_its_number() -> None:
    told = read_result(encode_result(WHOLE))
    assert told.count == 162
    assert told.warmup_count == 81
    assert (told.init_footprint_kb, told.overall_footprint_kb) == (2628, 11076)
    near = {
        "avg_ms": 6.12843, "min_ms": 5.554, "max_ms": 25.902, "std_ms": 1.602, "median_ms": 5.9,
        "p5_ms": 5.6, "p95_ms": 9.0, "init_ms": 0.852, "first_ms": 9.958, "warmup_avg_ms": 6.14001,
        "peak_memory_mb": 12.5, "model_size_mb": 0.005, "throughput_mb_per_second": 3.5,
    }  # fmt: skip
    for name, value in near.items():
        assert getattr(told, name) == pytest.approx(value, rel=1e-7)


def test_what_it_does_not_hold_is_none() -> None:
    assert read_result(encode_result({2: {1: 6.0}})) == ResultFile(avg_ms=6.0)


def test_not_a_number_is_not_told() -> None:
    told = read_result(encode_result({2: {1: 6.0, 9: float("nan"), 10: float("inf")}}))
    assert told == ResultFile(avg_ms=6.0)


def test_unknown_fields_of_every_wire_type_are_passed_over() -> None:
    more = (
        bytes([15 << 3 | 0, 0x96, 0x01])
        + bytes([14 << 3 | 1])
        + bytes(8)
        + bytes([1 << 3 | 2, 4])
        + b"name"
        + bytes([13 << 3 | 5])
        + bytes(4)
    )
    assert read_result(more + encode_result(WHOLE) + more) == read_result(encode_result(WHOLE))


def test_negative_numbers_take_ten_bytes() -> None:
    assert read_result(encode_result({3: {1: -5}})).init_footprint_kb == -5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"not a result file",
        b"\x12",
        b"\x12\x05\x0d\x00",
        b"\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
        b"\x10\x05",
        bytes([2 << 3 | 2, 2, 1 << 3, 5]),
        bytes([4 << 3 | 2, 5, 2 << 3 | 5, 0, 0, 0, 0]),
        bytes([5 << 3 | 3]),
        b"\x12\x00" * 40_000,
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(NotAResult):
        read_result(data)


def test_cut_anywhere_it_is_refused_or_holds_less() -> None:
    data = encode_result(WHOLE)
    whole = read_result(data)
    for end in range(len(data)):
        try:
            cut = read_result(data[:end])
        except NotAResult:
            continue
        # At the end of a message nothing shows that more should come: the count is in the last.
        assert cut.count is None
        for name in ResultFile.__struct_fields__:
            assert getattr(cut, name) in (None, getattr(whole, name))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(NotAResult):
        assert isinstance(read_result(data), ResultFile)


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_an_interval_holds_what_was_written(value: float) -> None:
    written = struct.unpack("<f", struct.pack("<f", value))[0]
    low, high = float_interval(written)
    assert low <= value <= high
    assert high - low <= 2e-7 * value
