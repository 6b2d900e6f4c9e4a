"""`bokehbench inspect`: one .tflite on one screen, as JSON, or as a picture."""

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.model_options import side_of, size_option
from bokehbench.cli.output import Sink, to_json
from bokehbench.errors import UsageError
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.model.structure import ModelStructure, TensorEntry

MIB = 1 << 20
MAX_ROWS = 40
MAX_NAME = 200
"""What one screen holds of lists and names that are anybody's; `--json` has all of them."""


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@size_option
@click.option(
    "--json",
    "json_target",
    metavar="PATH|-",
    is_flag=False,
    flag_value="-",
    help="Write everything as JSON; without a PATH after MODEL, on standard output.",
)
@click.option("--graph", metavar="PATH|-", help="Draw the operators as SVG.")
def command(
    model: Path, size: tuple[int, int] | None, json_target: str | None, graph: str | None
) -> None:
    """Show what MODEL is: inputs and outputs, size, work, memory, operators.

    The file is read and checked, never run. Memory is what a runtime that reuses memory has to have
    for activations at least; work is counted in multiply-accumulates (MACs).
    """
    from bokehbench.model.picture import draw

    if json_target == "-" and graph == "-":
        raise UsageError("--json - and --graph -: both want standard output; give one a file")
    structure = side_of(model, size)
    if json_target is not None:
        with Sink(json_target, "--json") as sink:
            sink.write(to_json(document(structure)))
    if graph is not None:
        with Sink(graph, "--graph") as sink:
            sink.write(draw(structure.graph, f"{structure.file_name}: {_size(structure)}"))
    if json_target != "-" and graph != "-":
        for line in screen(structure):
            click.echo(clean(line))


def document(structure: "ModelStructure") -> dict[str, Any]:
    """Everything, as JSON can hold it.

    An option that is not finite, which engines run and JSON has no number for, is its name:
    `nan`, `inf` or `-inf`.
    """
    import msgspec

    whole: dict[str, Any] = msgspec.to_builtins(structure)
    for graph in whole["subgraphs"]:
        for op in graph["ops"]:
            for name, value in op["options"].items():
                if isinstance(value, float) and not math.isfinite(value):
                    op["options"][name] = str(value)
    return whole


def screen(structure: "ModelStructure") -> list[str]:
    """Everything that matters on one screen, line by line."""
    graph = structure.graph
    lines = [f"{structure.file_name}: {_size(structure)}"]
    if structure.description:
        lines.append(f"description  {structure.description[:120]}")
    first = structure.signatures[0] if structure.signatures else None
    key = (_short(first.key) or "(no name)") if first else "none"
    lines.append(f"signature    {key}")
    others = [
        f"{_short(extra.key)} (not run; number {number})"
        for number, extra in enumerate(structure.signatures[1:], 1)
    ]
    lines += _rows("signature", others)
    for word, ends in (("input", graph.inputs), ("output", graph.outputs)):
        lines += _rows(word, [_tensor(graph.tensors[index]) for index in ends])
    lines.append(f"weights      {_weights(structure)}")
    lines.append(f"work         {_work(structure)}")
    lines.append(f"memory       {_memory(structure)}")
    if len(structure.subgraphs) > 1:
        rest = len(structure.subgraphs) - 1
        lines.append(f"subgraphs    {rest} more, which control flow or other signatures run")
    if structure.metadata:
        held = [f"{_short(name)} ({size} bytes)" for name, size in structure.metadata.items()]
        more = f", {len(held) - MAX_ROWS} more" if len(held) > MAX_ROWS else ""
        lines.append(f"metadata     {', '.join(held[:MAX_ROWS])}{more}")
    return lines + _operators(structure)


def _rows(word: str, texts: list[str]) -> list[str]:
    """A line for each of the first ones, headed by `word`, and one for all that follow."""
    more = len(texts) - MAX_ROWS
    shown = [*texts[:MAX_ROWS], f"{more} more; --json has them"] if more > 0 else texts
    return [f"{word:<13}{text}" for text in shown]


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _size(structure: "ModelStructure") -> str:
    ops = sum(len(subgraph.ops) for subgraph in structure.subgraphs)
    outside = f", {structure.external_bytes} bytes of it in other files"
    return (
        f"{structure.size_mib:.2f} MiB{outside if structure.external_bytes else ''}, "
        f"{structure.parameters:,} parameters, {counted(ops, 'operator')}"
    )


def _tensor(tensor: "TensorEntry") -> str:
    shape = "x".join("?" if side < 0 else str(side) for side in tensor.shape) or "one value"
    how = {0: "", 1: ", quantised"}.get(tensor.scales, ", quantised per channel")
    return f"{shape} {tensor.dtype}{how}  {_short(tensor.name)}"


def _weights(structure: "ModelStructure") -> str:
    from bokehbench.model.liveness import folded_constants

    parts = [
        f"{kind} {share.parameters:,} ({share.size_bytes / MIB:.2f} MiB)"
        for kind, share in structure.weights.items()
    ]
    unpacked = sum(len(folded_constants(sub.tensors, sub.ops)) for sub in structure.subgraphs)
    if unpacked:
        parts.append(f"{unpacked} constants unpacked by DEQUANTIZE or DENSIFY")
    return "; ".join(parts) or "none"


def _work(structure: "ModelStructure") -> str:
    if structure.macs is not None:
        return f"{_count(structure.macs)} MACs"
    known = sum(op.macs or 0 for subgraph in structure.subgraphs for op in subgraph.ops)
    return f"at least {_count(known)} MACs; not known of {', '.join(structure.macs_unknown)}"


def _memory(structure: "ModelStructure") -> str:
    use = structure.memory
    if use.peak_fp32_bytes is None or use.peak_fp16_bytes is None or use.largest_bytes is None:
        return f"activations: not known{_where_open(structure)}"
    where = ""
    if use.peak_op is not None:
        where = f" (at operator {use.peak_op}, {structure.graph.ops[use.peak_op].name})"
    return (
        f"activations {use.peak_fp32_bytes / MIB:.1f} MiB in fp32, "
        f"{use.peak_fp16_bytes / MIB:.1f} in fp16{where}; "
        f"largest tensor {use.largest_bytes / MIB:.1f} MiB"
    )


def _where_open(structure: "ModelStructure") -> str:
    """From which operator on shapes are not known, which a `--size` that does not fit makes so."""
    graph = structure.graph
    for number, op in enumerate(graph.ops):
        if any(-1 in graph.tensors[index].shape for index in op.outputs if index >= 0):
            at = ", ".join("x".join(map(str, graph.tensors[i].shape)) for i in graph.inputs)
            return (
                f"; shapes are open from operator {number}, {op.name}, on with an input of {at}: "
                "give a --size that the operators fit, or convert the model with fixed shapes"
            )
    return ""


def _operators(structure: "ModelStructure") -> list[str]:
    ops = [op for subgraph in structure.subgraphs for op in subgraph.ops]
    counts = Counter(op.name for op in ops)
    work = Counter[str]()
    versions: dict[str, set[int]] = {}
    for op in ops:
        work[op.name] += op.macs or 0
        versions.setdefault(op.name, set()).add(op.version)
    total = sum(work.values())
    width = max(map(len, counts), default=0)
    lines = []
    for name in sorted(counts, key=lambda name: (-work[name], -counts[name], name)):
        spelled = ",".join(map(str, sorted(versions[name])))
        share = "     ?" if name in structure.macs_unknown else f"{_share(work[name], total):5.1f}%"
        done = f"  {_count(work[name])}" if work[name] else ""
        lines.append(f"  {name:<{width}}  {counts[name]:>5}  v{spelled:<5} {share}{done}")
    kinds = counted(len(counts), "kind")
    return [f"operators    {len(ops)} of {kinds}, with their share of MACs", *lines]


def _share(part: int, total: int) -> float:
    return 100 * part / total if total else 0.0


def _count(number: int) -> str:
    """1,234, then with M, G or T."""
    for unit, scale in (("T", 10**12), ("G", 10**9), ("M", 10**6)):
        if number >= scale:
            return f"{number / scale:.2f} {unit}"
    return f"{number:,}"
