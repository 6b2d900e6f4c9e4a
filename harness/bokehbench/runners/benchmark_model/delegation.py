"""Tokens of one run -> what was asked for, what really ran, and why not all ran where it should.

A line that announces a delegate is no proof: it also comes before a delegate that then fails,
builds no kernels, or hands everything back.
"""

from dataclasses import dataclass, field

from bokehbench.runners.benchmark_model.delegates import (
    CPU_BACKENDS,
    Delegate,
    RefusedOp,
    backend_of,
    read_delegates,
    read_refused,
)
from bokehbench.runners.benchmark_model.requests import (
    read_accelerators,
    read_params,
    read_requested,
)
from bokehbench.runners.benchmark_model.runs import RawRun

Reason = tuple[int | None, str]
"""A line, if one tells, and a sentence."""


@dataclass
class Delegation:
    """Everything about where the model ran.

    `fallback` says why not all ran on what was asked for; `unproven` is an accelerator of which
    no line tells whether it ran.
    """

    requested: str | None = None
    requested_line: int | None = None
    backend: str | None = None
    backend_line: int | None = None
    delegates: list[Delegate] = field(default_factory=list)
    refused: list[RefusedOp] = field(default_factory=list)
    fallback: list[Reason] = field(default_factory=list)
    unproven: bool = False
    api: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    fully_accelerated: bool | None = None

    @property
    def asks_accelerator(self) -> bool:
        """Whether something else than the CPU was asked for."""
        return self.requested is not None and self.requested not in CPU_BACKENDS

    def of(self, backend: str) -> list[Delegate]:
        """The delegates of one backend, and those whose name was not printed."""
        return [d for d in self.delegates if d.backend in (backend, "")]


def read_delegation(
    run: RawRun,
    *,
    default_is_cpu: bool,
    says_its_default: bool,
    prepared: bool,
    finished: bool,
) -> Delegation:
    """Where one run's model ran.

    Args:
        run: its tokens.
        default_is_cpu: the log is of a tool that prints every accelerator that was asked for, so
            that silence means the CPU.
        says_its_default: silence means it even if the model was never loaded.
        prepared: the model was loaded and prepared.
        finished: a result was printed.
    """
    found = Delegation(
        delegates=read_delegates(run), refused=read_refused(run), params=read_params(run)
    )
    for _, token in run.of("api"):
        found.api = (token.values[0] or "").lower()
    for _, token in run.of("accelerated"):
        found.fully_accelerated = (token.values[0] or "").lower() == "true"
    asked = read_requested(
        run,
        found.delegates,
        read_accelerators(run),
        default=default_is_cpu and (prepared or says_its_default),
    )
    if asked is not None:
        found.requested, found.requested_line = asked
    xnnpack = next(
        (line for line, token in run.of("created") if token.values[0] == "XNNPACK"), None
    )
    if prepared or finished:
        _read_backend(run, found, xnnpack, silence_is_cpu=prepared and default_is_cpu)
    if finished:
        _read_fallback(run, found, xnnpack)
    return found


def _read_backend(
    run: RawRun, found: Delegation, xnnpack: int | None, *, silence_is_cpu: bool
) -> None:
    """What ran; the plain CPU where a tool that names its delegates named none."""
    if found.requested is not None and found.asks_accelerator:
        proof = _proof(run, found, found.requested)
        if proof is not None:
            found.backend, found.backend_line = found.requested, proof
            return
    own = [d for d in found.delegates if d.backend == "xnnpack"]
    line = xnnpack if xnnpack is not None else next((d.line for d in own), None)
    if line is not None and not any(d.execution == "none" for d in own):
        found.backend, found.backend_line = "xnnpack", line
        return
    refusal = _refusal(run, found) if found.asks_accelerator else None
    if refusal is not None or (silence_is_cpu and not found.asks_accelerator):
        found.backend = "cpu"
        found.backend_line = refusal[0] if refusal else None


def _proof(run: RawRun, found: Delegation, backend: str) -> int | None:
    """The line that says that nodes went to the accelerator, or None."""
    if backend == "gpu" and _built_nothing(run) is not None:
        return None
    taken = found.of(backend)
    if any(d.execution == "none" for d in taken):
        return None
    for delegate in taken:
        if delegate.execution is not None or (delegate.nodes or 0) > 0:
            return delegate.line
    if any(d.nodes == 0 for d in taken):
        return None
    if taken and run.of("applied"):
        # Builds of 2019 only say that the delegate was applied.
        return taken[0].line
    if backend == "gpu":
        for kind in ("kernels", "api"):
            for line, _ in run.of(kind):
                return line
    return None


def _built_nothing(run: RawRun) -> int | None:
    """The line that says that the GPU delegate built no kernels."""
    built = [(line, int(token.values[0] or 0)) for line, token in run.of("kernels")]
    return built[0][0] if built and not any(count for _, count in built) else None


def _refusal(run: RawRun, found: Delegation) -> Reason | None:
    """The line that says that the accelerator was not used at all."""
    backend = found.requested or ""
    for line, token in run.of("unavailable"):
        if backend_of(token.values[0] or "") == backend:
            return line, token.text
    if backend == "gpu":
        nothing = _built_nothing(run)
        if nothing is not None:
            return nothing, "the GPU delegate built no kernels"
    for delegate in found.of(backend):
        if delegate.execution == "none" or delegate.nodes == 0:
            return delegate.line, f"the {delegate.name} delegate took no operator"
    for line, token in run.of("plugins"):
        if backend == "npu" and token.values[0] == "0":
            return line, "no compiler plugin for the NPU could be applied"
    return None


def _read_fallback(run: RawRun, found: Delegation, xnnpack: int | None) -> None:
    """Why not all of the model ran where it was asked to."""
    requested = found.requested
    if requested is None or requested == "cpu":
        return
    if found.backend != requested:
        refusal = _refusal(run, found)
        if refusal is not None:
            found.fallback.append(refusal)
        elif found.backend is not None:
            said = f"nothing says that {requested} ran, and {found.backend} did"
            found.fallback.append((xnnpack, said))
        else:
            found.unproven = True
        return
    for delegate in found.of(requested):
        if _is_part(delegate):
            told = delegate.nodes is not None and delegate.total is not None
            counts = f"{delegate.nodes} of {delegate.total} operators" if told else "a part"
            found.fallback.append((delegate.line, f"{requested} ran {counts}"))
            return
    if found.fully_accelerated is False:
        line = run.of("accelerated")[-1][0]
        found.fallback.append((line, "the tool says that not all was accelerated"))
    elif found.refused and not any(d.execution == "all" for d in found.of(requested)):
        first = found.refused[0]
        found.fallback.append((first.line, f"{first.op} is not supported: {first.reason}"))


def _is_part(delegate: Delegate) -> bool:
    """Whether a delegate left something to others."""
    if delegate.execution == "part":
        return True
    if delegate.total is not None:
        return (delegate.nodes or 0) < delegate.total
    # Pieces beyond the one that was taken are someone else's.
    return delegate.execution is None and (delegate.partitions or 0) > 1
