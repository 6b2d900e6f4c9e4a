"""Models of a single operator: what every rule speaks of, on both sides of its conditions.

A tensor is written `1x8x8x4`, with `:int8` for another type than float32, `=` for a constant of
zeros (`=1,2` for one of these values) and `-` for one that is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bokehbench.model.options import Value

A: Final = "1x8x8x4"


@dataclass(frozen=True)
class Case:
    """One model: an operator with its tensors and options."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = (A,)
    options: dict[str, Value] = field(default_factory=dict)
    version: int = 1

    @property
    def label(self) -> str:
        """One line that tells it from all others."""
        told = " ".join(f"{key}={value}" for key, value in self.options.items())
        return (
            f"{self.op} v{self.version} {' '.join(self.inputs)} -> {' '.join(self.outputs)} {told}"
        )


_UNARY: Final = (
    "ABS CEIL COS ELU EXP FLOOR GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC NEG RELU RELU6 "
    "RELU_N1_TO_1 ROUND RSQRT SIGN SIN SQRT SQUARE TANH L2_NORMALIZATION RELU_0_TO_1 LOG_SOFTMAX"
)
_BINARY: Final = "ADD SUB MUL DIV MAXIMUM MINIMUM SQUARED_DIFFERENCE POW FLOOR_DIV FLOOR_MOD ATAN2"
_COMPARE: Final = "EQUAL NOT_EQUAL LESS LESS_EQUAL GREATER GREATER_EQUAL"
_REDUCE: Final = "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD"
_ACTIVE: Final = ("ADD", "SUB", "MUL", "DIV")


def cases() -> Iterator[Case]:
    """All cases, in a fixed order."""
    yield from _elementwise()
    yield from _convolutions()
    yield from _matrices()
    yield from _moves()
    yield from _others()


def _elementwise() -> Iterator[Case]:
    for op in _UNARY.split():
        options: dict[str, Value] = {"alpha": 0.25} if op == "LEAKY_RELU" else {}
        for shape in (A, "4x4", "1x8x4", "1x2x4x4x4", "1x1x2x2x2x2x4", "2x4x4x4"):
            yield Case(op, (shape,), (shape,), options)
        yield Case(op, (f"{A}:int8",), (f"{A}:int8",), options)
    yield Case("LEAKY_RELU", (A,), (A,), {"alpha": 0.0})
    for op in _BINARY.split():
        for other in (A, f"{A}=", "4=", "1x1x1x4", "1x8x8x1", "8x4", "=1"):
            yield Case(op, (A, other))
        yield Case(op, ("1x8x1x4", "1x1x8x4"), (A,))
        yield Case(op, (f"{A}:int8", f"{A}:int8"), (f"{A}:int8",))
        yield Case(op, (f"{A}:int32", f"{A}:int32"), (f"{A}:int32",))
        yield Case(op, ("1x2x4x4x4", "1x2x4x4x4"), ("1x2x4x4x4",))
        if op in _ACTIVE:
            for activation in ("RELU", "RELU6", "RELU_N1_TO_1", "TANH", "SIGN_BIT"):
                yield Case(op, (A, A), (A,), {"activation": activation})
    for op in _COMPARE.split():
        yield Case(op, (A, A), (f"{A}:bool",))
    yield Case("PRELU", (A, "1x1x4="))
    yield Case("PRELU", (A, "4="))
    yield Case("PRELU", (A, "8x8x4="))
    yield Case("ADD_N", (A, A))
    yield Case("ADD_N", (A, A, A))


def _convolutions() -> Iterator[Case]:
    one: dict[str, Value] = {"stride_w": 1, "stride_h": 1}
    for op, weights in (("CONV_2D", "4x3x3x4="), ("DEPTHWISE_CONV_2D", "1x3x3x4=")):
        more: dict[str, Value] = {"depth_multiplier": 1} if op == "DEPTHWISE_CONV_2D" else {}
        yield Case(op, (A, weights, "4="), (A,), one | more)
        yield Case(op, (A, weights, "-"), (A,), one | more)
        yield Case(op, (A, weights), (A,), one | more)
        yield Case(op, (A, weights.rstrip("="), "4="), (A,), one | more)
        yield Case(op, (A, weights, "4"), (A,), one | more)
        yield Case(op, (A, weights.rstrip("=") + ":int8=", "4="), (A,), one | more, version=5)
        yield Case(op, ("2x8x8x4", weights, "4="), ("2x8x8x4",), one | more)
        yield Case(op, (A, weights, "4="), ("1x4x4x4",), {"stride_w": 2, "stride_h": 2} | more)
        dilated: dict[str, Value] = {"dilation_w": 2, "dilation_h": 2}
        yield Case(op, (A, weights, "4="), (A,), one | more | dilated, version=2)
        for activation in ("RELU", "RELU6", "RELU_N1_TO_1", "TANH", "SIGN_BIT"):
            yield Case(op, (A, weights, "4="), (A,), one | more | {"activation": activation})
        quantised = (f"{A}:int8", weights.rstrip("=") + ":int8=", "4:int32=")
        yield Case(op, quantised, (f"{A}:int8",), one | more, version=3)
    twice: dict[str, Value] = {"depth_multiplier": 2}
    yield Case("DEPTHWISE_CONV_2D", (A, "1x3x3x8=", "8="), ("1x8x8x8",), one | twice)
    yield Case("DEPTHWISE_CONV_2D", ("1x8x8x1", "1x3x3x2=", "2="), ("1x8x8x2",), one | twice)
    two: dict[str, Value] = {"stride_w": 2, "stride_h": 2}
    out = "1x16x16x4"
    yield Case("TRANSPOSE_CONV", ("4:int32=1,16,16,4", "4x2x2x4=", A), (out,), two)
    yield Case("TRANSPOSE_CONV", ("4:int32=1,16,16,4", "4x2x2x4=", A, "4="), (out,), two, version=3)
    yield Case("TRANSPOSE_CONV", ("4:int32=1,16,16,4", "4x2x2x4", A), (out,), two)
    yield Case("CONV_3D", ("1x4x8x8x2", "3x3x3x2x4="), ("1x4x8x8x4",), {"stride_d": 1} | one)


def _matrices() -> Iterator[Case]:
    yield Case("FULLY_CONNECTED", ("1x8", "4x8=", "4="), ("1x4",))
    yield Case("FULLY_CONNECTED", ("1x8", "4x8=", "-"), ("1x4",))
    yield Case("FULLY_CONNECTED", ("1x8", "4x8", "-"), ("1x4",))
    yield Case("FULLY_CONNECTED", ("1x8", "4x8=", "4"), ("1x4",))
    yield Case("FULLY_CONNECTED", ("1x8", "4x8", "4"), ("1x4",))
    yield Case("FULLY_CONNECTED", ("1x8", "4x8:int8=", "4="), ("1x4",), version=4)
    yield Case("FULLY_CONNECTED", ("1x6x8", "4x8=", "4="), ("1x6x4",), {"keep_num_dims": True}, 2)
    yield Case("FULLY_CONNECTED", ("1x8", "4x8=", "4="), ("1x4",), {"activation": "RELU"})
    yield Case("FULLY_CONNECTED", ("1x8", "4x8=", "4="), ("1x4",), {"activation": "TANH"})
    yield Case("FULLY_CONNECTED", ("1x8:int8", "4x8:int8=", "4:int32="), ("1x4:int8",), version=4)
    yield Case("BATCH_MATMUL", ("1x6x8", "1x8x4"), ("1x6x4",))
    yield Case("BATCH_MATMUL", ("3x6x8", "3x8x4"), ("3x6x4",))
    yield Case("BATCH_MATMUL", ("1x2x6x8", "1x2x8x4"), ("1x2x6x4",))
    yield Case("BATCH_MATMUL", ("1x6x8", "8x4="), ("1x6x4",))
    yield Case("BATCH_MATMUL", ("1x6x8", "1x8x4="), ("1x6x4",))
    yield Case("BATCH_MATMUL", ("1x6x8", "1x4x8"), ("1x6x4",), {"adj_y": True})
    yield Case("BATCH_MATMUL", ("1x8x6", "1x8x4"), ("1x6x4",), {"adj_x": True})
    for shape in (A, "1x8x4", "4x4", "2x4x4x4"):
        yield Case("SOFTMAX", (shape,), (shape,), {"beta": 1.0})
    yield Case("SOFTMAX", (A,), (A,), {"beta": 2.0})


def _moves() -> Iterator[Case]:
    for axis in (1, 2, 3):
        shapes = {1: "1x16x8x4", 2: "1x8x16x4", 3: "1x8x8x8"}
        yield Case("CONCATENATION", (A, A), (shapes[axis],), {"axis": axis})
    for count in (1, 3, 4, 5, 6):
        yield Case("CONCATENATION", (A,) * count, (f"1x8x8x{4 * count}",), {"axis": 3})
    yield Case("CONCATENATION", (f"{A}:int8",) * 2, ("1x8x8x8:int8",), {"axis": 3})
    for count in (2, 4):
        parts = (f"1x8x8x{4 // count}",) * count
        yield Case("SPLIT", ("=3:int32", A), parts, {"num_splits": count})
    yield Case("SPLIT", ("=3:int32", "1x8x8x8"), ("1x8x8x1",) * 8, {"num_splits": 8})
    sizes = ("2:int32=1,3", "=3:int32")
    yield Case("SPLIT_V", (A, *sizes), ("1x8x8x1", "1x8x8x3"), {"num_splits": 2})
    for op, more in (("SPLIT", ()), ("SPLIT_V", ("2:int32=2,2",))):
        halves = ("1x8x8x2:int8",) * 2
        told = ("=3:int32", f"{A}:int8") if op == "SPLIT" else (f"{A}:int8", *more, "=3:int32")
        yield Case(op, told, halves, {"num_splits": 2}, version=2)
    yield Case("RESHAPE", (A, "2:int32=1,256"), ("1x256",))
    yield Case("RESHAPE", (A, "4:int32=4,4,4,4"), ("4x4x4x4",))
    yield Case("RESHAPE", (A, "5:int32=1,2,4,8,4"), ("1x2x4x8x4",))
    yield Case("RESHAPE", (A, "2:int32"), ("1x256",))
    yield Case("RESHAPE", (f"{A}:int8", "2:int32=1,256"), ("1x256:int8",))
    yield Case("TRANSPOSE", (A, "4:int32=0,2,1,3"), (A,))
    yield Case("TRANSPOSE", ("1x8x4", "3:int32=0,2,1"), ("1x4x8",))
    yield Case("TRANSPOSE", ("8x4", "2:int32=1,0"), ("4x8",))
    yield Case("TRANSPOSE", ("1x2x4x4x4", "5:int32=0,2,1,3,4"), ("1x4x2x4x4",))
    for op, pads, out in (
        ("PAD", "4x2:int32=0,0,1,1,1,1,0,0", "1x10x10x4"),
        ("PAD", "4x2:int32=0,0,0,0,0,0,0,4", "1x8x8x8"),
        ("MIRROR_PAD", "4x2:int32=0,0,1,1,1,1,0,0", "1x10x10x4"),
    ):
        yield Case(op, (A, pads), (out,))
    yield Case("MIRROR_PAD", (A, "4x2:int32=0,0,1,1,1,1,0,0"), ("1x10x10x4",), {"mode": 1})
    yield Case("PADV2", (A, "4x2:int32=0,0,1,1,1,1,0,0", "=1"), ("1x10x10x4",))
    yield Case("SLICE", (A, "4:int32=0,0,0,0", "4:int32=1,4,4,2"), ("1x4x4x2",))
    yield Case("SLICE", ("8x8", "2:int32=0,0", "2:int32=4,4"), ("4x4",))
    yield from _strided()
    yield Case("EXPAND_DIMS", ("8x8x4", "=0:int32"), (A,))
    yield Case("EXPAND_DIMS", ("8x8x4", "1:int32=0"), (A,))
    yield Case("EXPAND_DIMS", ("8x8x4", "=2:int32"), ("8x8x1x4",))
    yield Case("EXPAND_DIMS", ("8x8x4", "1:int32=-1"), ("8x8x4x1",))
    yield Case("SQUEEZE", ("1x8x1x4",), ("8x4",))
    yield Case("PACK", ("8x8x4", "8x8x4"), ("2x8x8x4",), {"count": 2, "axis": 0})
    yield Case("UNPACK", ("1x2x8x4",), ("1x8x4",) * 2, {"count": 2, "axis": 1})
    yield Case("TILE", (A, "4:int32=1,2,1,1"), ("1x16x8x4",))
    yield Case("GATHER", (A, "2:int32=0,3"), ("1x8x8x2",), {"axis": 3})
    yield Case("BROADCAST_TO", ("1x1x1x4", "4:int32=1,8,8,4"), (A,), version=2)
    yield Case("REVERSE_V2", (A, "1:int32=1"))


def _strided() -> Iterator[Case]:
    begin, end = "4:int32=0,0,0,0", "4:int32=1,4,4,4"
    one, two = "4:int32=1,1,1,1", "4:int32=1,2,2,1"
    yield Case("STRIDED_SLICE", (A, begin, end, one), ("1x4x4x4",))
    yield Case("STRIDED_SLICE", (A, begin, "4:int32=1,8,8,4", two), ("1x4x4x4",))
    yield Case("STRIDED_SLICE", (A, begin, end, one), ("4x4x4",), {"shrink_axis_mask": 1})
    yield Case("STRIDED_SLICE", (A, begin, end, one), ("1x1x8x8x4",), {"new_axis_mask": 1})
    few = ("2:int32=0,0", "2:int32=1,4", "2:int32=1,1")
    yield Case("STRIDED_SLICE", (A, *few), ("1x8x8x4",), {"ellipsis_mask": 1})
    whole = (begin, end, one)
    yield Case("STRIDED_SLICE", (f"{A}:int8", *whole), ("1x4x4x4:int8",), version=2)
    short = ("2:int32=0,0", "2:int32=4,4", "2:int32=1,1")
    yield Case("STRIDED_SLICE", ("8x8", *short), ("4x4",))


def _others() -> Iterator[Case]:
    pool: dict[str, Value] = {"filter_h": 2, "filter_w": 2, "stride_h": 2, "stride_w": 2}
    unit: dict[str, Value] = {"filter_h": 1, "filter_w": 1}
    for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
        yield Case(op, (A,), ("1x4x4x4",), pool)
        yield Case(op, (A,), ("1x4x4x4",), pool | unit)
        yield Case(op, (A,), ("1x4x4x4",), pool | {"activation": "TANH"})
        yield Case(op, (f"{A}:int8",), ("1x4x4x4:int8",), pool, version=2)
    for op in _REDUCE.split():
        for axes, out in (("2:int32=1,2", "1x1x1x4"), ("1:int32=3", "1x8x8x1")):
            yield Case(op, (A, axes), (out,), {"keep_dims": True})
        yield Case(op, (A, "2:int32=1,2"), ("1x4",), {"keep_dims": False})
        yield Case(op, (A, "2:int32"), ("1x1x1x4",), {"keep_dims": True})
    for op, shape, out in (
        ("DEPTH_TO_SPACE", A, "1x16x16x1"),
        ("SPACE_TO_DEPTH", A, "1x4x4x16"),
    ):
        yield Case(op, (shape,), (out,), {"block_size": 2})
        yield Case(op, (shape,), (shape,), {"block_size": 1})
    for op in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"):
        for options in ({}, {"align_corners": True}, {"half_pixel_centers": True}):
            yield Case(op, (A, "2:int32=16,16"), ("1x16x16x4",), dict(options), version=3)
        yield Case(op, (A, "2:int32"), ("1x16x16x4",), {}, version=3)
    yield Case("CAST", (f"{A}:int32",), (A,))
    yield Case("CAST", (A,), (f"{A}:int32",))
    yield Case("CUMSUM", (A, "=3:int32"))
    yield Case("SELECT_V2", (f"{A}:bool", A, A))
    yield Case("QUANTIZE", (A,), (f"{A}:int8",))
    yield Case("QUANTIZE", (f"{A}:int8",), (f"{A}:int8",), version=2)
    yield Case("QUANTIZE", (f"{A}:int8",), (f"{A}:uint8",), version=2)
    yield Case("DEQUANTIZE", (f"{A}:int8",), (A,), version=2)
    yield Case("ARG_MAX", (A, "=3:int32"), ("1x8x8:int32",))
    yield Case("SHAPE", (A,), ("4:int32",))
