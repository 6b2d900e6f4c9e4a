"""What a device's state is at one moment: one script, and its output as Readings; pure."""

from dataclasses import dataclass, field

from bokehbench.phone.output import first_float, meminfo, sections, whole_number

CONDITIONS_SCRIPT = r"""
echo "@loadavg"; cat /proc/loadavg 2>/dev/null
echo "@meminfo"; head -n 3 /proc/meminfo 2>/dev/null
echo "@temps"; for z in /sys/class/thermal/thermal_zone*; do
  [ -r "$z/temp" ] && echo "$(cat "$z/type" 2>/dev/null) $(cat "$z/temp" 2>/dev/null)"; done
for h in /sys/class/hwmon/hwmon*/temp1_input; do
  [ -r "$h" ] && echo "$(cat "${h%/*}/name" 2>/dev/null) $(cat "$h" 2>/dev/null)"; done
echo "@clocks"; for c in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq; do
  [ -r "$c" ] && cat "$c" 2>/dev/null; done
echo "@battery"; for b in /sys/class/power_supply/*; do
  [ "$(cat "$b/type" 2>/dev/null)" = Battery ] && {
    echo "capacity $(cat "$b/capacity" 2>/dev/null)"
    echo "temp $(cat "$b/temp" 2>/dev/null)"
    echo "status $(cat "$b/status" 2>/dev/null)"; }; done
true
"""
"""What Conditions are read from, in one round trip."""


@dataclass(frozen=True)
class Readings:
    """One look at a device's state; None or an absent key was not readable."""

    load_1m: float | None
    memory_available_bytes: int | None
    temperatures_celsius: dict[str, float]
    cpu_khz: tuple[int, ...]
    battery_percent: int | None
    battery_celsius: float | None
    plugged: bool | None
    unknown: tuple[str, ...] = field(default=())


def parse_conditions(text: str) -> Readings:
    """The output of CONDITIONS_SCRIPT; `unknown` names what could not be read."""
    part = sections(text)
    load = first_float(part.get("loadavg", []))
    memory = meminfo(part.get("meminfo", [])).get("MemAvailable")
    temperatures = _temperatures(part.get("temps", []))
    clocks = tuple(int(line) for line in part.get("clocks", []) if line.strip().isdigit())
    battery = dict(
        pieces for line in part.get("battery", []) if len(pieces := line.split(" ", 1)) == 2
    )
    percent = whole_number(battery.get("capacity"))
    tenths = whole_number(battery.get("temp"))
    status = battery.get("status", "").strip()
    readings = {
        "load": load,
        "memory": memory,
        "temperatures": temperatures or None,
        "clocks": clocks or None,
        "battery": percent,
    }
    return Readings(
        load_1m=load,
        memory_available_bytes=memory,
        temperatures_celsius=temperatures,
        cpu_khz=clocks,
        battery_percent=percent,
        # power_supply/temp is in tenths of a degree (kernel Documentation/power).
        battery_celsius=None if tenths is None else tenths / 10,
        plugged=None if not status else status != "Discharging",
        unknown=tuple(name for name, value in readings.items() if value is None),
    )


def _temperatures(lines: list[str]) -> dict[str, float]:
    """`name millidegrees` lines; a name that comes again gets a number."""
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        number = whole_number(value)
        if number is None or not name:
            continue
        key, count = name, 2
        while key in found:
            key, count = f"{name}#{count}", count + 1
        found[key] = number / 1000
    return found
