"""A .tflite file -> ModelFacts: checked reading, nothing is run and nothing is believed."""

from collections import Counter
from pathlib import Path
from typing import Literal

from bokehbench.facts import ModelFacts, TensorFacts
from bokehbench.model.flatbuffer import Source, open_source, shown
from bokehbench.model.graph import Graph, Tensor, read_graph
from bokehbench.model.tensor import shape_text
from bokehbench.text import clean


def read_model(path: str | Path, *, name: str | None = None) -> ModelFacts:
    """Reads and checks the .tflite file at `path`.

    Inputs and outputs are those of the first signature, in the order of its subgraph's own
    ends: LiteRT (2.1.3 and 2.3.0) numbers them so, whatever order the SignatureDef has. Their
    names are the signature's; without a signature they are the tensors' and `signature` is
    None. `shape` holds -1 where a dimension is dynamic. A tensor that is quantised per channel
    has no single scale and is given as 0.0, like one that is not quantised at all.
    `weights_bytes` counts every buffer of constants once, in whichever file it lies.

    Args:
        path: the file.
        name: the model's name in tables; by default the file's name without its suffix.

    Raises:
        ModelError: the file is missing, unreadable, not a .tflite of schema version 3, cut,
            damaged or hostile. The message is one line: file, problem, cure.
    """
    path = Path(path)
    with open_source(path) as source:
        graph = read_graph(source)
        inputs, outputs = _ends(source, graph, "inputs"), _ends(source, graph, "outputs")
        signature = graph.signatures[0].key if graph.signatures else None
        return ModelFacts(
            name=clean(path.stem) if name is None else name,
            file_name=clean(path.name),
            sha256=source.sha256(),
            size_bytes=source.size,
            signature=signature,
            signature_index=0,
            inputs=tuple(_facts(title, tensor) for title, tensor in inputs),
            outputs=tuple(_facts(title, tensor) for title, tensor in outputs),
            ops=_count_operators(graph),
            weights_bytes=_weights_bytes(graph),
        )


def _ends(
    source: Source, graph: Graph, side: Literal["inputs", "outputs"]
) -> list[tuple[str, Tensor]]:
    """Names and tensors of the inputs or outputs of the subgraph that runs."""
    signature = graph.signatures[0] if graph.signatures else None
    subgraph = graph.subgraphs[signature.subgraph if signature else 0]
    indices = subgraph.inputs if side == "inputs" else subgraph.outputs
    if not indices:
        source.fail(f"the model has no {side}", f"convert it again with {side}")
    for index in indices:
        tensor = subgraph.tensors[index]
        if 0 in tensor.shape:
            source.fail(
                f"{side[:-1]} {shown(tensor.name)} of {shape_text(tensor.shape)} holds nothing",
                "convert the model for images of at least one pixel",
            )
    if signature is None:
        return [(subgraph.tensors[index].name, subgraph.tensors[index]) for index in indices]
    pairs = signature.inputs if side == "inputs" else signature.outputs
    if sorted(index for _, index in pairs) != sorted(indices):
        source.fail(
            f"signature {shown(signature.key)} names {len(pairs)} tensors, which are not the "
            f"{len(indices)} {side} of its subgraph, and LiteRT refuses that",
            "convert the model again with one signature",
        )
    titles: dict[int, list[str]] = {}
    for title, index in reversed(pairs):
        titles.setdefault(index, []).append(title)
    return [(titles[index].pop(), subgraph.tensors[index]) for index in indices]


def _facts(name: str, tensor: Tensor) -> TensorFacts:
    scale, zero_point = 0.0, 0
    if tensor.quantization is not None and tensor.quantization.count == 1:
        scale, zero_point = tensor.quantization.scale, tensor.quantization.zero_point
    return TensorFacts(
        name=name, shape=tensor.shape, dtype=tensor.dtype, scale=scale, zero_point=zero_point
    )


def _count_operators(graph: Graph) -> dict[str, int]:
    """Operators of all subgraphs by name, in the order of their names."""
    counts = Counter(
        operator.name for subgraph in graph.subgraphs for operator in subgraph.operators
    )
    return dict(sorted(counts.items()))


def _weights_bytes(graph: Graph) -> int:
    """Buffers that tensors use; two entries for the same bytes count once."""
    tensors = [tensor for subgraph in graph.subgraphs for tensor in subgraph.tensors]
    regions = {graph.buffers[tensor.buffer] for tensor in tensors}
    external = {tensor.external for tensor in tensors if tensor.external}
    return sum(region.size for region in regions) + sum(graph.external[key] for key in external)
