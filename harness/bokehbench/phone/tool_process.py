"""One process of one of Google's benchmark tools on a device, from its flags to its log.

The log goes to a file on the device, and comes back with a hash, as everything does that decides
a number.
"""

import dataclasses
import posixpath
import shlex
from dataclasses import dataclass

from bokehbench.errors import EngineError
from bokehbench.facts import Failure, Trial, TrialSpec
from bokehbench.phone.bench import not_started
from bokehbench.phone.device import Device
from bokehbench.phone.launcher import Bench, kernel_folder, utc_now
from bokehbench.phone.process import run_program
from bokehbench.runners.benchmark_model import (
    Build,
    CantRun,
    NotAResult,
    ResultFile,
    ToolPaths,
    parse_log,
    read_result,
    read_usage,
    tool_argv,
    trial_of_log,
)
from bokehbench.runners.benchmark_model.result_file import MAX_BYTES
from bokehbench.runners.kernel_cache import NO_CACHE

LOG_LIMIT = 32 << 20
"""What is kept of a log; a run prints some 10 KiB, with profiles 1 MiB."""

OUTPUT_LIMIT = 1 << 30
PIPE_LIMIT = 1 << 16

HELP_SECONDS = 60.0


@dataclass(frozen=True)
class Ended:
    """One process: what it came to, what it said, and the bytes of its outputs."""

    trial: Trial
    log: bytes = b""
    output: bytes | None = None


def ask_build(device: Device, tool: str, what: str) -> Build:
    """The flags of a tool that lies on a device, by its own help.

    Args:
        tool: its path on the device.
        what: what the user calls it, for messages.

    Raises:
        EngineError: it can't be executed there, or is no benchmark tool.
    """
    # Help ends with an exit code of its own in every build.
    script = f"{_library_words(device, tool)}{shlex.quote(tool)} --help </dev/null 2>&1"
    result = device.shell(script, seconds=HELP_SECONDS)
    text = result.stdout.decode("utf-8", "replace")
    if result.exit_code in (126, 127) and "--" not in text:
        last = (text.strip().splitlines() or ["it can't be executed"])[-1]
        raise EngineError(
            f"{what}: {device.facts.address} can't execute it ({last[:200]}); give a program for "
            f"{device.facts.platform} {device.facts.abi} that may be executed (chmod +x)"
        )
    try:
        return read_usage(text)
    except EngineError as error:
        raise EngineError(f"{what}: {error}") from error


def run_process(bench: Bench, spec: TrialSpec, folder: str, paths: ToolPaths) -> Ended:
    """One process of the tool, to its end.

    Args:
        paths: of inputs and output; where the tool and the model are, the bench says.

    Raises:
        DeviceError: the device was lost, or what was written did not come whole.
    """
    assert bench.tool is not None
    build = bench.tool.build
    log_path, result_path = (posixpath.join(folder, name) for name in ("log", "result.pb"))
    cache_dir, token, cache = _cache(bench, spec)
    started = utc_now()
    try:
        argv = tool_argv(
            spec,
            bench.model,
            build,
            dataclasses.replace(
                paths,
                tool=bench.placed_runner.path,
                model=bench.placed_model.path,
                result=result_path,
                cache_dir=cache_dir,
                cache_token=token,
            ),
            bench.tool.options,
        )
    except CantRun as error:
        return Ended(not_started(spec, Failure(kind=error.kind, message=str(error)), started))
    # What an earlier process of this folder left is not this one's.
    bench.device.shell('rm -f "$@"', log_path, result_path, *filter(None, [paths.output]))
    started = utc_now()
    ended = run_program(
        bench.device,
        argv,
        folder,
        seconds=spec.deadline_seconds,
        library_path=_library_path(bench.device, bench.placed_runner.path),
        stop=bench.stop,
        sampler=bench.sampler if spec.mode == "time" else None,
        limit_bytes=PIPE_LIMIT,
        log=log_path,
    )
    log = (bench.device.fetch(log_path, LOG_LIMIT) or b"") + ended.stdout + ended.stderr
    parsed = parse_log(log, exit_code=ended.exit_code)
    if (version := parsed.last.runtime_version) is not None:
        bench.versions[:] = [version]
    trial = trial_of_log(
        spec,
        parsed,
        exit_code=ended.exit_code,
        timed_out=ended.timed_out,
        started=started,
        wall_ns=ended.wall_ns,
        log_sha256=bench.put_blob(log) if log and spec.mode == "time" else None,
        result=_result(bench, result_path) if ended.exit_code == 0 else None,
        cache=cache,
    )
    output = None
    if trial.status == "ok" and paths.output is not None:
        output = bench.device.fetch(paths.output, OUTPUT_LIMIT)
    return Ended(trial, log, output)


def _result(bench: Bench, path: str) -> ResultFile | None:
    """The result file, where the build wrote a whole one."""
    data = bench.device.fetch(path, MAX_BYTES)
    if not data:
        return None
    try:
        return read_result(data)
    except NotAResult:
        return None


def _cache(bench: Bench, spec: TrialSpec) -> tuple[str | None, str, str]:
    """Folder and token for compiled kernels, and whether there are any (`warm`).

    Raises:
        DeviceError: the folder can't be made or emptied.
    """
    folder, token = kernel_folder(bench, spec)
    if folder == NO_CACHE:
        return None, "", "none"
    script = 'ls -A "$1"'
    if spec.gpu.cache == "cold":
        script = f'rm -rf "$1" && mkdir -p "$1" && {script}'
    kept = bench.device.check_shell("can't ready a folder for kernels", script, folder)
    return folder, token, "warm" if kept.strip() else "cold"


def _library_path(device: Device, tool: str) -> str:
    """Beside the tool, where accelerators lie; Android's linker does not look there."""
    return posixpath.dirname(tool) if device.facts.platform == "android" else ""


def _library_words(device: Device, tool: str) -> str:
    path = _library_path(device, tool)
    return f"LD_LIBRARY_PATH={shlex.quote(path)} " if path else ""
