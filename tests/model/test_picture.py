"""The picture of a model: whole XML, boxes that don't overlap, bounded for large models."""

import random
import re
import time
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path

from bokehbench.model.describe import read_structure
from bokehbench.model.layers import place
from bokehbench.model.picture import MAX_DRAWN, draw
from bokehbench.model.structure import OpEntry, SubGraphEntry, TensorEntry

TINY = Path(__file__).parents[2] / "examples" / "tiny_unet.tflite"
SVG = "{http://www.w3.org/2000/svg}"


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    root = ElementTree.fromstring(svg)
    return [
        tuple(float(rect.get(key) or 0) for key in ("x", "y", "width", "height"))  # type: ignore[misc]
        for rect in root.iter(f"{SVG}rect")
    ]


def chain(count: int, skips: int, name: str = "ADD") -> SubGraphEntry:
    """`count` operators in a row, `skips` of them also reading an earlier tensor."""
    rng = random.Random(7)
    tensors = [TensorEntry(name=f"t{n}", shape=(1, 8), dtype="float32") for n in range(count + 1)]
    jumps = set(rng.sample(range(1, count), skips))
    ops = [
        OpEntry(
            name=name,
            version=1,
            inputs=(n, rng.randrange(n)) if n in jumps else (n,),
            outputs=(n + 1,),
        )
        for n in range(count)
    ]
    return SubGraphEntry(
        name="", tensors=tuple(tensors), inputs=(0,), outputs=(count,), ops=tuple(ops)
    )


def overlapping(found: list[tuple[float, float, float, float]]) -> int:
    rows: dict[float, list[tuple[float, float]]] = {}
    for x, y, width, _ in found:
        rows.setdefault(y, []).append((x, x + width))
    return sum(left[1] > right[0] for row in rows.values() for left, right in pairwise(sorted(row)))


def test_the_tiny_unet_has_a_box_for_every_operator_and_end() -> None:
    structure = read_structure(TINY, free=(256, 256))
    svg = draw(structure.graph, "tiny")
    found = boxes(svg)
    assert len(found) == 12 + 2
    assert overlapping(found) == 0
    assert "3x3 /2 1x128x128x12" in svg
    root = ElementTree.fromstring(svg)
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    assert all(x >= 0 and x + w <= width and y + h <= height for x, y, w, h in found)
    # 12 in a row, 3 skips, and the output.
    assert len(re.findall(r'<path d="M', svg)) == 12 + 3 + 1


def test_a_thousand_operators_stay_bounded() -> None:
    begun = time.monotonic()
    svg = draw(chain(1000, 200), "large")
    assert time.monotonic() - begun < 30
    assert len(svg) < 8_000_000
    assert overlapping(boxes(svg)) == 0
    assert len(boxes(svg)) == 1002


def test_of_a_larger_model_the_picture_says_what_is_missing() -> None:
    svg = draw(chain(MAX_DRAWN + 10, 0), "huge")
    assert f"the first {MAX_DRAWN} operators; 10 more are not drawn" in svg


def test_names_cannot_break_the_picture() -> None:
    graph = chain(2, 0, name='<script>"&\uffff')
    assert len(boxes(draw(graph, "a < b & c"))) == 4


def test_a_node_is_below_all_that_it_reads() -> None:
    edges = [(0, 1), (1, 2), (0, 2), (2, 5), (3, 4), (4, 5)]
    placed = place([10.0] * 6, edges, 4.0)
    assert all(placed.layers[a] < placed.layers[b] for a, b in edges)
    assert [len(path) for path in placed.paths] == [
        placed.layers[b] - placed.layers[a] - 1 for a, b in edges
    ]
    # What nothing enters stands right above its reader.
    assert placed.layers[3] == placed.layers[4] - 1
