"""The process in which an engine sees one model: `python -m bokehbench.probe.child KIND MODEL`.

Whatever the engine does here (refuse, crash, hang), the process that asked lives on. The answer is
a marked line of standard output, because engines print too.
"""

import json
import sys
from typing import Any, Final

MARK: Final = "bokehbench-probe "


def xnnpack(model: str) -> dict[str, Any]:
    """How many operators XNNPACK took: those between the ends of the delegate's own nodes."""
    from ai_edge_litert.interpreter import Interpreter

    engine = Interpreter(model_path=model, num_threads=1)
    before = len(engine._get_ops_details())
    engine.allocate_tensors()
    nodes = engine._get_ops_details()
    writers = {int(t): node for node in nodes[:before] for t in node["outputs"]}
    taken: set[int] = set()
    for kernel in nodes[before:]:
        stop = {int(t) for t in kernel["inputs"]}
        ahead = [int(t) for t in kernel["outputs"]]
        while ahead:
            tensor = ahead.pop()
            node = writers.get(tensor)
            if tensor in stop or node is None or node["index"] in taken:
                continue
            taken.add(node["index"])
            ahead += [int(t) for t in node["inputs"]]
    return {"delegated": len(taken), "total": before, "kernels": len(nodes) - before}


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
