"""Image bytes to tensors and back, against the rules of docs/protocol.md, number by number."""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.facts import TensorFacts
from bokehbench.runners.benchmark_model.tensors import element_bytes, from_tensor, to_tensor

ALL = bytes(range(256))
FLOAT = TensorFacts(name="x", shape=(1, 16, 16, 1), dtype="float32")
PLAIN = TensorFacts(name="x", shape=(1, 16, 16, 1), dtype="uint8")
UINT8 = TensorFacts(name="x", shape=(1, 16, 16, 1), dtype="uint8", scale=1 / 255, zero_point=3)
INT8 = TensorFacts(name="x", shape=(1, 16, 16, 1), dtype="int8", scale=1 / 255, zero_point=-128)
RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (1.0, 0.0)]


def floats(data: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(data) // 4}f", data)


@pytest.mark.parametrize("value_range", RANGES)
def test_floats_of_all_bytes(value_range: tuple[float, float]) -> None:
    low, high = value_range
    expected = [
        struct.unpack("<f", struct.pack("<f", low + b * (high - low) / 255.0))[0] for b in ALL
    ]
    assert list(floats(to_tensor(ALL, FLOAT, value_range))) == expected


@pytest.mark.parametrize("tensor", [UINT8, INT8])
@pytest.mark.parametrize("value_range", RANGES)
def test_quantised_elements_of_all_bytes(
    tensor: TensorFacts, value_range: tuple[float, float]
) -> None:
    low, high = value_range
    least = -128 if tensor.dtype == "int8" else 0
    for byte, raw in zip(ALL, to_tensor(ALL, tensor, value_range), strict=True):
        steps = round((low + byte * (high - low) / 255.0) / tensor.scale)
        told = raw - 256 if tensor.dtype == "int8" and raw > 127 else raw
        assert told == max(least, min(least + 255, steps + tensor.zero_point))


def test_bytes_without_a_scale_stay_as_they_are() -> None:
    assert to_tensor(ALL, PLAIN, (-1.0, 1.0)) == ALL
    back = from_tensor(ALL, PLAIN, (-1.0, 1.0), rounding="half_even", wanted="u8")
    assert (back.data, back.low, back.high, back.nonfinite) == (ALL, -1.0, 1.0, 0)


@pytest.mark.parametrize("tensor", [FLOAT, PLAIN, INT8])
@pytest.mark.parametrize("rounding", ["half_even", "half_up"])
def test_there_and_back(tensor: TensorFacts, rounding: str) -> None:
    there = to_tensor(ALL, tensor, (0.0, 1.0))
    assert len(there) == 256 * element_bytes(tensor)
    assert from_tensor(there, tensor, (0.0, 1.0), rounding=rounding, wanted="u8").data == ALL


@pytest.mark.parametrize(
    ("real", "rounding", "byte"),
    [
        (0.5, "half_even", 0),
        (1.5, "half_even", 2),
        (2.5, "half_even", 2),
        (0.5, "half_up", 1),
        (2.5, "half_up", 3),
        (2.999, "truncate", 2),
        (-3.0, "half_even", 0),
        (300.0, "half_up", 255),
        (254.9, "truncate", 254),
        (math.nan, "half_even", 0),
        (math.inf, "half_even", 255),
        (-math.inf, "half_even", 0),
    ],
)
def test_rounding_and_bounds(real: float, rounding: str, byte: int) -> None:
    data = struct.pack("<f", real)
    told = from_tensor(data, FLOAT, (0.0, 255.0), rounding=rounding, wanted="u8")
    assert told.data == bytes([byte])
    assert told.nonfinite == (0 if math.isfinite(real) else 1)


def test_what_is_not_finite_is_counted_and_left_out_of_the_range() -> None:
    data = struct.pack("<5f", 0.25, math.nan, -0.5, math.inf, 0.75)
    told = from_tensor(data, FLOAT, (0.0, 1.0), rounding="half_even", wanted="f32")
    assert (told.nonfinite, told.low, told.high, told.data) == (2, -0.5, 0.75, data)
    none = from_tensor(
        struct.pack("<f", math.nan), FLOAT, (0.0, 1.0), rounding="half_up", wanted="u8"
    )
    assert (none.low, none.high) == (None, None)


def test_real_values_of_quantised_elements() -> None:
    told = from_tensor(
        bytes([3, 4, 258 - 256]), UINT8, (0.0, 1.0), rounding="half_even", wanted="f32"
    )
    assert floats(told.data) == pytest.approx((0.0, 1 / 255, -1 / 255))


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50),
    st.sampled_from(RANGES[:3]),
)
def test_bytes_are_the_nearest(values: list[float], value_range: tuple[float, float]) -> None:
    low, high = value_range
    data = struct.pack(f"<{len(values)}f", *values)
    told = from_tensor(data, FLOAT, value_range, rounding="half_even", wanted="u8")
    for value, byte in zip(values, told.data, strict=True):
        exact = (Fraction(value) - Fraction(low)) * 255 / (Fraction(high) - Fraction(low))
        assert abs(min(Fraction(255), max(Fraction(0), exact)) - byte) <= Fraction(1, 2) + Fraction(
            1, 10**9
        )
