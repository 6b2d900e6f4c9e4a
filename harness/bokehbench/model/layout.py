"""What every table of the TFLite schema holds, so that all of a file can be checked.

From schema.fbs of LiteRT 2.3.0. A line gives a table and its fields in the order of their slots:
`1` `2` `4` `8` is a number of so many bytes, `s` a string, `[4]` a vector of such numbers, `Name` a
table, `[Name]` a vector of tables, `|Name` a union (its type is the field before), `-` a field
that is no longer read. Tables that are not listed have no fields.
"""

from types import MappingProxyType
from typing import Final, NamedTuple

_TABLES: Final = """
Model: 4 [OperatorCode] [SubGraph] s [Buffer] [4] [Metadata] [SignatureDef] [ExternalBufferGroup]
  [ExternalBuffer]
OperatorCode: 1 s 4 4
SubGraph: [Tensor] [4] [4] [Operator] s 4
Tensor: [4] 1 4 s QuantizationParameters 1 SparsityParameters [4] 1 [VariantSubType] 4
QuantizationParameters: [4] [4] [4] [8] 1 |QuantizationDetails 4
CustomQuantization: [1]
BlockwiseQuantization: 4 4 4 [4]
MultiAxisQuantization: 4 4 4 [4]
SparsityParameters: [4] [4] [DimensionMetadata]
DimensionMetadata: 1 4 1 |SparseIndexVector 1 |SparseIndexVector
Int32Vector: [4]
Uint16Vector: [2]
Uint8Vector: [1]
VariantSubType: [4] 1 1
Operator: 4 [4] [4] 1 |BuiltinOptions [1] 1 [1] [4] 8 8 1 |BuiltinOptions2 4
Buffer: [1] 8 8
Metadata: s 4
SignatureDef: [TensorMap] [TensorMap] s - 4
TensorMap: s 4
ExternalBufferGroup: s
ExternalBuffer: 4 4 8 8 s
StablehloGatherOptions: [8] [8] [8] 8 [8] 1
StablehloTransposeOptions: [8]
StablehloDotGeneralOptions: [8] [8] [8] [8] [4]
StablehloReduceWindowOptions: [8] [8] [8] [8] [8] 4
StablehloWhileOptions: 4 4
StablehloSortOptions: 8 1 4
StablehloConcatenateOptions: 8
StablehloBroadcastInDimOptions: [8]
StablehloCompareOptions: 4 4
StablehloDynamicSliceOptions: [8]
StablehloPadOptions: [8] [8] [8]
StablehloIotaOptions: 8
StablehloCustomCallOptions: s 1 s 4 [4] [1]
StablehloReduceOptions: [8] 4
StablehloSliceOptions: [8] [8] [8]
StablehloConvolutionOptions: [8] [8] [8] [8] [1] 8 8 [8] 8 8 [8] 8 8 [8] 8 8 [4]
StablehloScatterOptions: 1 [8] [8] [8] 8 1 4
StablehloCaseOptions: [4]
StablehloRngBitGeneratorOptions: 1
Conv2DOptions: 1 4 4 1 4 4 1
Conv3DOptions: 1 4 4 4 1 4 4 4
Pool2DOptions: 1 4 4 4 4 1
DepthwiseConv2DOptions: 1 4 4 4 1 4 4
ConcatEmbeddingsOptions: 4 [4] [4]
LSHProjectionOptions: 1
SVDFOptions: 4 1 1
RNNOptions: 1 1
SequenceRNNOptions: 1 1 1
BidirectionalSequenceRNNOptions: 1 1 1 1
FullyConnectedOptions: 1 1 1 1 1 [1]
SoftmaxOptions: 4
ConcatenationOptions: 4 1
AddOptions: 1 1
MulOptions: 1
L2NormOptions: 1
LocalResponseNormalizationOptions: 4 4 4 4
LSTMOptions: 1 4 4 1 1
UnidirectionalSequenceLSTMOptions: 1 4 4 1 1 1
BidirectionalSequenceLSTMOptions: 1 4 4 1 1 1
ResizeBilinearOptions: - - 1 1
ResizeNearestNeighborOptions: 1 1
CallOptions: 4
ReshapeOptions: [4]
SkipGramOptions: 4 4 1
SpaceToDepthOptions: 4
DepthToSpaceOptions: 4
SubOptions: 1 1
DivOptions: 1
EmbeddingLookupSparseOptions: 1
GatherOptions: 4 4
ReducerOptions: 1
SqueezeOptions: [4]
SplitOptions: 4
SplitVOptions: 4
StridedSliceOptions: 4 4 4 4 4 1
CastOptions: 1 1
ArgMaxOptions: 1
ArgMinOptions: 1
TransposeConvOptions: 1 4 4 1 1
SparseToDenseOptions: 1
ShapeOptions: 1
FakeQuantOptions: 4 4 4 1
PackOptions: 4 4
OneHotOptions: 4
UnpackOptions: 4 4
LeakyReluOptions: 4
MirrorPadOptions: 1
UniqueOptions: 1
ReverseSequenceOptions: 4 4
IfOptions: 4 4
CallOnceOptions: 4
WhileOptions: 4 4
BatchMatMulOptions: 1 1 1
CumsumOptions: 1 1
HashtableOptions: 4 1 1
VarHandleOptions: s s
RandomOptions: 8 8
BucketizeOptions: [4]
GeluOptions: 1
ReduceWindowOptions: 4
StableHLOCompositeOptions: s 4 [1] 1 4
"""

_UNIONS: Final = """
BuiltinOptions: Conv2DOptions DepthwiseConv2DOptions ConcatEmbeddingsOptions LSHProjectionOptions
  Pool2DOptions SVDFOptions RNNOptions FullyConnectedOptions SoftmaxOptions ConcatenationOptions
  AddOptions L2NormOptions LocalResponseNormalizationOptions LSTMOptions ResizeBilinearOptions
  CallOptions ReshapeOptions SkipGramOptions SpaceToDepthOptions EmbeddingLookupSparseOptions
  MulOptions PadOptions GatherOptions BatchToSpaceNDOptions SpaceToBatchNDOptions TransposeOptions
  ReducerOptions SubOptions DivOptions SqueezeOptions SequenceRNNOptions StridedSliceOptions
  ExpOptions TopKV2Options SplitOptions LogSoftmaxOptions CastOptions DequantizeOptions
  MaximumMinimumOptions ArgMaxOptions LessOptions NegOptions PadV2Options GreaterOptions
  GreaterEqualOptions LessEqualOptions SelectOptions SliceOptions TransposeConvOptions
  SparseToDenseOptions TileOptions ExpandDimsOptions EqualOptions NotEqualOptions ShapeOptions
  PowOptions ArgMinOptions FakeQuantOptions PackOptions LogicalOrOptions OneHotOptions
  LogicalAndOptions LogicalNotOptions UnpackOptions FloorDivOptions SquareOptions ZerosLikeOptions
  FillOptions BidirectionalSequenceLSTMOptions BidirectionalSequenceRNNOptions
  UnidirectionalSequenceLSTMOptions FloorModOptions RangeOptions ResizeNearestNeighborOptions
  LeakyReluOptions SquaredDifferenceOptions MirrorPadOptions AbsOptions SplitVOptions
  UniqueOptions ReverseV2Options AddNOptions GatherNdOptions CosOptions WhereOptions RankOptions
  ReverseSequenceOptions MatrixDiagOptions QuantizeOptions MatrixSetDiagOptions HardSwishOptions
  IfOptions WhileOptions DepthToSpaceOptions NonMaxSuppressionV4Options NonMaxSuppressionV5Options
  ScatterNdOptions SelectV2Options DensifyOptions SegmentSumOptions BatchMatMulOptions
  CumsumOptions CallOnceOptions BroadcastToOptions Rfft2dOptions Conv3DOptions HashtableOptions
  HashtableFindOptions HashtableImportOptions HashtableSizeOptions VarHandleOptions
  ReadVariableOptions AssignVariableOptions RandomOptions BucketizeOptions GeluOptions
  DynamicUpdateSliceOptions UnsortedSegmentProdOptions UnsortedSegmentMaxOptions
  UnsortedSegmentMinOptions UnsortedSegmentSumOptions ATan2Options SignOptions BitcastOptions
  BitwiseXorOptions RightShiftOptions
BuiltinOptions2: StablehloConcatenateOptions StablehloBroadcastInDimOptions StablehloSliceOptions
  StablehloConvolutionOptions StablehloCustomCallOptions StablehloReduceOptions
  StablehloScatterOptions StablehloCompareOptions StablehloDynamicSliceOptions StablehloPadOptions
  StablehloIotaOptions StablehloDotGeneralOptions StablehloReduceWindowOptions
  StablehloSortOptions StablehloWhileOptions StablehloGatherOptions StablehloTransposeOptions
  DilateOptions StablehloRngBitGeneratorOptions ReduceWindowOptions StableHLOCompositeOptions
  StablehloShiftLeftOptions StablehloCaseOptions
QuantizationDetails: CustomQuantization BlockwiseQuantization MultiAxisQuantization
SparseIndexVector: Int32Vector Uint16Vector Uint8Vector
"""


class Field(NamedTuple):
    """One field: `width` bytes of a number or a vector's element, `name` of a table or union."""

    slot: int
    kind: str
    width: int = 0
    name: str = ""


def _field(slot: int, word: str) -> Field:
    inner = word.strip("[]|")
    if word.startswith("|"):
        return Field(slot, "union", 0, inner)
    if inner.isdigit():
        return Field(slot, "vector" if word != inner else "number", int(inner))
    if inner == "s":
        return Field(slot, "string", 1)
    return Field(slot, "tables" if word != inner else "table", 4, inner)


def _lines(text: str) -> list[tuple[str, list[str]]]:
    """Heads and words; a line that is indented goes on with the one before."""
    found: list[tuple[str, list[str]]] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            found[-1][1].extend(line.split())
        else:
            head, _, words = line.partition(":")
            found.append((head, words.split()))
    return found


TABLES: Final = MappingProxyType(
    {
        name: tuple(_field(slot, word) for slot, word in enumerate(words) if word != "-")
        for name, words in _lines(_TABLES)
    }
)
"""Fields by table."""

UNIONS: Final = MappingProxyType({name: tuple(words) for name, words in _lines(_UNIONS)})
"""Tables by union; the union's type is the place in the list, from 1."""
