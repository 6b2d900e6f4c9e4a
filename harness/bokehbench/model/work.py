"""The work of a part of a graph, in the numbers that a roofline needs."""

from collections.abc import Collection
from typing import NamedTuple

from bokehbench.model.liveness import sizes
from bokehbench.model.structure import ModelStructure, OpEntry, SubGraphEntry


class Work(NamedTuple):
    """MACs of some operators, how many of them Winograd's transform suits, and bytes moved.

    Operators whose work is not known count nothing: the sum stays a lower bound.
    """

    macs: int
    winograd_macs: int
    moved_bytes: int


def work_of(structure: ModelStructure, taken: Collection[int]) -> Work:
    """The work of the operators at these places of the graph that runs.

    Moved at least once: inputs and outputs of the graph and the weights of these operators, floats
    in 16 bits.
    """
    graph = structure.graph
    macs = winograd = 0
    weights: set[int] = set()
    for place in taken:
        op = graph.ops[place]
        macs += op.macs or 0
        winograd += (op.macs or 0) if _suits_winograd(graph, op) else 0
        weights.update(index for index in op.inputs if index >= 0 and graph.tensors[index].constant)
    moved = 0
    if taken:
        for index in {*graph.inputs, *graph.outputs}:
            moved += sizes(graph.tensors[index].dtype, graph.tensors[index].elements or 0)[1]
        for index in weights:
            tensor = graph.tensors[index]
            dense = sizes(tensor.dtype, tensor.elements or 0)[1]
            moved += min(dense, tensor.stored_bytes)
    return Work(macs, winograd, moved)


def _suits_winograd(graph: SubGraphEntry, op: OpEntry) -> bool:
    if op.name != "CONV_2D" or len(op.inputs) < 2 or op.inputs[1] < 0:
        return False
    strides = (op.options.get("stride_h"), op.options.get("stride_w"))
    return graph.tensors[op.inputs[1]].shape[1:3] == (3, 3) and strides == (1, 1)
