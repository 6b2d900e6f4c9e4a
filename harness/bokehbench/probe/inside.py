"""Which operators a delegate's kernels hold, from the tensors that go in and come out of them.

The interpreter tells the ends of a kernel and not its operators. What a kernel makes and does not
hand out is its own, and so is whoever writes or reads it; what comes in is read by somebody inside.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Node(NamedTuple):
    """An operator or a kernel: numbers of the tensors that it reads and writes."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def inside(nodes: Sequence[Node], kernels: Sequence[Node]) -> set[int]:
    """Places of the operators that lie in any of the kernels."""
    writer = {tensor: place for place, node in enumerate(nodes) for tensor in node.outputs}
    readers: dict[int, list[int]] = {}
    for place, node in enumerate(nodes):
        for tensor in node.inputs:
            readers.setdefault(tensor, []).append(place)
    # Variables pass between kernels by their handles, which tell nothing of who is inside.
    passed = {tensor for kernel in kernels for tensor in (*kernel.inputs, *kernel.outputs)}
    silent = {t for t in passed if t in writer and nodes[writer[t]].name == "VAR_HANDLE"}
    found: set[int] = set()
    for kernel in kernels:
        comes_in, goes_out = set(kernel.inputs), set(kernel.outputs)
        here: set[int] = set()
        ahead = [writer[tensor] for tensor in goes_out if tensor in writer]
        while ahead:
            place = ahead.pop()
            if place not in here:
                here.add(place)
                made_before = set(nodes[place].inputs) - comes_in
                ahead += [writer[tensor] for tensor in made_before if tensor in writer]
                own = (made_before | set(nodes[place].outputs)) - goes_out - silent
                ahead += [reader for tensor in own for reader in readers.get(tensor, ())]
            if not ahead:
                ahead = _only_readers(comes_in & silent, readers, found, here)
        found |= here
    return found


def _only_readers(
    tensors: set[int], readers: dict[int, list[int]], found: set[int], here: set[int]
) -> list[int]:
    """Of tensors that nobody in this kernel reads yet: readers that are the only ones left."""
    left = {
        tensor: [place for place in readers.get(tensor, ()) if place not in found]
        for tensor in tensors
    }
    return [places[0] for places in left.values() if len(places) == 1 and not here & set(places)]
