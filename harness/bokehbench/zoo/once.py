"""One run of a .tflite file: does it load, and is what comes out finite?"""

import time
from typing import Any

from bokehbench.errors import RunError
from bokehbench.zoo.child import answer_with


def run_once(question: dict[str, Any]) -> dict[str, Any]:
    """Run `part` on a picture of noise; answer with the output's range and how long it took.

    Raises:
        RunError: the engine refuses the file, or an output is not finite.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    started = time.monotonic_ns()
    try:
        engine = Interpreter(model_path=question["part"], num_threads=2)
        engine.allocate_tensors()
        loaded = time.monotonic_ns()
        (source,), (target,) = engine.get_input_details(), engine.get_output_details()
        noise = np.random.default_rng(0).random(source["shape"], np.float32)
        engine.set_tensor(source["index"], noise)
        began = time.monotonic_ns()
        engine.invoke()
        ended = time.monotonic_ns()
        output = engine.get_tensor(target["index"])
    except (RuntimeError, ValueError) as error:
        raise RunError(f"the exported model does not run: {error}") from error
    if not np.isfinite(output).all():
        raise RunError(
            f"the exported model gives {np.count_nonzero(~np.isfinite(output))} values that are "
            "not finite; the weights may be broken"
        )
    return {
        "output_min": float(output.min()),
        "output_max": float(output.max()),
        "load_ns": loaded - started,
        "invoke_ns": ended - began,
    }


if __name__ == "__main__":
    answer_with(run_once)
