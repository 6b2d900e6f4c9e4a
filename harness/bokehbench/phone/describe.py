"""What a device says it is: one script, and its output as DeviceFacts; pure."""

import re

from bokehbench.facts import DeviceFacts
from bokehbench.phone.identity import identified
from bokehbench.phone.output import key_values, meminfo, parse_getprop, sections, whole_number
from bokehbench.runners import android_abi

DESCRIBE_SCRIPT = r"""
echo "@uname"; uname -s; uname -r; uname -m; uname -n
echo "@getprop"; getprop 2>/dev/null
echo "@os-release"; cat /etc/os-release 2>/dev/null
echo "@cpuinfo"; head -n 400 /proc/cpuinfo 2>/dev/null
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
echo "@linker"; ls -d /system/bin/linker64 /system/bin/linker 2>/dev/null
echo "@identity"; id -u 2>/dev/null || echo
cat /sys/devices/soc0/machine 2>/dev/null || echo
command -v su 2>/dev/null || echo
if command -v dumpsys >/dev/null 2>&1; then
  echo "@gles"; dumpsys SurfaceFlinger 2>/dev/null | grep -m 1 "GLES: "
  echo "@vulkan"; cmd gpu vkjson 2>/dev/null | grep -m 2 -E '"(deviceName|driverVersion)"'
fi
true
"""
"""Everything that DeviceFacts needs, in one round trip."""

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


def parse_describe(text: str, address: str) -> DeviceFacts:
    """The output of DESCRIBE_SCRIPT as DeviceFacts; what is not said stays None."""
    part = sections(text)
    uname = part.get("uname", []) + [""] * 4
    props = parse_getprop(part.get("getprop", []))
    release = key_values(part.get("os-release", []))
    android = bool(part.get("linker")) and bool(props)
    model = [line.strip() for line in part.get("model", [])] + [""] * 3
    cores, khz = _cores(part.get("cores", []))
    abi = _abi(props, uname[2], part.get("linker", [])) if android else None
    facts = DeviceFacts(
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
        memory_bytes=meminfo(part.get("meminfo", [])).get("MemTotal"),
        gpu=_gpu(part.get("gpu", [])),
        os_name="Android" if android else release.get("NAME"),
        os_version=props.get("ro.build.version.release") or release.get("VERSION_ID"),
        kernel=uname[1] or None,
        fingerprint=props.get("ro.build.fingerprint"),
        emulator=_emulator(props) if android else None,
    )
    return identified(facts, part, props)


def describe_properties(text: str, address: str) -> DeviceFacts | None:
    """What properties alone tell: a saved `getprop`, or a build.prop of `name=value` lines.

    None where the text holds no property. The device is taken for Android.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    props = parse_getprop(lines)
    if not props:
        pairs = (line.split("=", 1) for line in lines if re.match(r"^[a-z][\w.-]*=", line))
        props = {name: value.strip() for name, value in pairs if "." in name}
    if not props:
        return None
    listed = f"{props.get('ro.product.cpu.abilist')} {props.get('ro.product.cpu.abi')}"
    linker = "linker64" if "64" in listed else "linker"
    said = [f"[{name}]: [{value}]" for name, value in props.items()]
    parts = ["@uname", "Linux", "", "", "", "@getprop", *said, "@linker", f"/system/bin/{linker}"]
    return parse_describe("\n".join(parts), address)


def _abi(props: dict[str, str], machine: str, linkers: list[str]) -> str:
    listed = props.get("ro.product.cpu.abilist") or props.get("ro.product.cpu.abi") or ""
    names = [name.strip() for name in listed.split(",") if name.strip()]
    return android_abi(names, machine, linker64="/system/bin/linker64" in linkers)


def _cores(lines: list[str]) -> tuple[int | None, tuple[int | None, ...]]:
    count = whole_number(lines[0]) if lines else None
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
