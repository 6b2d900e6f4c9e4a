"""Shapes of tensors when inputs of free size get a size: inference, operator by operator.

What a converter writes for sides that depend on a free one is often 1, so nothing of the file is
believed of a tensor that depends on a free input. What can't be inferred is None, never guessed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bokehbench.model.options import Value
from bokehbench.model.structure import Shape
from bokehbench.model.tensor import MAX_RANK

Values = tuple[int, ...]
Maybe = Shape | None

MAX_SIDE: Final = 1 << 31
MAX_INFERRED: Final = 1 << 48
"""Elements of a tensor of inferred shape: what no engine counts, but a message can still name."""

_OPERATORS: Final = """
same: ABS CAST CEIL COS CUMSUM DENSIFY DEQUANTIZE ELU EXP FAKE_QUANT FLOOR GELU HARD_SWISH
  L2_NORMALIZATION LEAKY_RELU LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX NEG
  PRELU QUANTIZE RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 REVERSE_V2 ROUND RSQRT SIGN SIN SOFTMAX SQRT
  SQUARE TANH ZEROS_LIKE
broadcast: ADD ADD_N ATAN2 DIV EQUAL FLOOR_DIV FLOOR_MOD GREATER GREATER_EQUAL LESS LESS_EQUAL
  LOGICAL_AND LOGICAL_OR MAXIMUM MINIMUM MUL NOT_EQUAL POW SELECT_V2 SQUARED_DIFFERENCE SUB
reduce: MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL
"""


def _kinds(text: str) -> dict[str, str]:
    lines = (line.partition(": ") for line in text.strip().replace("\n  ", " ").splitlines())
    return {operator: kind for kind, _, names in lines for operator in names.split()}


_KIND: Final = _kinds(_OPERATORS)


class Call(msgspec.Struct, frozen=True):
    """One operator as inference sees it: shapes and values of inputs, shapes in the file."""

    name: str
    shapes: tuple[Maybe, ...]
    values: tuple[Values | None, ...]
    options: dict[str, Value]
    outputs: int

    def shape(self, place: int) -> Shape:
        """An input's shape; raises `Unknown` where it is not known."""
        found = self.shapes[place] if place < len(self.shapes) else None
        if found is None:
            raise Unknown
        return found

    def value(self, place: int) -> Values:
        """An input's values; raises `Unknown` where they are not known."""
        found = self.values[place] if place < len(self.values) else None
        if found is None:
            raise Unknown
        return found

    def number(self, name: str, default: int = 0) -> int:
        """An option that is an integer."""
        return int(self.options.get(name, default))  # type: ignore[arg-type]


class Unknown(Exception):
    """Something that the shape depends on is not known."""


def infer(call: Call) -> list[Maybe]:
    """Shapes of the outputs of an operator; None for what can't be known."""
    try:
        found = _infer(call)
    except (Unknown, IndexError, ValueError, ZeroDivisionError, OverflowError):
        return [None] * call.outputs
    known = [shape if _can_be(shape) else None for shape in found]
    return [*known, *[None] * call.outputs][: call.outputs]


def _can_be(shape: Shape) -> bool:
    """Whether a tensor may have this shape; sizes that multiply on and on end here."""
    if len(shape) > MAX_RANK or min(shape, default=0) < 0:
        return False
    return max(shape, default=0) < MAX_SIDE and math.prod(shape) < MAX_INFERRED


def _infer(call: Call) -> list[Shape]:
    match _KIND.get(call.name):
        case "same":
            return [call.shape(0)]
        case "broadcast":
            return [broadcast([call.shape(place) for place in range(len(call.shapes))])]
        case "reduce":
            return [_reduced(call)]
    rule = _RULES.get(call.name)
    if rule is None:
        raise Unknown
    return rule(call)


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """The common shape of tensors that are broadcast. Raises ValueError if there is none."""
    rank = max(map(len, shapes), default=0)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    result = []
    for sides in zip(*padded, strict=True):
        wide = {side for side in sides if side != 1}
        if len(wide) > 1:
            raise ValueError
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def _window(call: Call, side: int, kernel: int, axis: str) -> int:
    stride, dilation = call.number(f"stride_{axis}"), call.number(f"dilation_{axis}", 1)
    if stride < 1:
        raise ValueError
    if call.options.get("padding") == "SAME":
        return -(-side // stride)
    return (side - (kernel - 1) * dilation - 1) // stride + 1


def _conv(call: Call) -> list[Shape]:
    batch, height, width, _ = call.shape(0)
    weights = call.shape(1)
    channels = weights[0] if call.name == "CONV_2D" else weights[3]
    out = _window(call, height, weights[1], "h"), _window(call, width, weights[2], "w")
    return [(batch, *out, channels)]


def _pool(call: Call) -> list[Shape]:
    batch, height, width, channels = call.shape(0)
    out = (
        _window(call, height, call.number("filter_h"), "h"),
        _window(call, width, call.number("filter_w"), "w"),
    )
    return [(batch, *out, channels)]


def _concat(call: Call) -> list[Shape]:
    first = call.shape(0)
    axis = call.number("axis") % len(first)
    total = sum(call.shape(place)[axis] for place in range(len(call.shapes)))
    return [(*first[:axis], total, *first[axis + 1 :])]


def _fully_connected(call: Call) -> list[Shape]:
    data, weights = call.shape(0), call.shape(1)
    if call.options.get("keep_num_dims"):
        return [(*data[:-1], weights[0])]
    return [(math.prod(data) // weights[1], weights[0])]


def _batch_matmul(call: Call) -> list[Shape]:
    left, right = call.shape(0), call.shape(1)
    rows = left[-1] if call.options.get("adj_x") else left[-2]
    columns = right[-2] if call.options.get("adj_y") else right[-1]
    return [(*broadcast([left[:-2], right[:-2]]), rows, columns)]


def _reshape(call: Call) -> list[Shape]:
    data = call.shape(0)
    given: Values = call.options["new_shape"]  # type: ignore[assignment]
    wanted = call.value(1) if len(call.shapes) > 1 else given
    free = [place for place, side in enumerate(wanted) if side == -1]
    if len(free) > 1:
        raise ValueError
    if free:
        rest = math.prod(side for side in wanted if side != -1)
        wanted = tuple(math.prod(data) // rest if side == -1 else side for side in wanted)
    return [wanted]


def _resize(call: Call) -> list[Shape]:
    batch, _, _, channels = call.shape(0)
    height, width = call.value(1)
    return [(batch, height, width, channels)]


def _depth_to_space(call: Call) -> list[Shape]:
    batch, height, width, channels = call.shape(0)
    block = call.number("block_size")
    if call.name == "DEPTH_TO_SPACE":
        return [(batch, height * block, width * block, channels // (block * block))]
    return [(batch, height // block, width // block, channels * block * block)]


def _reduced(call: Call) -> Shape:
    data = call.shape(0)
    axes = {axis % len(data) for axis in call.value(1)}
    if call.options.get("keep_dims"):
        return tuple(1 if place in axes else side for place, side in enumerate(data))
    return tuple(side for place, side in enumerate(data) if place not in axes)


def _pad(call: Call) -> list[Shape]:
    data, paddings = call.shape(0), call.value(1)
    return [
        tuple(
            side + paddings[2 * place] + paddings[2 * place + 1] for place, side in enumerate(data)
        )
    ]


def _transpose(call: Call) -> list[Shape]:
    data = call.shape(0)
    return [tuple(data[axis] for axis in call.value(1))]


def picked(call: Call, shape: Shape) -> list[range | int]:
    """For each side of `shape` what STRIDED_SLICE takes: a range, or one index and no side."""
    if call.number("ellipsis_mask") or call.number("new_axis_mask"):
        raise Unknown
    begins, ends, strides = call.value(1), call.value(2), call.value(3)
    taken: list[range | int] = []
    for place, side in enumerate(shape):
        if place >= len(begins):
            taken.append(range(side))
            continue
        bit, stride = 1 << place, strides[place]
        start = None if call.number("begin_mask") & bit else begins[place]
        stop = None if call.number("end_mask") & bit else ends[place]
        if call.options.get("offset") and start is not None and stop is not None:
            stop += start
        if call.number("shrink_axis_mask") & bit:
            taken.append(begins[place] % side)
        else:
            taken.append(range(side)[slice(start, stop, stride)])
    return taken


def _strided_slice(call: Call) -> list[Shape]:
    taken = picked(call, call.shape(0))
    return [tuple(len(part) for part in taken if isinstance(part, range))]


def _slice(call: Call) -> list[Shape]:
    data, begins, wanted = call.shape(0), call.value(1), call.value(2)
    return [
        tuple(
            side - begin if size == -1 else size
            for side, begin, size in zip(data, begins, wanted, strict=True)
        )
    ]


def _split(call: Call) -> list[Shape]:
    data = call.shape(1)
    axis = call.value(0)[0] % len(data)
    part = data[axis] // call.outputs
    return [(*data[:axis], part, *data[axis + 1 :])] * call.outputs


def _split_v(call: Call) -> list[Shape]:
    data, sizes = call.shape(0), call.value(1)
    axis = call.value(2)[0] % len(data)
    rest = data[axis] - sum(size for size in sizes if size != -1)
    parts = [rest if size == -1 else size for size in sizes]
    return [(*data[:axis], part, *data[axis + 1 :]) for part in parts]


def _pack(call: Call) -> list[Shape]:
    first = call.shape(0)
    axis = call.number("axis") % (len(first) + 1)
    return [(*first[:axis], len(call.shapes), *first[axis:])]


def _unpack(call: Call) -> list[Shape]:
    data = call.shape(0)
    axis = call.number("axis") % len(data)
    return [(*data[:axis], *data[axis + 1 :])] * call.outputs


def _gather(call: Call) -> list[Shape]:
    data, indices = call.shape(0), call.shape(1)
    axis, batch = call.number("axis") % len(data), call.number("batch_dims")
    return [(*data[:axis], *indices[batch:], *data[axis + 1 :])]


def _squeeze(call: Call) -> list[Shape]:
    data = call.shape(0)
    dims = {axis % len(data) for axis in call.options.get("dims", ())}  # type: ignore[union-attr]
    return [
        tuple(
            side
            for place, side in enumerate(data)
            if not (place in dims or (not dims and side == 1))
        )
    ]


def _expand(call: Call) -> list[Shape]:
    data = call.shape(0)
    axis = call.value(1)[0] % (len(data) + 1)
    return [(*data[:axis], 1, *data[axis:])]


def _tile(call: Call) -> list[Shape]:
    return [tuple(side * by for side, by in zip(call.shape(0), call.value(1), strict=True))]


_RULES: Final[dict[str, Callable[[Call], list[Shape]]]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "TRANSPOSE_CONV": lambda call: [call.value(0)],
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "L2_POOL_2D": _pool,
    "CONCATENATION": _concat,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _batch_matmul,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "SPACE_TO_DEPTH": _depth_to_space,
    "PAD": _pad,
    "PADV2": _pad,
    "MIRROR_PAD": _pad,
    "TRANSPOSE": _transpose,
    "STRIDED_SLICE": _strided_slice,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "PACK": _pack,
    "UNPACK": _unpack,
    "GATHER": _gather,
    "SQUEEZE": _squeeze,
    "EXPAND_DIMS": _expand,
    "TILE": _tile,
    "BROADCAST_TO": lambda call: [call.value(1)],
    "SHAPE": lambda call: [(len(call.shape(0)),)],
    "RANK": lambda _: [()],
    "FILL": lambda call: [call.value(0)],
    "SELECT": lambda call: [call.shape(1)],
}
