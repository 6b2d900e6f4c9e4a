"""Options that put one of Google's benchmark tools in the place of our runner."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bokehbench.errors import EngineError, EngineMissing, UsageError

if TYPE_CHECKING:
    from bokehbench.cli.connect import Connection
    from bokehbench.engines import Tool
    from bokehbench.session.request import ToolRequest

OWN = "bokehbench"
TOOL = "benchmark_model"
TOOL_BACKENDS = ("npu", "nnapi", "hexagon", "external")
"""What no engine of ours runs on."""

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ToolWords:
    """What was said about the runner."""

    runner: str
    flags: tuple[str, ...]
    delegate: str | None
    delegate_options: str | None


def make_tool(
    words: ToolWords, *, backend: str, engine: str | None, sustained_seconds: float
) -> "ToolRequest | None":
    """The tool that was asked for, or None for our own runner.

    Raises:
        UsageError: an option that the runner doesn't have, or one that it needs is missing.
    """
    from bokehbench.runners.benchmark_model import ToolOptions
    from bokehbench.session.request import ToolRequest

    name, given, path = words.runner.partition("=")
    if name not in (OWN, TOOL) or (given and (name == OWN or not path)):
        raise UsageError(f"--runner {words.runner}: give {OWN}, {TOOL} or {TOOL}=FILE")
    if name == OWN:
        if backend in TOOL_BACKENDS:
            raise UsageError(f"--backend {backend}: only with --runner {TOOL}")
        for option, value in (
            ("--runner-flag", words.flags),
            ("--delegate", words.delegate),
            ("--delegate-options", words.delegate_options),
        ):
            if value:
                raise UsageError(f"{option}: only with --runner {TOOL}")
        return None
    if engine is not None:
        raise UsageError(f"--engine {engine}: {TOOL} has its own inside")
    if sustained_seconds > 0:
        raise UsageError(f"--sustained: {TOOL} does not tell the times of its runs")
    if backend == "external" and not words.delegate:
        raise UsageError("--backend external: give the delegate's library with --delegate")
    if backend != "external" and (words.delegate or words.delegate_options):
        raise UsageError("--delegate: only with --backend external")
    for flag in words.flags:
        if not re.fullmatch(r"[A-Za-z]\w*(=[^\0]*)?", flag):
            raise UsageError(f"--runner-flag {flag}: not NAME=VALUE")
    return ToolRequest(
        Path(path) if path else None,
        ToolOptions(words.delegate, words.delegate_options, words.flags),
    )


def tool_for(connection: "Connection", path: Path | None, *, may_install: bool) -> "Tool":
    """The tool's file for a device: the user's own, or the installed one.

    Raises:
        UsageError: the user's file can't be read.
        EngineError: none is installed, or it was altered, or can't be installed.
    """
    from bokehbench.cli.downloads import Downloads, engines_root, find_routes
    from bokehbench.cli.output import note
    from bokehbench.engines import Tool, ensure_tool, file_sha256, find_tool

    if path is not None:
        if path.exists() and not path.is_file():
            raise UsageError(f"--runner {TOOL}={path}: is no file; give the program's own")
        try:
            sha256 = file_sha256(path)
        except OSError as error:
            raise UsageError(f"--runner {TOOL}={path}: {error.strerror}") from error
        return Tool(TOOL, f"custom-{sha256[:12]}", path, sha256, f"file {path.name}")
    facts, root = connection.device.facts, engines_root()
    try:
        return find_tool(TOOL, facts.platform, facts.abi, root=root)
    except EngineMissing:
        if not may_install:
            raise
    with Downloads() as downloads:
        try:
            tool = ensure_tool(
                TOOL,
                facts.platform,
                facts.abi,
                root=root,
                routes=find_routes(),
                progress=downloads.tell,
            )
        except EngineError as error:
            raise EngineError(f"{error}; or name a file with --runner {TOOL}=FILE") from error
    note(f"installed {TOOL} {tool.version} for {facts.platform} {facts.abi}")
    return tool


def tool_options(function: _F) -> _F:
    """What runs the model; arrives as `tool_words`."""

    @click.option(
        "--runner",
        default=OWN,
        show_default=True,
        metavar=f"{OWN}|{TOOL}[=FILE]",
        help="What runs the model: our own program, or Google's, installed or a file of yours.",
    )
    @click.option(
        "--runner-flag",
        "runner_flags",
        multiple=True,
        metavar="NAME=VALUE",
        help=f"One more flag for {TOOL}, such as nnapi_accelerator_name=NAME.",
    )
    @click.option(
        "--delegate",
        metavar="FILE",
        help="Library of an external delegate: a file here, or a path on the device.",
    )
    @click.option("--delegate-options", metavar="TEXT", help="What it is told: KEY:VALUE;KEY:VALUE")
    @wraps(function)
    def with_tool(
        *args: Any,
        runner: str,
        runner_flags: tuple[str, ...],
        delegate: str | None,
        delegate_options: str | None,
        **kwargs: Any,
    ) -> Any:
        words = ToolWords(runner, runner_flags, delegate, delegate_options)
        return function(*args, tool_words=words, **kwargs)

    return with_tool  # type: ignore[return-value]
