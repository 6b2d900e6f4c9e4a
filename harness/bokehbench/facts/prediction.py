"""What was predicted of a model on an engine before it ran, to be held against what it says."""

from typing import Literal

import msgspec

Outcome = Literal["whole", "partly", "none", "unknown"]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a model a delegate takes, by the rules, before anything was run.

    `delegate` is `xnnpack`, `tflite-gpu` or `litert-gpu`. `delegated_low` and `delegated_high`
    differ where rules leave operators unknown; `total_nodes` are all operators of the graph that
    runs. `partitions` is the number of parts that the delegate gets, None if unknown. `operators`
    says of each kind that is not taken for sure: how many, verdict, rule and reason.
    `roofline_ms` is the least time that the profile's GPU needs, None where no bound is known;
    `rules` is a hash over the rules that were asked.
    """

    delegate: str
    engine: str
    version: str
    outcome: Outcome
    delegated_low: int
    delegated_high: int
    total_nodes: int
    partitions: int | None = None
    operators: tuple[str, ...] = ()
    roofline_ms: float | None = None
    rules: str = ""
