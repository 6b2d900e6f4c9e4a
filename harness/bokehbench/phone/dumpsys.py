"""Texts of `dumpsys battery`, `thermalservice` and `power` -> what they say; pure.

The formats are AOSP's (BatteryService, ThermalManagerService and PowerManagerService, Android 7
to 16); vendors add lines, which are kept as they are.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from bokehbench.phone.output import whole_number

HOTTEST_PLAUSIBLE = 150.0
COLDEST_PLAUSIBLE = -40.0
"""A sensor that shows more or less is switched off, or none: -99.9, -274, 1000..."""

SKIN = 3
"""Temperature.TYPE_SKIN: what a hand feels, and what Android throttles by."""

_POWERED = ("AC powered", "USB powered", "Wireless powered", "Dock powered")
_NOT_NEEDED = frozenset(
    {
        "Max charging current",
        "Max charging voltage",
        "Charge counter",
        "Charge time remaining",
        "Charging state",
        "Charging policy",
        "Capacity level",
        "status",
        "health",
        "present",
        "voltage",
        "technology",
    }
)
"""AOSP's own keys of `dumpsys battery` that say nothing which a record keeps."""


@dataclass(frozen=True)
class Battery:
    """What BatteryService says; None is "it does not say", or "someone set it by hand"."""

    percent: int | None = None
    celsius: float | None = None
    plugged: bool | None = None
    unparsed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Thermal:
    """What ThermalManagerService says. Temperatures by name; `skin_celsius` is the hottest skin.

    `thresholds` counts sensors for which the device publishes a limit, None on versions that
    do not say; `fresh` tells readings of the moment from the service's memory of the last event.
    """

    status: int | None = None
    override: bool | None = None
    thresholds: int | None = None
    temperatures_celsius: dict[str, float] = field(default_factory=dict)
    skin_celsius: float | None = None
    fresh: bool = False
    cooling_devices: dict[str, float] = field(default_factory=dict)
    dead: tuple[str, ...] = ()
    unparsed: tuple[str, ...] = ()


def parse_battery(lines: Sequence[str]) -> Battery:
    """The output of `dumpsys battery`."""
    found: dict[str, str] = {}
    unparsed: list[str] = []
    ours = False
    for line in lines:
        text = line.strip()
        if text == "Current Battery Service state:":
            ours = True
            continue
        match = re.match(r"^\s+([^:]+):\s*(.*?)\s*$", line)
        if not text:
            continue
        # Some vendors append logs of their own, in which the same keys come again.
        if not ours or match is None or not line[:1].isspace():
            ours = ours and line[:1].isspace()
            unparsed.append(text)
        elif match[1] in (*_POWERED, "level", "scale", "temperature"):
            found.setdefault(match[1], match[2])
        elif match[1] not in _NOT_NEEDED:
            unparsed.append(text)
    if any("UPDATES STOPPED" in line for line in unparsed):
        # `dumpsys battery set` or `unplug` was used: the values are what someone typed.
        return Battery(unparsed=tuple(unparsed))
    level, scale = whole_number(found.get("level")), whole_number(found.get("scale")) or 100
    tenths = whole_number(found.get("temperature"))
    celsius = None if tenths is None else tenths / 10
    powered = [found[key] == "true" for key in _POWERED if key in found]
    return Battery(
        percent=round(100 * level / scale) if level is not None and 0 <= level <= scale else None,
        celsius=celsius if plausible(celsius) else None,
        plugged=any(powered) if powered else None,
        unparsed=tuple(unparsed),
    )


_ITEM = re.compile(
    r"^\s*Temperature\{mValue=(?P<value>\S+), mType=(?P<type>-?\d+), "
    r"mName=(?P<name>.*), mStatus=-?\d+\}\s*$"
)
_COOLING = re.compile(
    r"^\s*CoolingDevice\{mValue=(?P<value>\S+), mType=-?\d+, mName=(?P<name>.*)\}\s*$"
)
_THRESHOLD = re.compile(
    r"^\s*TemperatureThreshold\{.*mHotThrottlingThresholds=\[(?P<hot>[^\]]*)\].*\}\s*$"
)
_BORING = re.compile(
    r"^(\s+(callbacks|killed|broadcasts count): .*"
    r"|ThermalEventListeners:|ThermalStatusListeners:|ThermalHeadroomListeners:"
    r"|HAL connection:|\s+.*ThermalHAL.* connected: .*|\s+.* connected: (yes|no)"
    r"|Temperature headroom thresholds:|\[[-0-9.,\sNaE]*\])$"
)
"""Lines that are known and say nothing which a record keeps."""

_SECTIONS = {
    "Cached temperatures:": "cached",
    "Current temperatures from HAL:": "current",
    "Current cooling devices from HAL:": "cooling",
    "Temperature static thresholds from HAL:": "thresholds",
}


def parse_thermal(lines: Sequence[str]) -> Thermal:
    """The output of `dumpsys thermalservice`."""
    values: dict[str, str] = {}
    readings: dict[str, list[tuple[str, int, float | None]]] = {"cached": [], "current": []}
    cooling: dict[str, float] = {}
    thresholds: int | None = None
    unparsed: list[str] = []
    section = ""
    for line in lines:
        text = line.rstrip()
        if not text:
            continue
        if text in _SECTIONS:
            section = _SECTIONS[text]
            thresholds = 0 if section == "thresholds" else thresholds
        elif match := re.match(r"^(IsStatusOverride|Thermal Status|HAL Ready): (\S+)$", text):
            values.setdefault(match[1], match[2])
        elif (match := _ITEM.match(text)) and section in readings:
            readings[section].append((match["name"], int(match["type"]), number(match["value"])))
        elif match := _COOLING.match(text):
            cooling[match["name"]] = number(match["value"]) or 0.0
        elif match := _THRESHOLD.match(text):
            limits = [number(word) for word in match["hot"].split(",")]
            thresholds = (thresholds or 0) + any(limit is not None for limit in limits)
        elif not _BORING.match(text):
            unparsed.append(text.strip())
    items = readings["current"] or readings["cached"]
    alive = [(name, kind, value) for name, kind, value in items if plausible(value)]
    skins = [value for _, kind, value in alive if kind == SKIN and value is not None]
    # Without its HAL the service says status 0 of a device that it knows nothing about.
    ready = values.get("HAL Ready") != "false"
    return Thermal(
        status=whole_number(values.get("Thermal Status")) if ready else None,
        override={"true": True, "false": False}.get(values.get("IsStatusOverride", "")),
        thresholds=thresholds,
        temperatures_celsius={name: value for name, _, value in alive if value is not None},
        skin_celsius=max(skins, default=None),
        fresh=bool(readings["current"]),
        cooling_devices={name: value for name, value in cooling.items() if value > 0},
        dead=tuple(name for name, _, value in items if not plausible(value)),
        unparsed=tuple(unparsed),
    )


def headroom(lines: Sequence[str]) -> float | None:
    """`cmd thermalservice headroom` (Android 14 and newer); NaN is "not known"."""
    for line in lines:
        if match := re.search(r"(?:^|[:\s])(-?\d+(?:\.\d+)?(?:E-?\d+)?)\s*$", line):
            return number(match[1])
    return None


def screen_on(lines: Sequence[str]) -> bool | None:
    """Whether the display shines, from lines of `dumpsys power` and `dumpsys display`."""
    patterns = (
        r"Display Power: state=(\w+)",
        r"\bm(?:GlobalDisplay|Screen)State=(\w+)",
        r"\bmWakefulness=(\w+)",
    )
    for pattern in patterns:
        for line in lines:
            if match := re.search(pattern, line):
                # DOZE and VR are neither; a dozing display computes next to nothing.
                return match[1].upper() in ("ON", "AWAKE", "VR", "ON_SUSPEND")
    return None


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def plausible(celsius: float | None) -> bool:
    """Whether a thermometer may show this; exactly 0 is what dead ones show."""
    return celsius is not None and celsius != 0 and COLDEST_PLAUSIBLE < celsius < HOTTEST_PLAUSIBLE
