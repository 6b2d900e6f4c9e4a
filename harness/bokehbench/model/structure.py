"""A .tflite in full: tensors, operators with options, weights by type, work and memory."""

from typing import Final

import msgspec

from bokehbench.model.options import Value

Shape = tuple[int, ...]

TIMING_SIDE: Final = 1024
"""Height and width of the image that a model of free size is timed on."""


class TensorEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor. `shape` holds -1 where it is not known before the model runs.

    `constant` tensors have their values in the file, `stored_bytes` of them. `scales` is the number
    of quantisation scales: 0 none, 1 per tensor, more per channel; `scale` is the first of them.
    `values` are the elements of a small constant of integers (axes, shapes).
    """

    name: str
    shape: Shape
    dtype: str
    constant: bool = False
    stored_bytes: int = 0
    scales: int = 0
    scale: float | None = None
    sparse: bool = False
    variable: bool = False
    values: tuple[int, ...] | None = None

    @property
    def elements(self) -> int | None:
        """How many elements; None where the shape is not known."""
        count = 1
        for side in self.shape:
            if side < 0:
                return None
            count *= side
        return count


class OpEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One operator, at its place in the order of execution.

    `inputs` and `outputs` are tensors of its subgraph, -1 is an optional one left out. `macs` is
    None where no formula is known or a shape is not.
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Value] = {}
    macs: int | None = 0


class SubGraphEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Tensors, and operators in the order in which they run."""

    name: str
    tensors: tuple[TensorEntry, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    ops: tuple[OpEntry, ...]


class SignatureEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Names of the inputs and outputs of a subgraph, in the file's order."""

    key: str
    subgraph: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class WeightShare(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of one kind: how many parameters they hold and how many bytes they take."""

    parameters: int
    size_bytes: int


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """What tensors that are not constants take, in bytes, if each lives no longer than needed.

    `peak_op` is the operator of the main subgraph at which most is alive; the totals are all
    of them side by side. `largest_bytes` is the largest single tensor in fp32. None: a shape
    is not known.
    """

    peak_fp32_bytes: int | None
    peak_fp16_bytes: int | None
    total_fp32_bytes: int | None
    largest_bytes: int | None
    peak_op: int | None


class ModelStructure(msgspec.Struct, frozen=True, kw_only=True):
    """A .tflite file in full, at given input shapes.

    `main` is the subgraph that runs. `parameters` counts trained values, not axes or shapes;
    `weights` shares them out: by element type, and `sparse` apart. `macs` are the
    multiply-accumulates of all subgraphs, each counted once; None where an operator's are
    not known (`macs_unknown` names those).
    """

    name: str
    file_name: str
    size_bytes: int
    description: str
    main: int
    subgraphs: tuple[SubGraphEntry, ...]
    signatures: tuple[SignatureEntry, ...]
    metadata: dict[str, int]
    parameters: int
    weights: dict[str, WeightShare]
    macs: int | None
    macs_unknown: tuple[str, ...]
    memory: MemoryUse
    external_bytes: int = 0

    @property
    def graph(self) -> SubGraphEntry:
        """The subgraph that runs."""
        return self.subgraphs[self.main]

    @property
    def size_mib(self) -> float:
        """The file's size in MiB (2^20 bytes), with buffers that lie in other files."""
        return (self.size_bytes + self.external_bytes) / (1 << 20)
