"""A model's subgraph as an SVG picture: operators as boxes in layers, tensors as lines."""

from html import escape
from typing import Final

from bokehbench.model.layers import Placed, place
from bokehbench.model.liveness import folded_constants
from bokehbench.model.structure import OpEntry, SubGraphEntry, TensorEntry

MAX_DRAWN: Final = 1500
"""Most operators that are drawn; of a larger model the first ones are, and the picture says so."""

MAX_ENDS: Final = 200
MAX_LINES: Final = 6000
"""Most inputs, outputs and lines that are drawn; thousands of lines between boxes tell nothing."""

_LETTER: Final = 6.7
_HEIGHT: Final = 34.0
_STEP: Final = 58.0
_GAP: Final = 16.0
_MARGIN: Final = 16.0
_TITLE: Final = 26.0

_STYLE: Final = (
    "text{font:11px ui-monospace,Menlo,Consolas,monospace;fill:#1c1f24;text-anchor:middle}"
    ".s{fill:#5b6470;font-size:10px}.t{text-anchor:start;font-size:12px}"
    "path{fill:none;stroke:#97a1ad;stroke-width:1.2}rect{stroke:#56606b;rx:5px;fill:#f3f5f7}"
    ".e rect{fill:#dff0e3}.w rect{fill:#d6e4f7}.n rect{fill:#f8d9d5}"
)


def draw(graph: SubGraphEntry, title: str, marked: frozenset[int] = frozenset()) -> str:
    """The picture, one SVG document.

    What DEQUANTIZE makes of constants is left out. Boxes of operators with multiply-accumulates are
    blue, inputs and outputs green, those in `marked` (places in the execution order) red.
    """
    folded = folded_constants(graph.tensors, graph.ops)
    shown = [
        number
        for number, op in enumerate(graph.ops)
        if not any(index in folded for index in op.outputs)
    ]
    left_out = max(len(shown) - MAX_DRAWN, 0)
    shown = shown[:MAX_DRAWN]
    boxes: list[tuple[str, str, str]] = []
    writer: dict[int, int] = {}
    for index in graph.inputs[:MAX_ENDS]:
        writer[index] = len(boxes)
        boxes.append(("e", _short(graph.tensors[index].name), _kind(graph.tensors[index])))
    edges: dict[tuple[int, int], None] = {}
    for number in shown:
        op = graph.ops[number]
        for index in op.inputs:
            if index in writer:
                edges[writer[index], len(boxes)] = None
        # -1 is an operand left out.
        writer.update((index, len(boxes)) for index in op.outputs if index >= 0)
        look = "n" if number in marked else "w" if op.macs else "o"
        boxes.append((look, _short(op.name), _detail(op, graph.tensors)))
    for index in graph.outputs[:MAX_ENDS]:
        if index in writer and not left_out:
            edges[writer[index], len(boxes)] = None
            boxes.append(("e", _short(graph.tensors[index].name), _kind(graph.tensors[index])))
    widths = [max(len(name), len(detail)) * _LETTER + 14 for _, name, detail in boxes]
    lines = list(edges)[:MAX_LINES]
    placed = place(widths, lines, _GAP)
    if left_out:
        title += f" (the first {MAX_DRAWN} operators; {left_out} more are not drawn)"
    hidden = sum(max(len(ends) - MAX_ENDS, 0) for ends in (graph.inputs, graph.outputs))
    for count, what in ((hidden, "inputs and outputs"), (len(edges) - len(lines), "lines")):
        if count:
            title += f" ({count} {what} are not drawn)"
    return _svg(boxes, widths, lines, placed, title)


def _svg(
    boxes: list[tuple[str, str, str]],
    widths: list[float],
    edges: list[tuple[int, int]],
    placed: Placed,
    title: str,
) -> str:
    width = max(placed.width, len(title) * 7.3) + 2 * _MARGIN
    shift = _MARGIN + max(0.0, len(title) * 7.3 - placed.width) / 2
    height = placed.depth * _STEP - (_STEP - _HEIGHT) + 2 * _MARGIN + _TITLE
    top = [_MARGIN + _TITLE + layer * _STEP for layer in placed.layers]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}"><style>{_STYLE}</style>'
        '<path style="fill:#fff;stroke:none" d="M0 0H100000V100000H0Z"/>'
        f'<text class="t" x="{_MARGIN:.0f}" y="{_MARGIN + 6:.0f}">{escape(title)}</text>'
    ]
    for (source, target), bends in zip(edges, placed.paths, strict=True):
        x, y = placed.centres[source] + shift, top[source] + _HEIGHT
        line = [f"M{x:.1f} {y:.1f}"]
        for number, bend in enumerate(bends, 1):
            # A bend goes straight down through the layer that it passes.
            at = _MARGIN + _TITLE + (placed.layers[source] + number) * _STEP
            line += [_curve(x, y, bend + shift, at), f"V{at + _HEIGHT:.1f}"]
            x, y = bend + shift, at + _HEIGHT
        line.append(_curve(x, y, placed.centres[target] + shift, top[target]))
        parts.append(f'<path d="{"".join(line)}"/>')
    for number, (look, name, detail) in enumerate(boxes):
        x, y = placed.centres[number] + shift, top[number]
        parts.append(
            f'<g class="{look}"><rect x="{x - widths[number] / 2:.1f}" y="{y:.1f}" '
            f'width="{widths[number]:.1f}" height="{_HEIGHT:.0f}"/>'
            f'<text x="{x:.1f}" y="{y + 14:.1f}">{escape(name)}</text>'
            f'<text class="s" x="{x:.1f}" y="{y + 27:.1f}">{escape(detail)}</text></g>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {to_y:.1f}"


def _detail(op: OpEntry, tensors: tuple[TensorEntry, ...]) -> str:
    words = []
    if "stride_h" in op.options:
        weights = tensors[op.inputs[1]].shape if len(op.inputs) > 1 and op.inputs[1] >= 0 else ()
        kernel = weights[1:3] if len(weights) == 4 else ()
        if "filter_h" in op.options:
            kernel = (op.options["filter_h"], op.options["filter_w"])  # type: ignore[assignment]
        words += ["x".join(map(str, kernel))] if kernel else []
        stride = op.options["stride_h"]
        words += [f"/{stride}"] if stride != 1 else []
    out = tensors[op.outputs[0]] if op.outputs and op.outputs[0] >= 0 else None
    return " ".join([*words, _sides(out)] if out else words)


def _kind(tensor: TensorEntry) -> str:
    return f"{_sides(tensor)} {tensor.dtype}"


def _sides(tensor: TensorEntry) -> str:
    return "x".join("?" if side < 0 else str(side) for side in tensor.shape) or "one value"


def _short(text: str) -> str:
    # XML has no place for these two, which are no control characters either.
    text = text.replace("\ufffe", "\ufffd").replace("\uffff", "\ufffd")
    return text if len(text) <= 28 else text[:13] + "…" + text[-14:]
