"""What tells one device from another, from what it says of itself; pure."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from bokehbench.facts import DeviceFacts
from bokehbench.phone.output import whole_number

Sections = Mapping[str, Sequence[str]]


def identified(facts: DeviceFacts, part: Sections, props: Mapping[str, str]) -> DeviceFacts:
    """`facts` with what a profile is matched by, and with what can be done to the device.

    Args:
        part: the sections of DESCRIBE_SCRIPT's output.
        props: the device's properties.
    """
    android = facts.platform == "android"
    said = [line.strip() for line in part.get("identity", ())] + [""] * 3
    uid, has_su = whole_number(said[0]), bool(said[2])
    abilist = props.get("ro.product.cpu.abilist") or props.get("ro.product.cpu.abi", "")
    gles = gles_line(part.get("gles", ()))
    vulkan = vulkan_device(part.get("vulkan", ()))
    harmony = props.get("hw_sc.build.platform.version") or None
    return msgspec.structs.replace(
        facts,
        abis=tuple(name.strip() for name in abilist.split(",") if name.strip()),
        sdk=whole_number(props.get("ro.build.version.sdk")),
        soc_manufacturer=props.get("ro.soc.manufacturer") or None,
        soc_model=_told(props.get("ro.soc.model")),
        soc_machine=said[1] or None,
        board_platform=props.get("ro.board.platform") or None,
        hardware=props.get("ro.hardware") or None,
        chipname=props.get("ro.hardware.chipname") or props.get("ro.chipname") or None,
        cpu_hardware=_hardware(part.get("cpuinfo", ())),
        gles=gles,
        vulkan=vulkan,
        gpu=(gpu_name(gles, vulkan) or facts.gpu) if android else facts.gpu,
        harmony_version=harmony if android else None,
        os_name="HarmonyOS" if android and harmony else facts.os_name,
        os_version=harmony if android and harmony else facts.os_version,
        build_type=props.get("ro.build.type") or None,
        debuggable=_flag(props.get("ro.debuggable")),
        rooted=True if uid == 0 or has_su else False if android else None,
        uid=uid,
    )


def gles_line(lines: Sequence[str]) -> str | None:
    """`VENDOR, RENDERER, VERSION` from SurfaceFlinger's `GLES:` line."""
    for line in lines:
        # Newer versions print a heading `------RE GLES------`, which is none.
        if match := re.match(r"^\s*GLES:\s+(\S.*?)\s*$", line):
            return match[1]
    return None


def vulkan_device(lines: Sequence[str]) -> str | None:
    """Name and driver of the first device in `cmd gpu vkjson`'s output."""
    found: dict[str, str] = {}
    for line in lines:
        if match := re.match(r'^\s*"(\w+)"\s*:\s*"?([^",]*)"?,?\s*$', line):
            found.setdefault(match[1], match[2].strip())
    name = found.get("deviceName")
    if not name:
        return None
    driver = found.get("driverVersion")
    return f"{name}, driver {driver}" if driver else name


def gpu_name(gles: str | None, vulkan: str | None) -> str | None:
    """The GPU as its driver calls it: the renderer of OpenGL ES, else Vulkan's device."""
    if gles:
        # VENDOR, RENDERER, OpenGL ES ...; a renderer may have commas of its own.
        match = re.match(r"^[^,]*, (.+?)(?:, OpenGL ES\b.*)?$", gles)
        return match[1].strip() if match else gles
    return vulkan.split(", driver ")[0] if vulkan else None


def _told(text: str | None) -> str | None:
    """A value that says something; some builds fill in `unknown`."""
    return None if not text or text.lower() in ("unknown", "unspecified") else text


def _flag(text: str | None) -> bool | None:
    return {"1": True, "0": False}.get((text or "").strip())


def _hardware(lines: Sequence[str]) -> str | None:
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "Hardware" and value.strip():
            return value.strip()
    return None
