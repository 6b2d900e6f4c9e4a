"""The closed list of findings: effect, threshold with its source, and advice."""

from dataclasses import dataclass
from typing import Literal

from bokehbench.analysis.latency import MIN_PROCESSES, MIN_SAMPLES
from bokehbench.analysis.reference import THROTTLE_RATIO

LOW_BATTERY_PERCENT = 25
UNSTABLE_SHARE = 0.05
DRIFT_RATIO = 1.05
MODES_DISTANCE = 4.0
MODES_RATIO = 1.05
MEMORY_BYTES_PER_SECOND = 100e9
FOREIGN_BUSY = 0.25
REFERENCE_PSNR = 40.0


@dataclass(frozen=True)
class Rule:
    """One entry of the closed list. `threshold` says when it applies, and after whom."""

    code: str
    effect: Literal["invalid", "provisional"]
    threshold: str
    advice: str


_RULES = (
    Rule(
        "trial_failed",
        "invalid",
        "no timed process succeeded",
        "read the failure; try another backend or precision",
    ),
    Rule(
        "no_gpu_proof",
        "invalid",
        "a process of the GPU, or of another accelerator, did not report one operator there "
        "(tensorflow#30313)",
        "use an engine that reports what it delegated",
    ),
    Rule(
        "fallback",
        "invalid",
        "the engine ran another backend than the one asked for",
        "ask for the backend that ran, or for an engine that has it",
    ),
    Rule(
        "backend_switched",
        "invalid",
        "processes of one record ran on different delegates, GPU interfaces or operator counts",
        "force one with --gpu-api; a median over two backends is the time of neither",
    ),
    Rule(
        "nan_output",
        "invalid",
        "one NaN or infinite value (tensorflow#48671)",
        "run with --precision fp32; check the model's ranges",
    ),
    Rule(
        "output_differs_from_reference",
        "invalid",
        f"an image below {REFERENCE_PSNR:g} dB against what this host's CPU makes of the same "
        "input; 16-bit floats alone stay above 50 dB",
        "the device computes something else: try --precision fp32, another engine or driver",
    ),
    Rule(
        "implausible_latency",
        "invalid",
        "a run shorter than moving its own inputs and outputs once at "
        f"{MEMORY_BYTES_PER_SECOND / 1e9:g} GB/s, which no phone's memory reaches (LiteRT#9453), "
        "or than the roofline of the profile's GPU; or a reference workload that took no time",
        "nobody waited for the GPU: use an engine whose output is read back",
    ),
    Rule(
        "no_image_scored",
        "invalid",
        "a dataset was given and no image has a score",
        "read why the images failed; check the dataset, the I/O spec and free space",
    ),
    Rule(
        "software_gpu",
        "provisional",
        "the adapter is a rasteriser on the CPU, by its name",
        "use a device with a real GPU, or --backend xnnpack",
    ),
    Rule(
        "app_disturbed",
        "provisional",
        "a process of the app was paused or lost the focus, and was discarded",
        "leave the device alone while it measures: no calls, no dialogs, the screen unlocked",
    ),
    Rule(
        "emulator",
        "provisional",
        "the device says that it is an emulator (androidx benchmark, Errors.kt)",
        "measure on a phone; emulators serve for smoke tests",
    ),
    Rule(
        "throttled",
        "provisional",
        f"the reference workload became slower by more than {THROTTLE_RATIO:g}x and the 99 % bound "
        "of its own noise, or Android's thermal status was LIGHT or worse, where LIGHT costs 30 % "
        "(androidx benchmark, ThrottleDetector.kt)",
        "let the device cool down, give it air, and run again",
    ),
    Rule(
        "thermal_override",
        "provisional",
        "the thermal status is set by hand, so it says nothing (IsStatusOverride)",
        "run `adb shell cmd thermalservice reset`",
    ),
    Rule(
        "not_settled",
        "provisional",
        "the profile's targets were not met before the cap",
        "cool the device down and run again",
    ),
    Rule(
        "low_battery",
        "provisional",
        f"below {LOW_BATTERY_PERCENT} %, or in power saving, phones switch big cores off, plugged "
        "in or not (androidx benchmark, Errors.kt)",
        "charge the device and leave power saving",
    ),
    Rule(
        "clocks_unlocked_rooted",
        "provisional",
        "the device is rooted and its clocks were left to themselves "
        "(androidx benchmark, Errors.kt)",
        "run with --lock-clocks, or on an unrooted device as users have it",
    ),
    Rule(
        "foreign_load",
        "provisional",
        f"more than {FOREIGN_BUSY:.0%} of all cores were busy before the run began",
        "stop what else runs on the device and run again",
    ),
    Rule(
        "mixed_conditions",
        "provisional",
        "power, screen or power saving changed in the course of the run",
        "keep the device plugged in and its screen as it is, and run again",
    ),
    Rule(
        "too_few_samples",
        "provisional",
        f"fewer than {MIN_PROCESSES} processes or {MIN_SAMPLES} samples "
        "(executorch#8603; MLPerf, LoadGen)",
        f"run {MIN_PROCESSES} processes or more with {MIN_SAMPLES} samples in all",
    ),
    Rule(
        "aggregates_only",
        "provisional",
        "a process of a tool that tells averages or medians of its runs, and not their times",
        "measure with bokehbench's own runner where it has the backend: nothing can be said of "
        "outliers, drift or two speeds without samples",
    ),
    Rule(
        "imported",
        "provisional",
        "made of a log that was measured elsewhere: model, device and conditions are what somebody "
        "said",
        "measure again with bokehbench to have it ranked",
    ),
    Rule(
        "unranked_protocol",
        "provisional",
        "the measurement protocol says that its results are never ranked",
        "run with --protocol challenge",
    ),
    Rule(
        "no_warmup",
        "provisional",
        "no run was a warm-up",
        "run with warm-ups: the first runs of a process are slow",
    ),
    Rule(
        "unstable_between_processes",
        "provisional",
        f"the interval of the median is wider than plus or minus {UNSTABLE_SHARE:.0%} "
        "(executorch#8603)",
        "run more processes, on a device that is cool and has nothing else to do",
    ),
    Rule(
        "drift_within_process",
        "provisional",
        f"the last third of most processes differs from the first by more than {DRIFT_RATIO:g}x",
        "warm up longer; if it slows down, let the device cool between processes",
    ),
    Rule(
        "bimodal",
        "provisional",
        f"two modes, each with a tenth of the samples, {MODES_RATIO:g}x apart with Ashman's D "
        f"above {MODES_DISTANCE:g}",
        "the device switches between two speeds: fix clocks or cores (--core-mask) and run again",
    ),
    Rule(
        "incomplete",
        "provisional",
        "the run was cut short, or processes or images failed, or too many of the reference "
        "workload to tell of throttling",
        "run again to the end; what was measured is kept",
    ),
    Rule(
        "outputs_differ_between_processes",
        "provisional",
        "one input, several outputs",
        "compare the outputs; a GPU that reorders sums may differ, a broken one does too",
    ),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _RULES}
