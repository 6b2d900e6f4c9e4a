"""Google's benchmark tools as a runner: their logs read, their command lines written.

Covered: TensorFlow Lite's benchmark_model of 2018-2026, LiteRT's benchmark_model in C++ and in
Python, and run_model. Pure: bytes and words in, facts and argv out.
"""

from bokehbench.runners.benchmark_model.log import LogFile, ParsedLog, parse_log

__all__ = ["LogFile", "ParsedLog", "parse_log"]
