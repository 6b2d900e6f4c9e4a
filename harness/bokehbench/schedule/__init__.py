"""Which trial next, from the request and the results so far; pure."""

from bokehbench.schedule.next import (
    Progress,
    given_up,
    is_called_for,
    is_lost,
    next_trial,
    reference_group,
    trials_left,
)
from bokehbench.schedule.plan import (
    BackendRequest,
    Batch,
    CacheRequest,
    Choice,
    GpuSettings,
    Plan,
    PlannedRecord,
    PrecisionRequest,
    Settings,
    choose_backends,
    engine_for,
    make_plan,
    split_batches,
)

__all__ = [
    "BackendRequest",
    "Batch",
    "CacheRequest",
    "Choice",
    "GpuSettings",
    "Plan",
    "PlannedRecord",
    "PrecisionRequest",
    "Progress",
    "Settings",
    "choose_backends",
    "engine_for",
    "given_up",
    "is_called_for",
    "is_lost",
    "make_plan",
    "next_trial",
    "reference_group",
    "split_batches",
    "trials_left",
]
