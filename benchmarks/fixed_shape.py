"""A copy of a dynamic .tflite with its first input fixed, for peers that can't resize one."""

from pathlib import Path


def fix_shape(source: Path, target: Path, height: int, width: int) -> Path:
    """Write `source` with input 0 at 1 x height x width x C; the runtime infers the rest."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        tensor.shapeSignature = None
    tensor = graph.tensors[graph.inputs[0]]
    tensor.shape = [1, height, width, int(tensor.shape[3])]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target
