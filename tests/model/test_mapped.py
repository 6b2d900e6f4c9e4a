"""A large model is looked at through a map, whose pages are given back on the way."""

import subprocess
import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.support.builder import Builder

BUFFERS, BUFFER_BYTES = 400, 1 << 19

_CODE = """
import sys
from pathlib import Path
from bokehbench.model.describe import read_structure

def held(kind):
    with open("/proc/self/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith(kind)]
    return int(line.split()[1]) << 10

read_structure(Path(sys.argv[1]))
before = held("VmRSS:")
structure = read_structure(Path(sys.argv[2]))
print(structure.parameters, held("VmHWM:") - before)
"""


def test_weights_stay_out_of_memory(tmp_path: Path) -> None:
    """Kernels map up to 2 MiB of a cached file around every byte that is read."""
    made = Builder()
    end = made.tensor("x", (1, 4))
    made.ends([end], [end])
    small, large = tmp_path / "small.tflite", tmp_path / "large.tflite"
    small.write_bytes(made.data())
    for number in range(BUFFERS):
        buffer = schema.BufferT()
        buffer.data = np.zeros(BUFFER_BYTES, np.uint8)
        made.model.buffers.append(buffer)
        made.tensor(f"w{number}", (BUFFER_BYTES // 4,), buffer=number + 1)
    packer = flatbuffers.Builder((BUFFERS + 1) * BUFFER_BYTES)
    packer.Finish(made.model.Pack(packer), b"TFL3")
    large.write_bytes(packer.Output())
    command = [sys.executable, "-c", _CODE, str(small), str(large)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    parameters, grown = map(int, told.stdout.split())
    assert parameters == BUFFERS * BUFFER_BYTES // 4
    assert grown < 100 << 20
