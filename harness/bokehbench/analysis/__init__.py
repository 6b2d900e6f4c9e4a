"""Latency, verdict, score, rank, opinion: numbers in, numbers out.

The standard library alone, but for resampling and raters, whose functions import numpy.
"""

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
