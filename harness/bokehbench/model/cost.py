"""Multiply-accumulates of an operator from the shapes of its tensors.

| operator | formula | weights are |
|---|---|---|
| CONV_2D | outputs x kh x kw x ci | co, kh, kw, ci (ci of one group) |
| DEPTHWISE_CONV_2D | outputs x kh x kw | 1, kh, kw, co |
| TRANSPOSE_CONV | inputs x kh x kw x co | co, kh, kw, ci |
| CONV_3D | outputs x kd x kh x kw x ci | kd, kh, kw, ci, co |
| CONV_3D_TRANSPOSE | inputs x kd x kh x kw x co | kd, kh, kw, co, ci |
| FULLY_CONNECTED | outputs x ci | co, ci |
| BATCH_MATMUL | outputs x k | |
| LSTM, RNN, SVDF and their sequences | steps x elements of all weights | matrices, one row a unit |

`inputs` and `outputs` are numbers of elements; `steps` are all sides of the input but the last,
batches and times. Taps that fall on padding count. Operators that move, compare or map elements
have 0, peepholes of an LSTM too; StableHLO ones have no formula here.
"""

import math
from collections.abc import Sequence
from typing import Final

from bokehbench.model.options import Value
from bokehbench.model.structure import Shape

UNKNOWN: Final = frozenset(
    {
        "LSH_PROJECTION",
        "RFFT2D",
        "STABLEHLO_CONVOLUTION",
        "STABLEHLO_DOT_GENERAL",
        "STABLEHLO_REDUCE_WINDOW",
        "REDUCE_WINDOW",
    }
)
"""Operators whose work has no formula here."""

_WORKING: Final = {
    "CONV_2D": (0, 1, 4),
    "DEPTHWISE_CONV_2D": (0, 1, 4),
    "TRANSPOSE_CONV": (2, 1, 4),
    "CUSTOM:Convolution2DTransposeBias": (0, 1, 4),
    "CONV_3D": (0, 1, 5),
    "CONV_3D_TRANSPOSE": (2, 1, 5),
    "FULLY_CONNECTED": (0, 1, 2),
    "BATCH_MATMUL": (0, 1, 0),
}
"""Places of data and weights among the inputs, and the weights' rank (0 is any)."""

_LSTM: Final = (*range(1, 9), 16)
_RECURRENT: Final = {
    "LSTM": _LSTM,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _LSTM,
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*_LSTM, *range(18, 26), 33, *range(40, 48)),
    "RNN": (1, 2),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 5, 6, 10, 11),
    "SVDF": (1, 2),
}
"""Places of the matrices that every step multiplies by (tensorflow/lite/kernels)."""

_BASIC_LSTM: Final = 5
"""Inputs of an LSTM of the basic kernel, whose one matrix is input 2."""


def macs_of(
    name: str,
    inputs: Sequence[Shape | None],
    outputs: Sequence[Shape | None],
    options: dict[str, Value],
) -> int | None:
    """Multiply-accumulates of one run of an operator; None where they can't be known."""
    if name in UNKNOWN or name.startswith("BUILTIN_"):
        return None
    if name in _RECURRENT:
        basic = name == "LSTM" and len(inputs) == _BASIC_LSTM
        return _recurrent(inputs, (2,) if basic else _RECURRENT[name])
    if name not in _WORKING:
        return None if name.startswith(("CUSTOM:", "Flex")) else 0
    data_place, weights_place, rank = _WORKING[name]
    if max(data_place, weights_place) >= len(inputs) or not outputs:
        return None
    data, weights, out = inputs[data_place], inputs[weights_place], outputs[0]
    if data is None or weights is None or out is None:
        return None
    if min((*data, *weights, *out), default=0) < 0 or not data:
        return None
    if rank and len(weights) != rank:
        return None
    if name == "CONV_2D":
        return math.prod(out) * math.prod(weights[1:])
    if name == "DEPTHWISE_CONV_2D":
        return math.prod(out) * math.prod(weights[1:3])
    if name in ("TRANSPOSE_CONV", "CUSTOM:Convolution2DTransposeBias"):
        return math.prod(data) * math.prod(weights[:3])
    if name in ("CONV_3D", "CONV_3D_TRANSPOSE"):
        return math.prod(out if name == "CONV_3D" else data) * math.prod(weights[:4])
    if name == "FULLY_CONNECTED":
        return math.prod(out) * weights[1]
    inner = data[-2] if options.get("adj_x") and len(data) > 1 else data[-1]
    return math.prod(out) * inner


def _recurrent(inputs: Sequence[Shape | None], places: Sequence[int]) -> int | None:
    """Each step, of each batch, multiplies by all matrices; those left out are None."""
    data = inputs[0] if inputs else None
    if not data or min(data) < 0:
        return None
    matrices = [inputs[place] for place in places if place < len(inputs)]
    found = [shape for shape in matrices if shape is not None]
    if not found or any(len(shape) != 2 or min(shape) < 0 for shape in found):
        return None
    return math.prod(data[:-1]) * sum(map(math.prod, found))
