"""Options of operators: the fields of their tables by name, read only when asked for.

From schema.fbs of LiteRT 2.3.0. A line gives the operators, then each field as
`name=slot:type` with its default after a comma where that is not 0. An indented line goes on.
"""

from types import MappingProxyType
from typing import Final, NamedTuple

from bokehbench.model.flatbuffer import FLOAT32, INT8, INT32, UINT8, UINT32, Table

Value = int | float | bool | str | tuple[int, ...]

ACTIVATIONS: Final = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
PADDINGS: Final = ("SAME", "VALID")

_FIELDS: Final = """
ADD SUB: activation=0:act
MUL DIV L2_NORMALIZATION: activation=0:act
CONV_2D: padding=0:pad stride_w=1:i32 stride_h=2:i32 activation=3:act dilation_w=4:i32,1
  dilation_h=5:i32,1
DEPTHWISE_CONV_2D: padding=0:pad stride_w=1:i32 stride_h=2:i32 depth_multiplier=3:i32
  activation=4:act dilation_w=5:i32,1 dilation_h=6:i32,1
TRANSPOSE_CONV: padding=0:pad stride_w=1:i32 stride_h=2:i32 activation=3:act
CONV_3D CONV_3D_TRANSPOSE: padding=0:pad stride_d=1:i32 stride_w=2:i32 stride_h=3:i32
  activation=4:act dilation_d=5:i32,1 dilation_w=6:i32,1 dilation_h=7:i32,1
AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D: padding=0:pad stride_w=1:i32 stride_h=2:i32 filter_w=3:i32
  filter_h=4:i32 activation=5:act
CONCATENATION: axis=0:i32 activation=1:act
FULLY_CONNECTED: activation=0:act weights_format=1:i8 keep_num_dims=2:bool
  asymmetric_quantize_inputs=3:bool
BATCH_MATMUL: adj_x=0:bool adj_y=1:bool asymmetric_quantize_inputs=2:bool
SOFTMAX: beta=0:f32
RESHAPE: new_shape=0:ints
RESIZE_BILINEAR: align_corners=2:bool half_pixel_centers=3:bool
RESIZE_NEAREST_NEIGHBOR: align_corners=0:bool half_pixel_centers=1:bool
DEPTH_TO_SPACE SPACE_TO_DEPTH: block_size=0:i32
LEAKY_RELU: alpha=0:f32
MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD REDUCE_ANY REDUCE_ALL: keep_dims=0:bool
STRIDED_SLICE: begin_mask=0:i32 end_mask=1:i32 ellipsis_mask=2:i32 new_axis_mask=3:i32
  shrink_axis_mask=4:i32 offset=5:bool
MIRROR_PAD: mode=0:i8
SPLIT SPLIT_V: num_splits=0:i32
PACK: count=0:i32 axis=1:i32
UNPACK: count=0:i32 axis=1:i32
GATHER: axis=0:i32 batch_dims=1:i32
CAST: in_type=0:i8 out_type=1:i8
SQUEEZE: dims=0:ints
GELU: approximate=0:bool
LSTM: activation=0:act cell_clip=1:f32 proj_clip=2:f32 kernel_type=3:i8
ONE_HOT: axis=0:i32
CUMSUM: exclusive=0:bool reverse=1:bool
SVDF: rank=0:i32 activation=1:act
LOCAL_RESPONSE_NORMALIZATION: radius=0:i32 bias=1:f32 alpha=2:f32 beta=3:f32
CALL: subgraph=0:u32
IF: then_subgraph=0:i32 else_subgraph=1:i32
WHILE: cond_subgraph=0:i32 body_subgraph=1:i32
"""


class _Field(NamedTuple):
    name: str
    slot: int
    kind: str
    default: int


def _parse(text: str) -> MappingProxyType[str, tuple[_Field, ...]]:
    found = {}
    for line in text.strip().replace("\n  ", " ").splitlines():
        names, _, words = line.partition(": ")
        fields = []
        for word in words.split():
            name, _, rest = word.partition("=")
            place, _, default = rest.partition(",")
            slot, _, kind = place.partition(":")
            fields.append(_Field(name, int(slot), kind, int(default or 0)))
        for operator in names.split():
            found[operator] = tuple(fields)
    return MappingProxyType(found)


FIELDS: Final = _parse(_FIELDS)
"""Operator -> its fields. Operators that are not here have no options that anything reads."""

_KINDS: Final = {"i8": INT8, "i32": INT32, "u32": UINT32, "bool": UINT8}


def read_options(operator: str, table: Table | None) -> dict[str, Value]:
    """The options of an operator by name; a missing table gives the defaults.

    Raises:
        ModelError: a field lies outside its table or the file.
    """
    return {
        field.name: _default(field) if table is None else _read(field, table)
        for field in FIELDS.get(operator, ())
    }


def _read(field: _Field, table: Table) -> Value:
    if field.kind == "ints":
        return table.integers(field.slot)
    if field.kind == "f32":
        return table.real(field.slot, FLOAT32)
    if field.kind in ("act", "pad"):
        return _named(field.kind, table.integer(field.slot, INT8, field.default))
    number = table.integer(field.slot, _KINDS[field.kind], field.default)
    return bool(number) if field.kind == "bool" else number


def _default(field: _Field) -> Value:
    if field.kind == "ints":
        return ()
    if field.kind == "f32":
        return 0.0
    if field.kind in ("act", "pad"):
        return _named(field.kind, field.default)
    return bool(field.default) if field.kind == "bool" else field.default


def _named(kind: str, code: int) -> str:
    names = ACTIVATIONS if kind == "act" else PADDINGS
    return (
        names[code]
        if 0 <= code < len(names)
        else f"{'ACTIVATION' if kind == 'act' else 'PADDING'}_{code}"
    )
