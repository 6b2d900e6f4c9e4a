"""What a device's state is at one moment: one script, and its output as Readings; pure."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bokehbench.phone.dumpsys import (
    Battery,
    Thermal,
    headroom,
    parse_battery,
    parse_thermal,
    screen_on,
)
from bokehbench.phone.output import first_float, meminfo, sections, whole_number
from bokehbench.phone.sensors import TEMPERATURE, degrees, gpu_readings, specs
from bokehbench.profile import Sensor

UNPARSED_LINES = 40
UNPARSED_CHARACTERS = 200
"""Bounds of what is kept of lines that nothing here understands."""

HAL = "hal:"
"""Before the names of Android's own thermometers, which may be those of the kernel's zones."""

_BUSY = r"""
echo "@stat"; head -n 1 /proc/stat 2>/dev/null; sleep 0.1; head -n 1 /proc/stat 2>/dev/null
"""
_SCRIPT = r"""
echo "@loadavg"; cat /proc/loadavg 2>/dev/null
echo "@meminfo"; head -n 3 /proc/meminfo 2>/dev/null
echo "@temps"; for z in /sys/class/thermal/thermal_zone*; do
  [ -r "$z/temp" ] && echo "$(cat "$z/type" 2>/dev/null) $(cat "$z/temp" 2>/dev/null)"; done
for h in /sys/class/hwmon/hwmon*/temp1_input; do
  [ -r "$h" ] && echo "$(cat "${h%/*}/name" 2>/dev/null) $(cat "$h" 2>/dev/null)"; done
echo "@clocks"; for c in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq; do
  [ -r "$c" ] && echo "$c $(cat "$c" 2>/dev/null)"; done
echo "@battery"; for b in /sys/class/power_supply/*; do
  [ "$(cat "$b/type" 2>/dev/null)" = Battery ] && {
    echo "capacity $(cat "$b/capacity" 2>/dev/null)"
    echo "temp $(cat "$b/temp" 2>/dev/null)"
    echo "status $(cat "$b/status" 2>/dev/null)"; }; done
echo "@sensors"; seen=; for s in SENSORS; do
  k=${s%%=*}; case " $seen " in *" $k "*) continue ;; esac
  for p in ${s#*=}; do
    x=; { IFS= read -r x < "$p"; } 2>/dev/null
    [ -n "$x" ] && { echo "$k $p $x"; seen="$seen $k"; break; }; done; done
if command -v dumpsys >/dev/null 2>&1; then
  echo "@android"
  echo "@dumpsys battery"; dumpsys battery 2>&1
  echo "@dumpsys thermalservice"; dumpsys thermalservice 2>&1
  echo "@headroom"; cmd thermalservice headroom 0 2>/dev/null
  echo "@screen"; dumpsys power 2>/dev/null |
    grep -E "mWakefulness=|Display Power: state=" | head -n 8
  dumpsys display 2>/dev/null | grep -E "mScreenState=|mGlobalDisplayState=" | head -n 8
  echo "@low power"
  command -v settings >/dev/null 2>&1 && settings get global low_power 2>/dev/null
fi
true
"""

_PARTS = frozenset(
    {
        *("stat", "loadavg", "meminfo", "temps", "clocks", "battery", "sensors", "android"),
        *("dumpsys battery", "dumpsys thermalservice", "headroom", "screen", "low power"),
    }
)


def conditions_script(sensors: Sequence[Sensor] = (), *, busy: bool = False) -> str:
    """What Conditions are read from, in one round trip.

    How busy the CPU is takes a tenth of a second, and is looked at on demand alone.
    """
    words = " ".join(map(shlex.quote, specs(sensors).split()))
    return (_BUSY if busy else "") + _SCRIPT.replace("SENSORS", words)


@dataclass(frozen=True)
class Readings:
    """One look at a device's state; None or an absent key was not readable."""

    load_1m: float | None
    memory_available_bytes: int | None
    temperatures_celsius: dict[str, float]
    cpu_khz: tuple[int | None, ...]
    battery_percent: int | None
    battery_celsius: float | None
    plugged: bool | None
    unknown: tuple[str, ...] = field(default=())
    cpu_busy: float | None = None
    thermal_status: int | None = None
    thermal_override: bool | None = None
    thermal_thresholds: int | None = None
    thermal_headroom: float | None = None
    skin_celsius: float | None = None
    cooling_devices: dict[str, float] = field(default_factory=dict)
    gpu_khz: int | None = None
    gpu_max_khz: int | None = None
    gpu_load_percent: float | None = None
    screen_on: bool | None = None
    low_power_mode: bool | None = None
    unparsed: tuple[str, ...] = ()


def parse_conditions(text: str, sensors: Sequence[Sensor] = ()) -> Readings:
    """The output of `conditions_script`; `unknown` names what could not be read."""
    part = sections(text, _PARTS)
    android = "android" in part
    battery = parse_battery(part.get("dumpsys battery", []))
    thermal = parse_thermal(part.get("dumpsys thermalservice", []))
    percent, celsius, plugged = _battery(battery, part.get("battery", []))
    values, missing = gpu_readings(sensors, _sensor_lines(part.get("sensors", [])))
    temperatures = {
        **_temperatures(part.get("temps", [])),
        **{k.removeprefix(TEMPERATURE): v for k, v in values.items() if k.startswith(TEMPERATURE)},
        **{f"{HAL}{name}": value for name, value in thermal.temperatures_celsius.items()},
    }
    load = first_float(part.get("loadavg", []))
    memory = meminfo(part.get("meminfo", [])).get("MemAvailable")
    clocks, busy = _clocks(part.get("clocks", [])), _busy(part.get("stat", []))
    readings = {
        "load": load,
        "memory": memory,
        "temperatures": temperatures or None,
        "clocks": clocks or None,
        "battery": percent,
    }
    if "stat" in part:
        readings["cpu_busy"] = busy
    screen, saving = screen_on(part.get("screen", [])), _low_power(part.get("low power", []))
    of_android = {
        "thermal_status": thermal.status,
        "thermal_override": thermal.override,
        "battery_celsius": celsius,
        "screen_on": screen,
        "low_power_mode": saving,
    }
    return Readings(
        load_1m=load,
        memory_available_bytes=memory,
        temperatures_celsius=temperatures,
        cpu_khz=clocks,
        battery_percent=percent,
        battery_celsius=celsius,
        plugged=plugged,
        cpu_busy=busy,
        thermal_status=thermal.status,
        thermal_override=thermal.override,
        thermal_thresholds=thermal.thresholds,
        thermal_headroom=headroom(part.get("headroom", [])),
        skin_celsius=thermal.skin_celsius,
        cooling_devices=thermal.cooling_devices,
        gpu_khz=_whole(values.get("gpu_clock")),
        gpu_max_khz=_whole(values.get("gpu_max_clock")),
        gpu_load_percent=values.get("gpu_load"),
        screen_on=screen,
        low_power_mode=saving,
        unknown=(
            *(name for name, value in readings.items() if value is None),
            *(name for name, value in of_android.items() if android and value is None),
            *_doubts(thermal),
            *missing,
        ),
        unparsed=bounded((*battery.unparsed, *thermal.unparsed)),
    )


def bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """The first lines, each cut to a length: evidence that can't fill a store."""
    return tuple(line[:UNPARSED_CHARACTERS] for line in lines[:UNPARSED_LINES])


def _doubts(thermal: Thermal) -> list[str]:
    """What Android's thermal service can't tell, though it prints something."""
    doubts = [f"temperature {HAL}{name}" for name in thermal.dead[:UNPARSED_LINES]]
    if thermal.temperatures_celsius and not thermal.fresh:
        doubts.append("temperatures of this moment")
    if thermal.thresholds == 0:
        doubts.append("thermal_thresholds")
    return doubts


def _battery(said: Battery, lines: Sequence[str]) -> tuple[int | None, float | None, bool | None]:
    """Percent, degrees and whether it is plugged in; the kernel's word where Android has none."""
    found = dict(pieces for line in lines if len(pieces := line.split(" ", 1)) == 2)
    percent = said.percent
    if percent is None:
        capacity = whole_number(found.get("capacity"))
        percent = capacity if capacity is not None and 0 <= capacity <= 100 else None
    celsius = said.celsius
    if celsius is None:
        # In tenths of a degree (kernel Documentation/ABI/testing/sysfs-class-power).
        tenths = whole_number(found.get("temp"))
        celsius = None if not tenths else tenths / 10
    status = found.get("status", "").strip()
    kernel = None if not status or status == "Unknown" else status != "Discharging"
    return percent, celsius, kernel if said.plugged is None else said.plugged


def _busy(lines: Sequence[str]) -> float | None:
    """Busy share of all cores between two `cpu` lines of /proc/stat (kernel proc.rst)."""
    looks = []
    for line in lines:
        words = line.split()
        if words[:1] == ["cpu"] and all(word.isdigit() for word in words[1:]) and len(words) > 4:
            ticks = [int(word) for word in words[1:9]]
            looks.append((sum(ticks), ticks[3] + (ticks[4] if len(ticks) > 4 else 0)))
    if len(looks) < 2:
        return None
    total, idle = looks[-1][0] - looks[0][0], looks[-1][1] - looks[0][1]
    return round(min(1.0, max(0.0, 1 - idle / total)), 3) if total > 0 else None


def _clocks(lines: Sequence[str]) -> tuple[int | None, ...]:
    """kHz by core; None for a core that is off."""
    found: dict[int, int] = {}
    for line in lines:
        if match := re.match(r"^/sys/devices/system/cpu/cpu(\d+)/\S+ (\d+)\s*$", line):
            found[int(match[1])] = int(match[2])
    return tuple(found.get(core) for core in range(max(found) + 1)) if found else ()


def _sensor_lines(lines: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """`KEY PATH TEXT` lines as KEY -> (PATH, TEXT)."""
    found = {}
    for line in lines:
        pieces = line.split(" ", 2)
        if len(pieces) == 3:
            found[pieces[0]] = (pieces[1], pieces[2])
    return found


def _temperatures(lines: Sequence[str]) -> dict[str, float]:
    """`name number` lines; a name that comes again gets a number of its own."""
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        whole = whole_number(value)
        celsius = None if whole is None else degrees(whole)
        if celsius is None or not name:
            continue
        key, count = name, 2
        while key in found:
            key, count = f"{name}#{count}", count + 1
        found[key] = celsius
    return found


def _low_power(lines: Sequence[str]) -> bool | None:
    """`settings get global low_power`; it says `null` where nobody ever switched it on."""
    return {"1": True, "0": False, "null": False}.get((lines[0] if lines else "").strip())


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
