"""Who makes a trial: our runner in the shell, one of Google's tools there, or the app."""

from collections.abc import Callable, Mapping, Sequence

from bokehbench.facts import Trial, TrialSpec
from bokehbench.phone.app_launcher import run_app_images, run_app_timed
from bokehbench.phone.launcher import Bench, OnOutput, run_images, run_timed
from bokehbench.phone.launcher_tool import run_tool_images, run_tool_timed

Loaded = Mapping[int, Sequence[bytes | memoryview]]
"""Raw uint8 elements of every input tensor, by the image's index."""


def timed_by(bench: Bench) -> Callable[[Bench, TrialSpec], Trial]:
    """What makes a timed process; see launcher.run_timed."""
    if bench.app is not None:
        return run_app_timed
    return run_timed if bench.tool is None else run_tool_timed


def images_by(bench: Bench) -> Callable[[Bench, TrialSpec, Loaded, OnOutput], Trial]:
    """What makes a process over images; see launcher.run_images."""
    if bench.app is not None:
        return run_app_images
    return run_images if bench.tool is None else run_tool_images
