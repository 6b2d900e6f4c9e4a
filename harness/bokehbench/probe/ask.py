"""One question to an engine, in a process of its own: which operators of this model do you take?"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bokehbench.probe.child import MARK

SECONDS: Final = 120.0

_COUNTS: Final = re.compile(
    r"(?:(\d+)|No) operations will run on the GPU, and (?:the remaining|all) (\d+)"
)


@dataclass(frozen=True)
class Told:
    """What the engine did with a model. `delegated` is None where it did not load it at all.

    `failed` says that it would have loaded it without the delegate: that took it, and then could
    not prepare it, or died. `why` is the engine's own word, or how its process ended.
    """

    delegated: int | None
    total: int | None = None
    kernels: int | None = None
    why: str = ""
    failed: bool = False


def ask_xnnpack(model: Path) -> Told:
    """XNNPACK in the installed LiteRT, applied as its interpreter does by itself."""
    found, log = _ask("xnnpack", model)
    if found is None:
        return Told(None, why=log, failed=_loads_alone(model))
    return Told(found["delegated"], found["total"], found["kernels"])


def ask_gpu(model: Path, total: int) -> Told:
    """LiteRT's GPU accelerator with the CPU's help; it tells counts only where it leaves some."""
    found, log = _ask("gpu+cpu", model)
    if found is None or not found["loaded"]:
        why = log if found is None else found["error"]
        return Told(None, why=why, failed=_loads_alone(model))
    counts = _COUNTS.search(log)
    if counts:
        taken, rest = int(counts[1] or 0), int(counts[2])
        return Told(taken, taken + rest, why=" ".join(_refusals(log))[:300])
    alone, why = _ask("gpu", model)
    if alone is None or not alone["loaded"]:
        return Told(0, total, why=why if alone is None else alone["error"])
    return Told(total, total)


def _loads_alone(model: Path) -> bool:
    """Whether the engine loads the model on its own kernels."""
    found, _ = _ask("cpu", model)
    return found is not None


def _refusals(log: str) -> list[str]:
    return re.findall(r"^((?!INFO|WARNING|ERROR)[A-Z][A-Z0-9_]+: .+)$", log, re.M)


def _ask(kind: str, model: Path) -> tuple[dict[str, Any] | None, str]:
    """The answer, and what the process printed or how it ended."""
    command = [sys.executable, "-m", "bokehbench.probe.child", kind, str(model)]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {SECONDS:.0f} s"
    output = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "replace")
    marked = [line for line in output.splitlines() if line.startswith(MARK)]
    if ended.returncode != 0 or not marked:
        lines = [line for line in output.splitlines() if line.strip()]
        word = f"signal {-ended.returncode}" if ended.returncode < 0 else "failed"
        return None, f"{word}: {lines[-1][:200] if lines else ''}"
    found: dict[str, Any] = json.loads(marked[-1][len(MARK) :])
    return found, output
