"""A directed graph without cycles -> places for its nodes: layers, few crossings, short edges.

After Sugiyama, Tagawa and Toda (1981): a node's layer is its longest way from a source, edges over
several layers get a bend in each, and sweeps up and down bring every node towards the mean
of its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

SWEEPS: Final = 6
MAX_BENDS: Final = 40_000
"""Above this, long edges are drawn straight: pictures stay bounded."""

BEND_WIDTH: Final = 14.0


@dataclass(frozen=True)
class Placed:
    """Places in the units of the widths given.

    `centres` are the nodes' centres (x), `layers` their layer from 0, `paths` for each edge the x
    of its bends, one for each layer between its ends. `width` is that of the whole.
    """

    centres: tuple[float, ...]
    layers: tuple[int, ...]
    paths: tuple[tuple[float, ...], ...]
    width: float
    depth: int


def place(widths: Sequence[float], edges: Sequence[tuple[int, int]], gap: float) -> Placed:
    """Places nodes of these widths, at least `gap` apart within a layer.

    Args:
        widths: one a node; nodes are numbered so that every edge leads to a higher number.
        edges: from node, to node.
    """
    layer = [0] * len(widths)
    for source, target in sorted(edges):
        layer[target] = max(layer[target], layer[source] + 1)
    _settle(layer, edges)
    sizes = list(widths)
    level = list(layer)
    bends: list[list[int]] = []
    links: list[tuple[int, int]] = []
    total = sum(max(layer[b] - layer[a] - 1, 0) for a, b in edges)
    for source, target in edges:
        chain: list[int] = []
        for between in range(layer[source] + 1, layer[target] if total <= MAX_BENDS else 0):
            chain.append(len(sizes))
            sizes.append(BEND_WIDTH)
            level.append(between)
        bends.append(chain)
        way = [source, *chain, target]
        links += pairwise(way)
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for node, number in enumerate(level):
        rows[number].append(node)
    above: list[list[int]] = [[] for _ in sizes]
    below: list[list[int]] = [[] for _ in sizes]
    for source, target in links:
        below[source].append(target)
        above[target].append(source)
    x = [0.0] * len(sizes)
    for row in rows:
        _pack(row, sizes, x, gap)
    for number in range(SWEEPS):
        down = number % 2 == 0
        for row in rows if down else reversed(rows):
            near = above if down else below
            wish = {node: _mean([x[o] for o in near[node]], x[node]) for node in row}
            row.sort(key=lambda node, wish=wish: wish[node])  # type: ignore[misc]
            _pack(row, sizes, x, gap, wish)
    left = min((x[node] - sizes[node] / 2 for node in range(len(sizes))), default=0.0)
    right = max((x[node] + sizes[node] / 2 for node in range(len(sizes))), default=0.0)
    return Placed(
        centres=tuple(x[node] - left for node in range(len(widths))),
        layers=tuple(layer),
        paths=tuple(tuple(x[node] - left for node in chain) for chain in bends),
        width=right - left,
        depth=len(rows),
    )


def _settle(layer: list[int], edges: Sequence[tuple[int, int]]) -> None:
    """Nodes with nothing before them move down to what reads them."""
    targets: dict[int, list[int]] = {}
    entered = {target for _, target in edges}
    for source, target in edges:
        targets.setdefault(source, []).append(target)
    for node, followers in targets.items():
        if node not in entered:
            layer[node] = min(layer[follower] for follower in followers) - 1


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _pack(
    row: Sequence[int],
    sizes: Sequence[float],
    x: list[float],
    gap: float,
    wish: dict[int, float] | None = None,
) -> None:
    """Sets the row's places: in its order, not overlapping, as near to the wishes as that allows.

    Pools of neighbours that would overlap take the mean of their wishes (isotonic regression).
    """
    offset = 0.0
    pools: list[tuple[float, int]] = []
    offsets = []
    for place_in_row, node in enumerate(row):
        if place_in_row:
            offset += (sizes[row[place_in_row - 1]] + sizes[node]) / 2 + gap
        offsets.append(offset)
        total, count = (wish[node] if wish else 0.0) - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            before, number = pools.pop()
            total, count = total + before, count + number
        pools.append((total, count))
    middle = offset / 2 if wish is None else 0.0
    place_in_row = 0
    for total, count in pools:
        for _ in range(count):
            x[row[place_in_row]] = total / count + offsets[place_in_row] - middle
            place_in_row += 1
