"""The TFLite schema (version 3) as plain data: slots of fields, element types, operator codes.

From tensorflow/compiler/mlir/lite/schema/schema.fbs of LiteRT 2.3.0. A slot is a field's
number within its table, from 0; a union takes two, its type and its value.
"""

from types import MappingProxyType
from typing import Final

IDENTIFIER: Final = b"TFL3"
VERSION: Final = 3


class Model:
    """Slots of the root table."""

    VERSION: Final = 0
    OPERATOR_CODES: Final = 1
    SUBGRAPHS: Final = 2
    DESCRIPTION: Final = 3
    BUFFERS: Final = 4
    METADATA_BUFFER: Final = 5
    METADATA: Final = 6
    SIGNATURE_DEFS: Final = 7
    EXTERNAL_BUFFER_GROUPS: Final = 8
    EXTERNAL_BUFFERS: Final = 9


class OperatorCode:
    """Slots of one kind of operator. The code is the larger of the two: see `operator_name`."""

    DEPRECATED_BUILTIN_CODE: Final = 0
    CUSTOM_CODE: Final = 1
    VERSION: Final = 2
    BUILTIN_CODE: Final = 3


class SubGraph:
    """Slots of a subgraph."""

    TENSORS: Final = 0
    INPUTS: Final = 1
    OUTPUTS: Final = 2
    OPERATORS: Final = 3
    NAME: Final = 4


class Tensor:
    """Slots of a tensor."""

    SHAPE: Final = 0
    TYPE: Final = 1
    BUFFER: Final = 2
    NAME: Final = 3
    QUANTIZATION: Final = 4
    IS_VARIABLE: Final = 5
    SPARSITY: Final = 6
    SHAPE_SIGNATURE: Final = 7
    HAS_RANK: Final = 8
    EXTERNAL_BUFFER: Final = 10


class QuantizationParameters:
    """Slots of a tensor's quantisation."""

    SCALE: Final = 2
    ZERO_POINT: Final = 3
    DETAILS_TYPE: Final = 4
    DETAILS: Final = 5
    QUANTIZED_DIMENSION: Final = 6

    WITH_TENSORS: Final = (2, 3)
    """Kinds of details whose scales and zero points are tensors: blockwise and multi-axis."""
    DETAILS_SCALES: Final = 0
    DETAILS_ZERO_POINTS: Final = 1


class SparsityParameters:
    """Slots of a tensor's sparsity."""

    TRAVERSAL_ORDER: Final = 0
    BLOCK_MAP: Final = 1
    DIM_METADATA: Final = 2


class DimensionMetadata:
    """Slots of one level of a sparse tensor."""

    FORMAT: Final = 0
    DENSE_SIZE: Final = 1
    ARRAY_SEGMENTS_TYPE: Final = 2
    ARRAY_SEGMENTS: Final = 3
    ARRAY_INDICES_TYPE: Final = 4
    ARRAY_INDICES: Final = 5


class Operator:
    """Slots of an operator."""

    OPCODE_INDEX: Final = 0
    INPUTS: Final = 1
    OUTPUTS: Final = 2
    BUILTIN_OPTIONS: Final = 4
    INTERMEDIATES: Final = 8
    LARGE_CUSTOM_OPTIONS_OFFSET: Final = 9
    LARGE_CUSTOM_OPTIONS_SIZE: Final = 10
    BUILTIN_OPTIONS_2: Final = 12


class ReshapeOptions:
    """Slots of RESHAPE's options."""

    NEW_SHAPE: Final = 0


class Buffer:
    """Slots of a buffer: `data`, or a place after the flatbuffer when that passes 2 GB."""

    DATA: Final = 0
    OFFSET: Final = 1
    SIZE: Final = 2


class ExternalBuffer:
    """Slots of a buffer in another file."""

    ID: Final = 0
    GROUP: Final = 1
    OFFSET: Final = 2
    LENGTH: Final = 3


class SignatureDef:
    """Slots of a signature."""

    INPUTS: Final = 0
    OUTPUTS: Final = 1
    SIGNATURE_KEY: Final = 2
    SUBGRAPH_INDEX: Final = 4


class TensorMap:
    """Slots of a signature's name for a tensor."""

    NAME: Final = 0
    TENSOR_INDEX: Final = 1


class Metadata:
    """Slots of a named buffer."""

    NAME: Final = 0
    BUFFER: Final = 1


ELEMENT_TYPES: Final[tuple[tuple[str, int], ...]] = (
    ("float32", 32),
    ("float16", 16),
    ("int32", 32),
    ("uint8", 8),
    ("int64", 64),
    ("string", 0),
    ("bool", 8),
    ("int16", 16),
    ("complex64", 64),
    ("int8", 8),
    ("float64", 64),
    ("complex128", 128),
    ("uint64", 64),
    ("resource", 0),
    ("variant", 0),
    ("uint32", 32),
    ("uint16", 16),
    ("int4", 4),
    ("bfloat16", 16),
    ("int2", 2),
    ("uint4", 4),
    ("float8_e4m3fn", 8),
    ("float8_e5m2", 8),
)
"""Name and bits of an element by TensorType; 0 bits where elements have no fixed size."""

_OPERATOR_NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE
EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D
LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6
RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL
CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER BATCH_TO_SPACE_ND
SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST
PRELU MAXIMUM ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN
TRANSPOSE_CONV SPARSE_TO_DENSE TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW
ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK
REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR
LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND COS
WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH IF WHILE
NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG
REAL COMPLEX_ABS HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL
CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL
BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD
UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2 UNSORTED_SEGMENT_MIN SIGN BITCAST BITWISE_XOR
RIGHT_SHIFT STABLEHLO_LOGISTIC STABLEHLO_ADD STABLEHLO_DIVIDE STABLEHLO_MULTIPLY STABLEHLO_MAXIMUM
STABLEHLO_RESHAPE STABLEHLO_CLAMP STABLEHLO_CONCATENATE STABLEHLO_BROADCAST_IN_DIM
STABLEHLO_CONVOLUTION STABLEHLO_SLICE STABLEHLO_CUSTOM_CALL STABLEHLO_REDUCE STABLEHLO_ABS
STABLEHLO_AND STABLEHLO_COSINE STABLEHLO_EXPONENTIAL STABLEHLO_FLOOR STABLEHLO_LOG
STABLEHLO_MINIMUM STABLEHLO_NEGATE STABLEHLO_OR STABLEHLO_POWER STABLEHLO_REMAINDER
STABLEHLO_RSQRT STABLEHLO_SELECT STABLEHLO_SUBTRACT STABLEHLO_TANH STABLEHLO_SCATTER
STABLEHLO_COMPARE STABLEHLO_CONVERT STABLEHLO_DYNAMIC_SLICE STABLEHLO_DYNAMIC_UPDATE_SLICE
STABLEHLO_PAD STABLEHLO_IOTA STABLEHLO_DOT_GENERAL STABLEHLO_REDUCE_WINDOW STABLEHLO_SORT
STABLEHLO_WHILE STABLEHLO_GATHER STABLEHLO_TRANSPOSE DILATE STABLEHLO_RNG_BIT_GENERATOR
REDUCE_WINDOW STABLEHLO_COMPOSITE STABLEHLO_SHIFT_LEFT STABLEHLO_CBRT STABLEHLO_CASE
"""

BUILTIN_OPERATORS: Final[tuple[str, ...]] = tuple(_OPERATOR_NAMES.split())
"""Names by BuiltinOperator, the code being the place in the list."""

CUSTOM: Final = BUILTIN_OPERATORS.index("CUSTOM")

SUBGRAPH_SLOTS: Final[MappingProxyType[str, tuple[int, ...]]] = MappingProxyType(
    {
        "CALL": (0,),
        "CALL_ONCE": (0,),
        "IF": (0, 1),
        "WHILE": (0, 1),
        "STABLEHLO_WHILE": (0, 1),
        "STABLEHLO_COMPOSITE": (1,),
        "STABLEHLO_REDUCE": (1,),
        "STABLEHLO_SORT": (2,),
        "STABLEHLO_REDUCE_WINDOW": (5,),
        "STABLEHLO_SCATTER": (5,),
    }
)
"""Operators that run other subgraphs: slots of the indices in their options, 0 by default."""

_OPTIONS: Final = """
AddOptions: ADD
SubOptions: SUB
MulOptions: MUL
DivOptions: DIV
L2NormOptions: L2_NORMALIZATION
Conv2DOptions: CONV_2D
DepthwiseConv2DOptions: DEPTHWISE_CONV_2D
TransposeConvOptions: TRANSPOSE_CONV
Conv3DOptions: CONV_3D CONV_3D_TRANSPOSE
Pool2DOptions: AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D
ConcatenationOptions: CONCATENATION
FullyConnectedOptions: FULLY_CONNECTED
BatchMatMulOptions: BATCH_MATMUL
SoftmaxOptions: SOFTMAX
ReshapeOptions: RESHAPE
ResizeBilinearOptions: RESIZE_BILINEAR
ResizeNearestNeighborOptions: RESIZE_NEAREST_NEIGHBOR
DepthToSpaceOptions: DEPTH_TO_SPACE
SpaceToDepthOptions: SPACE_TO_DEPTH
LeakyReluOptions: LEAKY_RELU
ReducerOptions: MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL
StridedSliceOptions: STRIDED_SLICE
MirrorPadOptions: MIRROR_PAD
SplitOptions: SPLIT
SplitVOptions: SPLIT_V
PackOptions: PACK
UnpackOptions: UNPACK
GatherOptions: GATHER
CastOptions: CAST
SqueezeOptions: SQUEEZE
GeluOptions: GELU
LSTMOptions: LSTM
OneHotOptions: ONE_HOT
CumsumOptions: CUMSUM
SVDFOptions: SVDF
LocalResponseNormalizationOptions: LOCAL_RESPONSE_NORMALIZATION
CallOptions: CALL
CallOnceOptions: CALL_ONCE
IfOptions: IF
WhileOptions: WHILE
StablehloWhileOptions: STABLEHLO_WHILE
StableHLOCompositeOptions: STABLEHLO_COMPOSITE
StablehloReduceOptions: STABLEHLO_REDUCE
StablehloSortOptions: STABLEHLO_SORT
StablehloReduceWindowOptions: STABLEHLO_REDUCE_WINDOW
StablehloScatterOptions: STABLEHLO_SCATTER
StablehloCaseOptions: STABLEHLO_CASE
StablehloCustomCallOptions: STABLEHLO_CUSTOM_CALL
"""

OPTIONS: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        operator: table
        for table, _, operators in (line.partition(": ") for line in _OPTIONS.split("\n"))
        for operator in operators.split()
    }
)
"""Operator -> the table of its options, where anything here reads it.

Engines take a table of another kind for none (`builtin_options_as_Conv2DOptions()` is null).
"""

SUBGRAPH_LISTS: Final[MappingProxyType[str, int]] = MappingProxyType(
    {"STABLEHLO_CASE": 0, "STABLEHLO_CUSTOM_CALL": 4}
)
"""Operators that run a list of subgraphs: its slot in their options."""


def operator_name(deprecated_code: int, code: int, custom: str | None) -> str:
    """The name under which an operator is counted.

    The code is the larger of the two fields: files from before the int32 field leave it 0,
    and files after it write 127 into the int8 one. Custom operators are `CUSTOM:name`, those
    of TensorFlow's Flex delegate keep their own name (`FlexErf`). Codes later than this
    list are `BUILTIN_210` and so on.
    """
    number = max(deprecated_code, code)
    if number == CUSTOM:
        name = custom or ""
        return name if name.startswith("Flex") else f"CUSTOM:{name}"
    known = 0 <= number < len(BUILTIN_OPERATORS)
    return BUILTIN_OPERATORS[number] if known else f"BUILTIN_{number}"
