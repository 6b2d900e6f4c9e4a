"""A copy of a dynamic .tflite with fixed shapes, for peers that can't resize one."""

from pathlib import Path


def fix_shape(source: Path, target: Path, height: int, width: int) -> Path:
    """Write `source` with input 0 at 1 x height x width x C and the outputs that follow."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    model = schema.ModelT.InitFromPackedBuf(source.read_bytes(), 0)
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        tensor.shapeSignature = None
    channels = int(graph.tensors[graph.inputs[0]].shape[3])
    net = Interpreter(model_path=str(source))
    net.resize_tensor_input(graph.inputs[0], (1, height, width, channels))
    net.allocate_tensors()
    for detail in (*net.get_input_details(), *net.get_output_details()):
        graph.tensors[detail["index"]].shape = detail["shape"].tolist()
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    target.write_bytes(bytes(builder.Output()))
    return target
