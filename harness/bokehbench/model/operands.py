"""How many inputs operators can't do without: engines follow the missing ones all the same.

Counts are those that the kernels of TFLite (tensorflow/lite/kernels) ask for at least.
"""

from types import MappingProxyType
from typing import Final

from bokehbench.model.flatbuffer import Source, shown
from bokehbench.model.parts import Graph, Operator, SubGraph
from bokehbench.model.tensor import shape_text

_COUNTS: Final = """
1: ABS AVERAGE_POOL_2D BITCAST CAST CEIL COMPLEX_ABS CONCATENATION COS DENSIFY DEPTH_TO_SPACE
1: DEQUANTIZE ELU EXP FLOOR GELU HARD_SWISH IMAG L2_NORMALIZATION L2_POOL_2D LEAKY_RELU
1: LOCAL_RESPONSE_NORMALIZATION LOG LOGICAL_NOT LOGISTIC LOG_SOFTMAX MATRIX_DIAG MAX_POOL_2D NEG
1: PACK QUANTIZE RANK REAL RELU RELU6 RELU_0_TO_1 RELU_N1_TO_1 RESHAPE ROUND RSQRT SHAPE SIGN SIN
1: SOFTMAX SPACE_TO_DEPTH SQRT SQUARE SQUEEZE TANH UNIQUE UNPACK WHERE ZEROS_LIKE ADD_N IF
2: ADD ARG_MAX ARG_MIN ATAN2 BATCH_MATMUL BITWISE_XOR BROADCAST_TO CONV_2D CONV_3D CUMSUM
2: DEPTHWISE_CONV_2D DIV EQUAL EXPAND_DIMS FILL FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER
2: GATHER_ND GREATER GREATER_EQUAL LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR MATRIX_SET_DIAG MAXIMUM
2: MEAN MINIMUM MIRROR_PAD MUL NOT_EQUAL PAD POW PRELU REDUCE_ALL REDUCE_ANY REDUCE_MAX REDUCE_MIN
2: REDUCE_PROD RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_SEQUENCE REVERSE_V2 RFFT2D
2: RIGHT_SHIFT SEGMENT_SUM SPLIT SQUARED_DIFFERENCE SUB SUM TILE TOPK_V2 TRANSPOSE
3: BATCH_TO_SPACE_ND CONV_3D_TRANSPOSE DYNAMIC_UPDATE_SLICE PADV2 RANGE SCATTER_ND SELECT SELECT_V2
3: SLICE SPACE_TO_BATCH_ND SPLIT_V TRANSPOSE_CONV UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN
3: UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM
4: ONE_HOT SPARSE_TO_DENSE STRIDED_SLICE
5: NON_MAX_SUPPRESSION_V4
6: NON_MAX_SUPPRESSION_V5
"""

REQUIRED: Final[MappingProxyType[str, int]] = MappingProxyType(
    {
        operator: int(count)
        for count, _, operators in (line.partition(": ") for line in _COUNTS.strip().split("\n"))
        for operator in operators.split()
    }
)
"""Operator -> inputs that have to be there, from the first on."""

_UNPACKED: Final = ("DEQUANTIZE", "DENSIFY")


def check_operands(source: Source, graph: Graph) -> None:
    """Refuses operators whose inputs are left out or don't go with their outputs.

    Raises:
        ModelError: an input is missing, an operator has no output, or a constant is unpacked
            into a tensor of another shape.
    """
    for subgraph in graph.subgraphs:
        for place, operator in enumerate(subgraph.operators):
            who = f"operator {place} ({shown(operator.name)[1:-1]})"
            needed = REQUIRED.get(operator.name, 0)
            if operator.calls or operator.name.startswith("STABLEHLO_"):
                # What a subgraph takes is never optional.
                needed = max(needed, len(operator.inputs))
            if needed > len(operator.inputs):
                source.fail(f"{who} has {len(operator.inputs)} inputs; it takes {needed}")
            if -1 in operator.inputs[:needed]:
                source.fail(f"{who} leaves out input {operator.inputs.index(-1)}")
            if operator.name in REQUIRED and not any(index >= 0 for index in operator.outputs):
                source.fail(f"{who} has no output")
            if operator.name in _UNPACKED:
                _check_unpacked(source, subgraph, operator, who)


def _check_unpacked(source: Source, subgraph: SubGraph, operator: Operator, who: str) -> None:
    packed = subgraph.tensors[operator.inputs[0]].shape
    output = next(index for index in operator.outputs if index >= 0)
    plain = subgraph.tensors[output].shape
    if -1 not in (*packed, *plain) and packed != plain:
        source.fail(f"{who} makes {shape_text(plain)} of {shape_text(packed)}")
