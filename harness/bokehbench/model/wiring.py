"""How operators hang together: each tensor written once and before it is read, no endless calls."""

from collections.abc import Sequence
from typing import Final

from bokehbench.model.flatbuffer import Source, shown
from bokehbench.model.parts import Graph, Operator, Region, SubGraph, Tensor

MAX_DEPTH: Final = 32
"""Subgraphs that run each other; engines go down by recursion."""


def check_wiring(source: Source, graph: Graph) -> None:
    """Refuses what would let an engine read or write where nothing was allotted.

    Raises:
        ModelError: an operator reads what is not written yet or writes what is not its own, an
            output is written by nobody, or subgraphs run each other in a circle.
    """
    for number, subgraph in enumerate(graph.subgraphs):
        _Order(source, graph.buffers, subgraph, number).check()
    _check_calls(source, graph)


class _Order:
    """One subgraph in the order in which it runs."""

    def __init__(
        self, source: Source, buffers: Sequence[Region], subgraph: SubGraph, number: int
    ) -> None:
        self.source = source
        self.buffers = buffers
        self.subgraph = subgraph
        self.where = f" in subgraph {number}" if number else ""
        self.writers: dict[int, int] = {}
        self.inputs = frozenset(subgraph.inputs)

    def check(self) -> None:
        """Walks the operators, then asks for the outputs."""
        for place, operator in enumerate(self.subgraph.operators):
            for index in operator.inputs:
                if index >= 0 and not self._is_there(index):
                    self._not_written(place, operator, index)
            read = frozenset(operator.inputs)
            for index in operator.outputs:
                if index >= 0:
                    self._write(place, operator, index, read)
        for index in self.subgraph.outputs:
            if not self._is_there(index):
                self.source.fail(
                    f"output {self._name(index)}{self.where} is written by no operator"
                )

    def _is_there(self, index: int) -> bool:
        if index in self.writers or index in self.inputs:
            return True
        tensor = self.subgraph.tensors[index]
        return self._is_constant(tensor) or tensor.is_variable or 0 in tensor.shape

    def _is_constant(self, tensor: Tensor) -> bool:
        return self.buffers[tensor.buffer].size > 0 or tensor.external > 0

    def _write(self, place: int, operator: Operator, index: int, read: frozenset[int]) -> None:
        problem = ""
        if index in read:
            problem = f"reads its own output {self._name(index)}"
        elif index in self.inputs:
            problem = f"writes the input {self._name(index)}"
        elif self._is_constant(self.subgraph.tensors[index]):
            problem = f"writes the constant {self._name(index)}"
        elif index in self.writers:
            other = self.writers[index]
            first = _who(other, self.subgraph.operators[other])
            problem = f"writes tensor {self._name(index)}, and so does {first}"
        if problem:
            self.source.fail(f"{_who(place, operator)}{self.where} {problem}")
        self.writers[index] = place

    def _not_written(self, place: int, operator: Operator, index: int) -> None:
        who = f"{_who(place, operator)}{self.where}"
        for later, other in enumerate(self.subgraph.operators[place:], place):
            if index in other.outputs:
                if later == place:
                    self.source.fail(f"{who} reads its own output {self._name(index)}")
                self.source.fail(
                    f"{who} reads tensor {self._name(index)}, which only {_who(later, other)} "
                    "writes: the operators form a circle or are out of order"
                )
        self.source.fail(f"{who} reads tensor {self._name(index)}, which nothing writes")

    def _name(self, index: int) -> str:
        return shown(self.subgraph.tensors[index].name)


def _who(place: int, operator: Operator) -> str:
    return f"operator {place} ({shown(operator.name)[1:-1]})"


def _check_calls(source: Source, graph: Graph) -> None:
    """Subgraphs in an order in which each comes after all that it runs, and how deep they go."""
    calls = [
        tuple(dict.fromkeys(called for op in subgraph.operators for called in op.calls))
        for subgraph in graph.subgraphs
    ]
    depths: dict[int, int] = {}
    for start in range(len(calls)):
        path = [start]
        waiting = [iter(calls[start])]
        while path:
            if path[-1] in depths:
                path.pop()
                waiting.pop()
                continue
            called = next(waiting[-1], None)
            if called is None:
                number = path[-1]
                depths[number] = 1 + max((depths[below] for below in calls[number]), default=0)
                if depths[number] > MAX_DEPTH:
                    source.fail(
                        f"subgraph {number} runs others {depths[number]} deep; engines go "
                        f"{MAX_DEPTH} deep"
                    )
            elif called in path:
                circle = " -> ".join(map(str, [*path[path.index(called) :], called]))
                source.fail(f"subgraphs run each other in a circle: {circle}")
            elif called not in depths:
                if len(path) > MAX_DEPTH:
                    source.fail(f"subgraphs run each other more than {MAX_DEPTH} deep")
                path.append(called)
                waiting.append(iter(calls[called]))
