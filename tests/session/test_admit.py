"""Models that may not go to a device: weights elsewhere, tensors larger than its memory."""

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated
from msgspec.structs import replace

from bokehbench.errors import ModelError
from bokehbench.facts import DeviceFacts
from bokehbench.session.admit import admit
from tests.support import drafts, models
from tests.support.builder import OPEN, Builder, Ops
from tests.support.command import Command

DEVICE = DeviceFacts(address="P1", device_id="d", platform="android", abi="arm64-v8a")
GIB = 1 << 30


def written(folder: Path, data: bytes) -> Path:
    path = folder / "net.tflite"
    path.write_bytes(data)
    return path


def test_a_model_that_fits_is_admitted(tmp_path: Path) -> None:
    path = written(tmp_path, models.conv(8, 8))
    admit(path, [((1, 8, 8, 3),)], replace(DEVICE, memory_bytes=1 << 20))
    admit(path, [((1, 8, 8, 3),)], DEVICE)


def test_a_file_larger_than_the_memory(tmp_path: Path) -> None:
    path = written(tmp_path, models.conv(8, 8))
    size = path.stat().st_size
    with pytest.raises(ModelError, match=f"file has {size} bytes and P1 {size - 1} bytes"):
        admit(path, [((1, 8, 8, 3),)], replace(DEVICE, memory_bytes=size - 1))


def test_a_tensor_larger_than_the_memory_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, models.conv(open_sides=True))
    small, large = ((1, 64, 64, 3),), ((1, 8192, 8192, 3),)
    admit(path, [small], replace(DEVICE, memory_bytes=GIB))
    with pytest.raises(ModelError) as caught:
        admit(path, [small, large], replace(DEVICE, memory_bytes=GIB - 1))
    assert str(caught.value) == (
        f"{path}: at the input 1x8192x8192x3 tensor 'hidden' of 1x8192x8192x8 float32 takes at "
        f"least {8192 * 8192 * 8 * 2} bytes, and P1 has {GIB - 1} bytes of memory; give a smaller "
        "model or smaller images"
    )
    admit(path, [large], DEVICE)


def _crowd(count: int, side: int) -> bytes:
    """Many tensors that are all alive at the last operator."""
    made = Builder()
    shape = (1, side, side, 3)
    source = made.tensor("image", shape)
    parts = [made.tensor(f"part{index}", shape) for index in range(count)]
    target = made.tensor("bokeh", shape)
    for part in parts:
        made.op(Ops.RELU, [source], [part])
    made.op(Ops.ADD_N, parts, [target], generated.AddNOptionsT())
    return made.finish([source], [target])


def test_tensors_that_do_not_fit_together(tmp_path: Path) -> None:
    path = written(tmp_path, _crowd(10, 1024))
    each = 1024 * 1024 * 3 * 2
    wanted = [((1, 1024, 1024, 3),)]
    admit(path, wanted, replace(DEVICE, memory_bytes=12 * each))
    with pytest.raises(ModelError, match=f"at least {12 * each} bytes at once, the largest"):
        admit(path, wanted, replace(DEVICE, memory_bytes=12 * each - 1))


def test_weights_in_another_file(tmp_path: Path) -> None:
    made = drafts.conv_model()
    made.model.buffers[1].data = None
    made.graph.tensors[1].externalBuffer = 7
    other, group = generated.ExternalBufferT(), generated.ExternalBufferGroupT()
    other.id, other.length, group.name = 7, 324, "../weights.bin"
    made.model.externalBuffers, made.model.externalBufferGroups = [other], [group]
    with pytest.raises(ModelError, match="324 bytes of its weights lie in other files"):
        admit(written(tmp_path, made.data()), [((1, 8, 8, 3),)], DEVICE)


def test_unknown_shapes_are_left_to_the_engine(tmp_path: Path) -> None:
    made = Builder()
    source = made.tensor("image", (1, OPEN, OPEN, 3))
    sides = made.constant("times", np.array([1, 2, 2, 1]), np.int32)
    target = made.tensor("bokeh", (1, OPEN, OPEN, 3))
    made.op(Ops.CUSTOM, [source, sides], [target], custom="Enlarge")
    path = written(tmp_path, made.finish([source], [target]))
    admit(path, [((1, 64, 64, 3),)], replace(DEVICE, memory_bytes=1 << 20))


def test_the_command_refuses_with_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, _crowd(200, 26754))
    ended = Command(tmp_path)("run", "--device", "local", path)
    assert ended.code == 2
    assert "bytes at once, the largest of them tensor 'image' of 1x26754x26754x3" in ended.complaint
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("model.tflite"))
