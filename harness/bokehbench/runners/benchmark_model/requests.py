"""Tokens of one run -> its flags, and which backend they ask for."""

import re
from typing import Final

from bokehbench.runners.benchmark_model.delegates import CPU_BACKENDS, Delegate
from bokehbench.runners.benchmark_model.runs import RawRun, is_command

_USE: Final = {
    "gpu": "gpu",
    "nnapi": "nnapi",
    "legacy nnapi": "nnapi",
    "hexagon": "hexagon",
    "coreml": "coreml",
    "core ml": "coreml",
    "xnnpack": "xnnpack",
    "npu": "npu",
    "cpu": "cpu",
}
"""What follows `Use` in the list of parameters -> backend; other delegates are `external`."""

_NO_DELEGATE: Final = frozenset({"caching"})
_LIBRARIES: Final = frozenset(
    {
        "external delegate path",
        "delegate path",
        "stable delegate settings file path",
        "stable delegate's settings file path",
    }
)
Asked = tuple[str, int | None]


def read_params(run: RawRun) -> dict[str, str]:
    """The parameters that the tool printed, by their labels in lower case."""
    params: dict[str, str] = {}
    for _, token in run.of("param"):
        label, value = token.values
        params.setdefault((label or "").strip().lower(), value or "")
    return params


def read_requested(
    run: RawRun, delegates: list[Delegate], accelerators: tuple[str, ...], *, default: bool
) -> Asked | None:
    """The backend that was asked for, and the line that tells.

    Flags come first, then a command line in the log, then what nobody gets without asking.

    Args:
        run: the tokens.
        delegates: those of the run.
        accelerators: LiteRT's own list of them.
        default: silence means the CPU.
    """
    asked, denied = _from_params(run)
    line = next(
        (at for kind in ("accelerators", "json_accelerator") for at, _ in run.of(kind)),
        run.first_line,
    )
    for name in accelerators:
        asked.setdefault(name.lower(), line)
    choice = _foremost(asked) or (("cpu", denied) if denied is not None else None)
    if choice is None:
        choice = _from_commands(run)
    if choice is None:
        choice = next(
            ((d.backend, d.line) for d in delegates if d.backend not in ("", *CPU_BACKENDS)), None
        )
    return choice or (("cpu", None) if default else None)


def read_accelerators(run: RawRun) -> tuple[str, ...]:
    """LiteRT's list of accelerators, from its log or from its result file."""
    for _, token in run.of("accelerators"):
        return tuple(re.findall(r"[A-Z]+", token.values[0] or ""))
    return tuple(dict.fromkeys(t.values[0] or "" for _, t in run.of("json_accelerator")))


def _from_params(run: RawRun) -> tuple[dict[str, int], int | None]:
    """Backends asked for with their lines, and the first line that declines one."""
    asked: dict[str, int] = {}
    denied: int | None = None
    for line, token in run.of("param"):
        label, value = (token.values[0] or "").strip().lower(), token.values[1] or ""
        name = label.removeprefix("use ").strip()
        if label in _LIBRARIES and value:
            asked.setdefault("external", line)
        elif label != name and name not in _NO_DELEGATE:
            if value in ("1", "true"):
                asked.setdefault(_USE.get(name, "external"), line)
            elif name in _USE and denied is None:
                denied = line
    return asked, denied


def _foremost(asked: dict[str, int]) -> Asked | None:
    """An accelerator before XNNPACK before the plain CPU."""
    for names in (set(asked) - CPU_BACKENDS, {"xnnpack"}, {"cpu"}):
        for name, line in asked.items():
            if name in names:
                return name, line
    return None


def _from_commands(run: RawRun) -> Asked | None:
    """What a command line asks for that was written into the log."""
    asked: dict[str, int] = {}
    for line, token in run.of("command"):
        if not is_command(token):
            continue
        name, value = token.values[0] or "", (token.values[1] or "").lower()
        if name == "external":
            asked.setdefault("external", line)
        elif not name:
            for accelerator in value.split(","):
                asked.setdefault(_USE.get(accelerator, "external"), line)
        elif name in _USE and name != "cpu" and value not in ("false", "0"):
            asked.setdefault(_USE[name], line)
    return _foremost(asked)
