"""The story of one device's run: settle, run what the schedule says, journal, seal."""

from bokehbench.session.observer import Observer
from bokehbench.session.request import (
    HostMachine,
    ImageOptions,
    ModelInput,
    Prepared,
    RunRequest,
    prepare,
)
from bokehbench.session.run import RunOutcome, execute, new_id

__all__ = [
    "HostMachine",
    "ImageOptions",
    "ModelInput",
    "Observer",
    "Prepared",
    "RunOutcome",
    "RunRequest",
    "execute",
    "new_id",
    "prepare",
]
