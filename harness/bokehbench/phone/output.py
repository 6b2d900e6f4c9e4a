"""Pure parsers of what a device prints about itself: /proc, /sys, os-release, getprop."""

import re
from dataclasses import dataclass, field

from bokehbench.facts import DeviceFacts

DESCRIBE_SCRIPT = r"""
echo "@uname"; uname -s; uname -r; uname -m; uname -n
echo "@getprop"; getprop 2>/dev/null
echo "@os-release"; cat /etc/os-release 2>/dev/null
echo "@cpuinfo"; head -c 16384 /proc/cpuinfo 2>/dev/null
echo "@meminfo"; head -n 3 /proc/meminfo 2>/dev/null
echo "@cores"; ls -d /sys/devices/system/cpu/cpu[0-9]* 2>/dev/null | wc -l
for c in /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq; do
  [ -r "$c" ] && echo "$c $(cat "$c" 2>/dev/null)"; done
echo "@model"; cat /sys/firmware/devicetree/base/model 2>/dev/null | tr -d '\000'; echo
cat /sys/class/dmi/id/sys_vendor 2>/dev/null || echo
cat /sys/class/dmi/id/product_name 2>/dev/null || echo
echo "@gpu"; for d in /sys/class/drm/renderD*/device; do
  [ -e "$d/vendor" ] && echo "$(cat "$d/vendor") $(cat "$d/device" 2>/dev/null)"; done
ls /dev/dri /dev/nvidia0 /dev/dxg /dev/mali0 /dev/kgsl-3d0 2>/dev/null
echo "@linker"; ls /system/bin/linker64 2>/dev/null
true
"""
"""Everything that DeviceFacts needs, in one round trip."""

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

_ABI_OF_MACHINE = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "armv7l": "armv7",
    "armv8l": "armv7",
}

_PCI_VENDORS = {
    "0x10de": "NVIDIA",
    "0x1002": "AMD",
    "0x8086": "Intel",
    "0x1af4": "virtio (virtual)",
    "0x1234": "QEMU (virtual)",
    "0x15ad": "VMware (virtual)",
}


def sections(text: str) -> dict[str, list[str]]:
    """Split the output of a script at its `@name` lines."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("@"):
            lines = found.setdefault(line[1:].strip(), [])
        else:
            lines.append(line)
    return found


def parse_getprop(lines: list[str]) -> dict[str, str]:
    """`[name]: [value]` lines as a mapping; other lines are passed over."""
    pattern = re.compile(r"^\[(?P<name>[^\]]+)\]: \[(?P<value>.*)\]\s*$")
    return {m["name"]: m["value"] for line in lines if (m := pattern.match(line))}


def parse_describe(text: str, address: str) -> DeviceFacts:
    """The output of DESCRIBE_SCRIPT as DeviceFacts; what is not said stays None."""
    part = sections(text)
    uname = part.get("uname", []) + [""] * 4
    props = parse_getprop(part.get("getprop", []))
    release = _key_values(part.get("os-release", []))
    android = bool(part.get("linker")) and bool(props)
    model = [line.strip() for line in part.get("model", [])] + [""] * 3
    cores, khz = _cores(part.get("cores", []))
    abi = props.get("ro.product.cpu.abi") if android else None
    return DeviceFacts(
        address=address,
        device_id=props.get("ro.serialno") or f"{address}:{uname[3]}",
        platform="android" if android else uname[0].lower() or "unknown",
        abi=abi or _ABI_OF_MACHINE.get(uname[2], uname[2] or "unknown"),
        manufacturer=props.get("ro.product.manufacturer") or model[1] or None,
        model=props.get("ro.product.model") or model[0] or model[2] or None,
        soc=props.get("ro.soc.model") or props.get("ro.board.platform"),
        cpu=_cpu_name(part.get("cpuinfo", [])),
        cores=cores,
        core_max_khz=khz,
        memory_bytes=_meminfo(part.get("meminfo", [])).get("MemTotal"),
        gpu=_gpu(part.get("gpu", [])),
        os_name="Android" if android else release.get("NAME"),
        os_version=props.get("ro.build.version.release") or release.get("VERSION_ID"),
        kernel=uname[1] or None,
        fingerprint=props.get("ro.build.fingerprint"),
        emulator=_emulator(props) if android else None,
    )


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
    load = _first_float(part.get("loadavg", []))
    memory = _meminfo(part.get("meminfo", [])).get("MemAvailable")
    temperatures = _temperatures(part.get("temps", []))
    clocks = tuple(int(line) for line in part.get("clocks", []) if line.strip().isdigit())
    battery = dict(
        pieces for line in part.get("battery", []) if len(pieces := line.split(" ", 1)) == 2
    )
    percent = _int(battery.get("capacity"))
    tenths = _int(battery.get("temp"))
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


def _key_values(lines: list[str]) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in lines if "=" in line)
    return {key: value.strip().strip('"') for key, value in pairs}


def _meminfo(lines: list[str]) -> dict[str, int]:
    """Bytes by name of /proc/meminfo, whose unit is kB."""
    pattern = re.compile(r"^(\w+):\s+(\d+) kB")
    return {m[1]: int(m[2]) * 1024 for line in lines if (m := pattern.match(line))}


def _cores(lines: list[str]) -> tuple[int | None, tuple[int | None, ...]]:
    count = _int(lines[0]) if lines else None
    khz: dict[int, int] = {}
    for line in lines[1:]:
        if match := re.match(r"^/sys/devices/system/cpu/cpu(\d+)/\S+ (\d+)$", line):
            khz[int(match[1])] = int(match[2])
    if not count:
        return None, ()
    return count, tuple(khz.get(core) for core in range(count)) if khz else ()


def _cpu_name(lines: list[str]) -> str | None:
    for key in ("model name", "Hardware", "CPU part"):
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key and value.strip():
                return value.strip()
    return None


def _gpu(lines: list[str]) -> str | None:
    """A name for the GPU whose device node exists; None when there is no node at all."""
    for line in lines:
        vendor, _, device = line.partition(" ")
        if vendor in _PCI_VENDORS:
            return f"{_PCI_VENDORS[vendor]} {device}".strip()
    for node in ("/dev/nvidia0", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"):
        if node in lines:
            return node
    if any(line.startswith("renderD") for line in lines):
        return "DRM render node"
    return None


def _emulator(props: dict[str, str]) -> bool:
    return (
        props.get("ro.hardware") == "ranchu"
        or props.get("ro.kernel.qemu") == "1"
        or props.get("ro.boot.qemu") == "1"
        or "emulator" in props.get("ro.build.characteristics", "")
    )


def _temperatures(lines: list[str]) -> dict[str, float]:
    """`name millidegrees` lines; a name that comes again gets a number."""
    found: dict[str, float] = {}
    for line in lines:
        name, _, value = line.rpartition(" ")
        number = _int(value)
        if number is None or not name:
            continue
        key, count = name, 2
        while key in found:
            key, count = f"{name}#{count}", count + 1
        found[key] = number / 1000
    return found


def _first_float(lines: list[str]) -> float | None:
    try:
        return float(lines[0].split()[0])
    except (IndexError, ValueError):
        return None


def _int(text: str | None) -> int | None:
    try:
        return int((text or "").strip())
    except ValueError:
        return None
