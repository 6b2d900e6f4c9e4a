"""Real models of public packages: what the reader says is what the engine says."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bokehbench.model.describe import read_structure
from bokehbench.model.reader import read_model
from tests.support.public_models import require_public_models

pytestmark = pytest.mark.real("pip, npm, lavapipe")


@pytest.fixture(scope="module")
def models() -> tuple[Path, ...]:
    return require_public_models()


def interpreter(path: Path) -> Interpreter:
    """An interpreter of the model as it is in the file, without delegates."""
    return Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )


def scales(entry: dict[str, Any]) -> int:
    """Of how many scales the interpreter knows for a tensor."""
    return len(entry["quantization_parameters"]["scales"])


def test_there_are_enough_models(models: tuple[Path, ...]) -> None:
    assert len(models) >= 20


def test_operators_are_the_interpreters(models: tuple[Path, ...]) -> None:
    for path in models:
        structure = read_structure(path)
        told = [entry["op_name"] for entry in interpreter(path)._get_ops_details()]
        ours = [op.name.removeprefix("CUSTOM:") for op in structure.graph.ops]
        assert ours == told, path.name
        everywhere = Counter(op.name for graph in structure.subgraphs for op in graph.ops)
        assert everywhere == Counter(read_model(path).ops), path.name


def test_tensors_are_the_interpreters(models: tuple[Path, ...]) -> None:
    for path in models:
        structure = read_structure(path)
        for told in interpreter(path).get_tensor_details():
            ours = structure.graph.tensors[told["index"]]
            assert ours.name == told["name"], path.name
            assert ours.shape == tuple(map(int, told["shape_signature"])), (path.name, ours.name)
            # numpy has no word for a handle of a variable.
            dtype = told["dtype"].__name__.replace("object_", "resource").replace("bool_", "bool")
            assert ours.dtype == dtype, (path.name, ours.name)
            assert ours.scales == scales(told), (path.name, ours.name)


def test_operators_connect_the_interpreters_tensors(models: tuple[Path, ...]) -> None:
    for path in models:
        structure = read_structure(path)
        for ours, told in zip(
            structure.graph.ops, interpreter(path)._get_ops_details(), strict=True
        ):
            assert ours.inputs == tuple(map(int, told["inputs"])), path.name
            assert ours.outputs == tuple(map(int, told["outputs"])), path.name


def test_parameters_are_what_the_interpreter_holds(models: tuple[Path, ...]) -> None:
    """Tensors that nothing writes and that are no inputs, of trained types."""
    for path in models:
        structure = read_structure(path)
        engine = interpreter(path)
        held = 0
        for number, graph in enumerate(structure.subgraphs):
            written = {index for op in graph.ops for index in op.outputs} | set(graph.inputs)
            held += sum(
                math.prod(map(int, entry["shape"]))
                for entry in engine.get_tensor_details(subgraph_index=number)
                if entry["index"] not in written
                and (
                    entry["dtype"].__name__ in ("float32", "float16", "int8", "uint8")
                    # Biases of quantised operators.
                    or (entry["dtype"].__name__ == "int32" and scales(entry) > 0)
                )
            )
        assert structure.parameters == held - _shared(path), path.name


def _shared(path: Path) -> int:
    """Parameters that the file's own schema classes find twice: one buffer of several tensors."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    seen: set[int] = set()
    twice = 0
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        data = model.buffers[tensor.buffer].data
        scaled = tensor.quantization is not None and tensor.quantization.scale is not None
        if data is None or len(data) == 0:
            continue
        if tensor.type == schema.TensorType.INT32 and not scaled:
            continue
        if tensor.buffer in seen:
            twice += math.prod(map(int, tensor.shape))
        seen.add(tensor.buffer)
    return twice


def test_sizes_are_the_files(models: tuple[Path, ...]) -> None:
    for path in models:
        structure = read_structure(path)
        assert structure.size_mib == path.stat().st_size / 2**20
        stored = sum(share.size_bytes for share in structure.weights.values())
        assert 0.9 * read_model(path).weights_bytes < stored <= read_model(path).weights_bytes


def test_xnnpack_takes_what_was_predicted(models: tuple[Path, ...]) -> None:
    """Node counts equal on all models that the engine loads.

    One has operators that it lacks; the other's sides are free, and at 1 its convolution is empty.
    """
    from bokehbench.model.predict import forecast
    from bokehbench.model.rules import Target
    from bokehbench.probe.ask import ask_xnnpack

    target = Target("xnnpack", "litert", "2.3.0")
    silent, wrong = [], []
    for path in models:
        told = ask_xnnpack(path)
        if told.delegated is None:
            silent.append(path.name)
            continue
        said = forecast(read_structure(path), target).prediction
        here = (said.delegated_low, said.delegated_high, said.total_nodes, said.partitions)
        if here != (told.delegated, told.delegated, told.total, told.kernels):
            wrong.append((path.name, here, told))
    assert wrong == []
    assert silent == ["face_landmark_with_attention.tflite", "melspectrogram.tflite"]


def test_tensorflow_lite_takes_what_was_predicted(models: tuple[Path, ...]) -> None:
    from bokehbench.model.predict import forecast
    from bokehbench.model.rules import Target
    from bokehbench.probe.runner import ask_tflite
    from tests.support.tflite import require_tflite

    library = require_tflite()
    target = Target("xnnpack", "tflite", "2.9.0")
    asked, wrong = 0, []
    for path in models:
        told = ask_tflite(path, library)
        if told is None or told.delegated is None:
            continue
        asked += 1
        said = forecast(read_structure(path), target).prediction
        if not said.delegated_low == told.delegated == said.delegated_high:
            wrong.append((path.name, said, told))
    assert asked >= 22
    assert wrong == []


def test_the_gpu_takes_what_was_predicted(
    models: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded, not run: the GPU here is software. Each graph once, as copies load alike."""
    from bokehbench.model.predict import forecast
    from bokehbench.model.rules import Target
    from bokehbench.probe.ask import ask_gpu
    from tests.rig.vulkan import require_software_gpu

    for name, value in require_software_gpu().environment.items():
        monkeypatch.setenv(name, value)
    target = Target("litert-gpu", "litert", "2.3.0")
    chosen = {path.read_bytes(): path for path in models}
    asked, wrong = 0, []
    for path in chosen.values():
        structure = read_structure(path)
        told = ask_gpu(path, len(structure.graph.ops))
        if told.delegated is None:
            continue
        asked += 1
        said = forecast(structure, target).prediction
        if not said.delegated_low == told.delegated == said.delegated_high:
            wrong.append((path.name, said, told))
    assert asked >= 26
    assert wrong == []
