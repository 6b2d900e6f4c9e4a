"""What a device profile holds: every key with its meaning, as data."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from bokehbench.facts.trial import EngineBackend

MarkWord = Literal["verified", "unverified"]

PATH_PATTERN = r"^/(sys|proc)/[A-Za-z0-9_./*?:,@+-]+$"
"""Paths that a device's shell can be handed: no blank, no quote, nothing that it would run."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"

WORD_PATTERN = r"^[A-Za-z0-9_.-]+$"

Text = Annotated[str, Meta(min_length=1)]
Khz = Annotated[int, Meta(gt=0)]
Positive = Annotated[float, Meta(gt=0)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a profile whose facts are marked with where they come from.

    A mark names a source of `[sources]`: for each key, or one for all keys that the other
    mark does not name.
    """

    verified: Annotated[
        dict[str, str] | str, Meta(description="keys that were read in a source, and the source")
    ] = {}
    unverified: Annotated[
        dict[str, str] | str,
        Meta(description="keys that nobody has checked on such a device, and who says so"),
    ] = {}


class Match(Section, frozen=True, kw_only=True):
    """How a device is recognised.

    `platform`, `abi`, `model` and `device_id` have to hold where they are given. Of the others
    the first that both the profile and the device speak of decides, in the order of this table.
    """

    platform: Annotated[
        list[Literal["linux", "android"]], Meta(description="any of these; empty is any")
    ] = []
    abi: Annotated[list[Text], Meta(description="any of these; empty is any")] = []
    emulator: Annotated[bool, Meta(description="for emulators; other profiles never match one")] = (
        False
    )
    device_id: Annotated[list[Text], Meta(description="serial numbers of single devices")] = []
    model: Annotated[
        list[Text], Meta(description="`ro.product.model` or a board's name begins with it")
    ] = []
    soc_model: Annotated[list[Text], Meta(description="`ro.soc.model` (Android 12 and newer)")] = []
    soc_machine: Annotated[
        list[Text], Meta(description="`/sys/devices/soc0/machine` (Qualcomm)")
    ] = []
    board_platform: Annotated[
        list[Text], Meta(description="`ro.board.platform` begins with it")
    ] = []
    chipname: Annotated[
        list[Text], Meta(description="`ro.hardware.chipname` or `ro.chipname` begins with it")
    ] = []
    hardware: Annotated[list[Text], Meta(description="`ro.hardware` begins with it")] = []
    cpu_hardware: Annotated[
        list[Text], Meta(description="the `Hardware` line of `/proc/cpuinfo` has it")
    ] = []
    never: Annotated[
        list[Text],
        Meta(
            description="not where a name of SoC, platform, chip or hardware begins with it: "
            "that is another device"
        ),
    ] = []


class Cluster(Section, frozen=True, kw_only=True):
    """Cores of one kind."""

    cores: Annotated[int, Meta(gt=0, description="how many")]
    core: Annotated[Text | None, Meta(description="what they are called")] = None
    max_khz: Annotated[Khz | None, Meta(description="their highest clock")] = None


class Cpu(Section, frozen=True, kw_only=True):
    """The CPU, little cores first."""

    threads: Annotated[
        int, Meta(ge=1, le=256, description="CPU threads where `--threads` says nothing")
    ] = 1
    clusters: Annotated[list[Cluster], Meta(description="kinds of cores")] = []


class Gpu(Section, frozen=True, kw_only=True):
    """The GPU."""

    name: Annotated[Text | None, Meta(description="what it is called")] = None
    cores: Annotated[Annotated[int, Meta(gt=0)] | None, Meta(description="its cores")] = None
    max_khz: Annotated[Khz | None, Meta(description="its highest clock")] = None
    peak_fp16_gflops: Annotated[
        Positive | None, Meta(description="arithmetic of half precision at best")
    ] = None
    peak_fp32_gflops: Annotated[
        Positive | None, Meta(description="arithmetic of single precision at best")
    ] = None


class Memory(Section, frozen=True, kw_only=True):
    """Main memory, which CPU and GPU share."""

    bytes: Annotated[Annotated[int, Meta(gt=0)] | None, Meta(description="its size")] = None
    bandwidth_gbytes_per_second: Annotated[
        Positive | None, Meta(description="what it moves at best, 10^9 bytes a second")
    ] = None


class Sensor(Section, frozen=True, kw_only=True):
    """A file that shows a clock, a load or a temperature.

    Of several for one quantity (and name) the first counts that the device lets us read.
    """

    quantity: Annotated[
        Literal["gpu_clock", "gpu_max_clock", "gpu_load", "temperature"],
        Meta(description="what it shows"),
    ]
    path: Annotated[
        str,
        Meta(
            pattern=PATH_PATTERN,
            description="where; `*` stands for any one name, the first that fits",
        ),
    ]
    unit: Annotated[
        Literal["hz", "khz", "mhz", "clock", "percent", "busy_total", "celsius"],
        Meta(
            description="`clock` is hz, khz or mhz and told by its size, `busy_total` two numbers "
            "of which the load is the quotient, `celsius` degrees, tenths or thousandths, told by "
            "its size"
        ),
    ]
    field: Annotated[int, Meta(ge=1, le=64, description="which word of the first line")] = 1
    name: Annotated[
        Annotated[str, Meta(pattern=WORD_PATTERN)] | None,
        Meta(description="whose temperature"),
    ] = None


class ClockLock(Section, frozen=True, kw_only=True):
    """A file that `--lock-clocks` writes on a rooted device, and restores."""

    path: Annotated[
        str, Meta(pattern=PATH_PATTERN, description="what is written; `*` is each that fits")
    ]
    source: Annotated[
        str,
        Meta(
            pattern=WORD_PATTERN,
            description="the file in the same folder whose value is written to it",
        ),
    ]


class SettleTargets(Section, frozen=True, kw_only=True):
    """What a device has to come down to before a run, and how long that may take."""

    max_celsius: Annotated[float | None, Meta(description="of `sensor`")] = None
    sensor: Annotated[
        Text | None,
        Meta(
            description="`battery`, `skin` (what Android calls so), or a sensor's name; "
            "without it the hottest of all"
        ),
    ] = None
    max_thermal_status: Annotated[
        Annotated[int, Meta(ge=0, le=6)] | None,
        Meta(description="Android's, 0 is none; an overridden or missing one never meets it"),
    ] = None
    max_load: Annotated[Positive | None, Meta(description="load average of one minute")] = None
    max_cpu_busy: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(description="busy share of all cores, 0 to 1"),
    ] = None
    min_battery_percent: Annotated[
        Annotated[int, Meta(ge=0, le=100)] | None,
        Meta(description="below it a phone may switch off its big cores"),
    ] = None
    max_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)], Meta(description="how long to wait at most")
    ] = 300.0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to wait for."""
        targets = (
            self.max_celsius,
            self.max_thermal_status,
            self.max_load,
            self.max_cpu_busy,
            self.min_battery_percent,
        )
        return all(target is None for target in targets)


class BackendChoice(Section, frozen=True, kw_only=True):
    """A backend that `--backend auto` tries, in order, and why it stands there."""

    name: Annotated[EngineBackend, Meta(description="the backend")]
    engine: Annotated[Text, Meta(description="the inference library")]
    reason: Annotated[Text, Meta(description="why it stands at this place")]
    needs_gpu_node: Annotated[
        bool, Meta(description="leave it out where the device shows no GPU")
    ] = False


class Trouble(Section, frozen=True, kw_only=True):
    """Something that is known to go wrong on this device."""

    text: Annotated[Text, Meta(description="what goes wrong")]
    cure: Annotated[Text | None, Meta(description="what helps")] = None


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device, or one kind of device, as its TOML file tells."""

    name: Annotated[str, Meta(pattern=NAME_PATTERN, description="what `--profile` calls it")]
    title: Annotated[Text, Meta(description="what people call it")]
    match: Annotated[Match, Meta(description="how a device is recognised")]
    backends: Annotated[
        list[BackendChoice],
        Meta(min_length=1, description="what `--backend auto` tries, in order"),
    ]
    cpu: Annotated[Cpu, Meta(description="the CPU")] = Cpu()
    gpu: Annotated[Gpu, Meta(description="the GPU")] = Gpu()
    memory: Annotated[Memory, Meta(description="main memory")] = Memory()
    sensors: Annotated[
        list[Sensor], Meta(description="files that show clocks, load and heat during a run")
    ] = []
    settle: Annotated[SettleTargets, Meta(description="what to wait for before a run")] = (
        SettleTargets()
    )
    lock: Annotated[list[ClockLock], Meta(description="what `--lock-clocks` writes")] = []
    troubles: Annotated[list[Trouble], Meta(description="what is known to go wrong")] = []
    sources: Annotated[
        dict[str, str], Meta(description="where facts come from, by the names that marks use")
    ] = {}

    @property
    def threads(self) -> int:
        """CPU threads where the user says nothing."""
        return self.cpu.threads
