"""The process in which an engine sees one model: `python -m bokehbench.probe.child KIND MODEL`.

Whatever the engine does here (refuse, crash, hang), the process that asked lives on. The answer is
a marked line of standard output, because engines print too.
"""

import json
import sys
from typing import Any, Final

from bokehbench.probe.inside import Node, inside

MARK: Final = "bokehbench-probe "


def xnnpack(model: str) -> dict[str, Any]:
    """How many operators XNNPACK took."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=model, num_threads=1)
    before = len(engine._get_ops_details())
    engine.allocate_tensors()
    details = [
        Node(
            entry["op_name"],
            tuple(int(t) for t in entry["inputs"] if t >= 0),
            tuple(map(int, entry["outputs"])),
        )
        for entry in engine._get_ops_details()
    ]
    nodes, kernels = details[:before], details[before:]
    return {"delegated": len(inside(nodes, kernels)), "total": before, "kernels": len(kernels)}


def cpu(model: str) -> dict[str, Any]:
    """Whether the engine's own kernels load the model; it raises where they don't."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    engine = Interpreter(
        model_path=model,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    engine.allocate_tensors()
    return {"loaded": True}


def gpu(model: str, *, with_cpu: bool) -> dict[str, Any]:
    """Whether LiteRT's GPU accelerator loads the model, alone or with the CPU's help."""
    from ai_edge_litert.compiled_model import CompiledModel
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator

    wanted = HardwareAccelerator.GPU
    if with_cpu:
        wanted |= HardwareAccelerator.CPU
    try:
        loaded = CompiledModel.from_file(model, hardware_accel=wanted)
    except (RuntimeError, ValueError) as error:
        return {"loaded": False, "error": str(error)[:300]}
    return {"loaded": True, "whole": bool(loaded.is_fully_accelerated())}


def answer(kind: str, model: str) -> None:
    """Write the answer of one kind of question about one model."""
    if kind in ("cpu", "xnnpack"):
        found = cpu(model) if kind == "cpu" else xnnpack(model)
    else:
        found = gpu(model, with_cpu=kind == "gpu+cpu")
    sys.stdout.write(f"\n{MARK}{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    answer(*sys.argv[1:])
