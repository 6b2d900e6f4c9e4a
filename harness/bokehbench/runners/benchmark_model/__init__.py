"""Google's benchmark tools as a runner: their logs read, their command lines written.

Covered: TensorFlow Lite's benchmark_model of 2018-2026, LiteRT's benchmark_model in C++ and in
Python, and run_model. Pure: bytes and words in, facts and argv out.
"""

from bokehbench.runners.benchmark_model.argv import (
    TOOL,
    Build,
    CantRun,
    ToolOptions,
    ToolPaths,
    ToolSetup,
    check_request,
    read_usage,
    tool_argv,
)
from bokehbench.runners.benchmark_model.log import LogFile, ParsedLog, parse_log
from bokehbench.runners.benchmark_model.result_file import NotAResult, ResultFile, read_result
from bokehbench.runners.benchmark_model.trial import aggregate_of, report_of, trial_of_log

__all__ = [
    "TOOL",
    "Build",
    "CantRun",
    "LogFile",
    "NotAResult",
    "ParsedLog",
    "ResultFile",
    "ToolOptions",
    "ToolPaths",
    "ToolSetup",
    "aggregate_of",
    "check_request",
    "parse_log",
    "read_result",
    "read_usage",
    "report_of",
    "tool_argv",
    "trial_of_log",
]
