"""Latency, verdict, challenge score: numbers in, numbers out, with the standard library alone."""

from bokehbench.analysis.challenge import CHALLENGE_C, final_score, format_score
from bokehbench.analysis.latency import summarize
from bokehbench.analysis.verdict import RULES, Rule, judge, status_of

__all__ = [
    "CHALLENGE_C",
    "RULES",
    "Rule",
    "final_score",
    "format_score",
    "judge",
    "status_of",
    "summarize",
]
