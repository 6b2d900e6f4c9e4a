"""Tokens of one run -> what each delegate was said to take, and which operators were refused."""

import re
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from bokehbench.runners.benchmark_model.runs import RawRun
from bokehbench.runners.benchmark_model.tokens import Token

Execution = Literal["all", "part", "none"]

CPU_BACKENDS: Final = frozenset({"cpu", "xnnpack"})

_BACKEND_OF: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), backend)
    for pattern, backend in (
        (r"xnnpack", "xnnpack"),
        (
            r"^gpu$|gpudelegate|litert_(?:cl|gl|webgpu|metal|vulkan)|metaldelegate|webgpu|ml_?drift",
            "gpu",
        ),
        (r"nn_?api", "nnapi"),
        (r"hexagon", "hexagon"),
        (r"core_? ?ml", "coreml"),
        (r"dispatchdelegate|^npu$", "npu"),
        # TensorFlow's own operators inside TFLite run on the CPU.
        (r"flex", "cpu"),
    )
)


class Delegate(msgspec.Struct, frozen=True, kw_only=True):
    """What one delegate was said to take; None where no line tells.

    `execution` is `all`, `part` or `none` of the graph. `kernels` counts the delegate's own nodes
    in the changed graph, `partitions` all pieces that the graph was cut into.
    """

    name: str
    backend: str
    line: int
    nodes: int | None = None
    total: int | None = None
    partitions: int | None = None
    kernels: int | None = None
    execution: Execution | None = None
    subgraph: int | None = None


class RefusedOp(msgspec.Struct, frozen=True, kw_only=True):
    """An operator that a delegate does not take, and why."""

    op: str
    reason: str
    line: int


def backend_of(name: str) -> str:
    """The backend behind a delegate's name; a delegate of an unknown make is `external`."""
    return next((backend for pattern, backend in _BACKEND_OF if pattern.search(name)), "external")


def read_refused(run: RawRun) -> list[RefusedOp]:
    """Every operator and reason once, in the log's order."""
    found: dict[tuple[str, str], RefusedOp] = {}
    for kind in ("unsupported_op", "refused"):
        for line, token in run.of(kind):
            op = token.values[0] or ""
            reason = (token.values[-1] or "").strip()
            found.setdefault((op, reason), RefusedOp(op=op, reason=reason, line=line))
    return list(found.values())


def read_delegates(run: RawRun) -> list[Delegate]:
    """Delegates in the order in which they were first told of.

    Several lines tell of one delegate: the GPU's split of the graph, the replacing of nodes, and
    the tool's own summary. A delegate whose name is not printed has an empty backend.
    """
    delegates: list[Delegate] = []
    for line, token in run.entries:
        if token.kind == "replacing":
            _replaced(delegates, token, line)
        elif token.kind == "node_counts":
            name = (token.values[0] or "unnamed").strip()
            _, nodes, total, partitions = map(_whole, (None, *token.values[1:]))
            delegates.append(_delegate(name, line, nodes, total, partitions))
        elif token.kind == "split":
            some, unit, rest = token.values
            taken = (_whole(some) or 0) if some != "No" else 0
            total = taken + (_whole(rest) or 0)
            delegates.append(_delegate(unit or "GPU", line, taken, total, None))
        elif token.kind in ("applied", "not_applied"):
            _summed_up(delegates, token, line)
    return delegates


def _whole(text: str | None) -> int | None:
    return int(text) if text else None


def _delegate(
    name: str, line: int, nodes: int | None, total: int | None, partitions: int | None
) -> Delegate:
    return Delegate(
        name=name,
        backend=backend_of(name),
        line=line,
        nodes=nodes,
        total=total,
        partitions=partitions,
    )


def _last_of(delegates: list[Delegate], backend: str) -> int | None:
    places = [place for place, d in enumerate(delegates) if d.backend == backend]
    return places[-1] if places else None


def _replaced(delegates: list[Delegate], token: Token, line: int) -> None:
    """`Replacing N out of M node(s)`; it repeats what the GPU's split said before it."""
    some, total, name, partitions, subgraph = token.values
    new = _delegate(name or "unnamed", line, _whole(some), _whole(total), _whole(partitions))
    new = replace(new, backend=new.backend if name else "", subgraph=_whole(subgraph))
    place = _last_of(delegates, new.backend)
    split = delegates[place] if place is not None else None
    if place is not None and split and split.partitions is None and split.nodes == new.nodes:
        delegates[place] = replace(new, total=new.total or split.total, line=split.line)
    else:
        delegates.append(new)


def _summed_up(delegates: list[Delegate], token: Token, line: int) -> None:
    """`Explicitly applied X delegate ...` and `Though X delegate ...`."""
    name = token.values[0] or ""
    execution: Execution | None = "none" if token.kind == "not_applied" else None
    kernels = None
    if token.kind == "applied":
        execution = "all" if token.values[1] == "completely" else execution
        execution = "part" if token.values[1] == "partially" else execution
        kernels = _whole(token.values[2])
    backend = backend_of(name)
    place = _last_of(delegates, backend)
    if place is None:
        place = _last_of(delegates, "")
    if place is not None and delegates[place].execution is None:
        known = delegates[place]
        delegates[place] = replace(
            known,
            backend=backend,
            execution=execution,
            kernels=kernels,
            partitions=known.partitions if known.partitions is not None else kernels,
        )
    else:
        delegates.append(
            replace(
                _delegate(name, line, None, None, kernels), kernels=kernels, execution=execution
            )
        )
