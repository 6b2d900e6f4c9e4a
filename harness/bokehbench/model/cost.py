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

`inputs` and `outputs` are numbers of elements. Taps that fall on padding count. Operators that
move, compare or map elements have 0; recurrent and StableHLO ones have no formula here.
"""

import math
from collections.abc import Sequence
from typing import Final

from bokehbench.model.options import Value
from bokehbench.model.structure import Shape

UNKNOWN: Final = frozenset(
    {
        "LSTM",
        "RNN",
        "SVDF",
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
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


def macs_of(
    name: str,
    inputs: Sequence[Shape | None],
    outputs: Sequence[Shape | None],
    options: dict[str, Value],
) -> int | None:
    """Multiply-accumulates of one run of an operator; None where they can't be known."""
    if name in UNKNOWN or name.startswith("BUILTIN_"):
        return None
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
