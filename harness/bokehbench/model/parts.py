"""What a model consists of, as data: buffers, tensors, operators, subgraphs, signatures."""

from typing import NamedTuple

import msgspec

from bokehbench.model.flatbuffer import Table


class Region(NamedTuple):
    """Where a buffer's bytes lie: first byte in the file and size in bytes."""

    start: int
    size: int


class Quantization(msgspec.Struct, frozen=True):
    """`scale` and `zero_point` are the first of `count` along `axis`; 1 is per tensor."""

    count: int
    scale: float
    zero_point: int
    axis: int


class Tensor(msgspec.Struct, frozen=True):
    """One tensor. `shape` holds -1 where it is dynamic; `buffer` 0 is no constant.

    `external` is the identifier of a buffer in another file, 0 for none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int
    external: int
    quantization: Quantization | None
    is_variable: bool
    sparse: bool = False


class Operator(msgspec.Struct, frozen=True):
    """One operator; -1 in `inputs` or `outputs` is an optional tensor that is left out.

    `options` and `options_2` are the tables of its attributes, unread; they can be read as
    long as the file is open. `calls` are the subgraphs that it runs.
    """

    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None
    options_2: Table | None
    calls: tuple[int, ...] = ()


class SubGraph(msgspec.Struct, frozen=True):
    """Tensors, and operators in the order in which they run. Ends are tensor indices."""

    name: str
    tensors: tuple[Tensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operators: tuple[Operator, ...]


class Signature(msgspec.Struct, frozen=True):
    """Names for a subgraph's ends: name and tensor index, in the file's order."""

    key: str
    subgraph: int
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]


class Graph(msgspec.Struct, frozen=True):
    """A whole model. `external` gives the size in bytes of buffers in other files.

    `metadata` are names and the buffers that hold what they name.
    """

    subgraphs: tuple[SubGraph, ...]
    signatures: tuple[Signature, ...]
    buffers: tuple[Region, ...]
    external: dict[int, int]
    description: str = ""
    metadata: tuple[tuple[str, int], ...] = ()
