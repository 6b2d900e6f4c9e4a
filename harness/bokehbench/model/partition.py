"""Which operators a delegate really gets: partitions as TFLite's runtime makes them.

A partition is no run in the order of execution: the runtime takes turns, now only operators that
the delegate takes, now only others, and in each turn takes all whose inputs are there; operators
with effects beside their outputs keep their order
(tensorflow/lite/graph_info.cc, PartitionGraphIntoIndependentNodeSubsets).
"""

import itertools
from collections.abc import Collection, Sequence

from bokehbench.model.structure import OpEntry, SubGraphEntry

_CONTROL = frozenset(("IF", "WHILE", "CALL_ONCE"))


def with_effects(graph: SubGraphEntry) -> list[int]:
    """Places of operators that may do more than write their outputs, in their order.

    Those are the ones that touch variables, and control flow, whose bodies might
    (tensorflow/lite/core/subgraph.cc, OpMightHaveSideEffect).
    """
    return [
        place
        for place, op in enumerate(graph.ops)
        if op.name in _CONTROL
        or any(
            graph.tensors[index].dtype == "resource"
            for index in (*op.inputs, *op.outputs)
            if index >= 0
        )
    ]


def partitions(
    ops: Sequence[OpEntry], taken: Collection[int], ordered: Sequence[int] = ()
) -> list[list[int]]:
    """The parts that the delegate gets, each as places in the order of execution.

    Args:
        ops: in the order of execution.
        taken: places of the operators that the delegate takes.
        ordered: places that keep their order among themselves.
    """
    wanted = set(taken)
    writer: dict[int, int] = {}
    for place, op in enumerate(ops):
        # -1 is an operand left out, which nobody writes and nobody waits for.
        writer.update((index, place) for index in op.outputs if index >= 0)
    waits = [
        {writer[index] for index in op.inputs if index in writer and writer[index] != place}
        for place, op in enumerate(ops)
    ]
    for before, after in itertools.pairwise(ordered):
        waits[after].add(before)
    readers: list[list[int]] = [[] for _ in ops]
    for place, awaited in enumerate(waits):
        for one in awaited:
            readers[one].append(place)
    # A turn ends when nothing of its kind is ready; sets keep a long model from taking forever.
    left = [len(awaited) for awaited in waits]
    ready: dict[bool, list[int]] = {True: [], False: []}
    for place, count in enumerate(left):
        if count == 0:
            ready[place in wanted].append(place)
    parts: list[list[int]] = []
    kind = bool(ready[True]) and (not ready[False] or min(ready[True]) < min(ready[False]))
    while ready[True] or ready[False]:
        part: list[int] = []
        while ready[kind]:
            place = ready[kind].pop()
            part.append(place)
            for reader in readers[place]:
                left[reader] -= 1
                if left[reader] == 0:
                    ready[reader in wanted].append(reader)
        if kind and part:
            parts.append(sorted(part))
        kind = not kind
    return parts


def largest(parts: Sequence[Sequence[int]], count: int | None) -> list[int]:
    """The operators of the `count` largest parts, or of all, in the order of execution."""
    chosen = sorted(parts, key=len, reverse=True)[: len(parts) if count is None else count]
    return sorted(place for part in chosen for place in part)
