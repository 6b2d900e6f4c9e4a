"""What can run a model on a device: pure text and argv, and where our runner's builds are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bokehbench.errors import DeviceError, EngineError

SUPPORTED: Final[Mapping[str, tuple[str, ...]]] = {
    "android": ("arm64-v8a", "x86_64"),
    "linux": ("x86_64", "aarch64"),
}
"""ABIs that the runner is built for, by platform."""

_ANDROID_ABI_OF_MACHINE: Final[Mapping[str, str]] = {
    "aarch64": "arm64-v8a",
    # What a 64-bit kernel says to a 32-bit shell.
    "armv8l": "arm64-v8a",
    "x86_64": "x86_64",
}


def android_abi(listed: Sequence[str], machine: str, *, linker64: bool) -> str:
    """The ABI of the runner that an Android device gets.

    Args:
        listed: `ro.product.cpu.abilist`, best first. It may name ABIs that are only translated,
            or, on a system that was put together by hand, another machine's.
        machine: what `uname -m` says.
        linker64: whether the system has a linker of 64-bit programs. Only that, with the
            kernel's word on the machine, says what really starts.

    Returns:
        One of SUPPORTED where there is one, else the first of the list.
    """
    own = _ANDROID_ABI_OF_MACHINE.get(machine)
    if linker64:
        candidates = ([own] if own else []) + list(listed)
        for abi in candidates:
            if abi in SUPPORTED["android"]:
                return abi
        return candidates[0] if candidates else machine or "unknown"
    narrow = [abi for abi in listed if abi not in SUPPORTED["android"]]
    return narrow[0] if narrow else f"32-bit {machine}".strip()


def require_supported(address: str, platform: str, abi: str) -> None:
    """Refuse a device that no runner is built for.

    Raises:
        DeviceError: it names the ABI and the supported ones.
    """
    if abi in SUPPORTED.get(platform, ()):
        return
    known = "; ".join(f"{name} {', '.join(abis)}" for name, abis in SUPPORTED.items())
    raise DeviceError(
        f"{address}: {platform} {abi} is not supported: the runner is built for {known}"
    )


def bundled_runner(platform: str, abi: str) -> tuple[str, Path]:
    """Target name and path of the runner built for a platform and ABI.

    Raises:
        EngineError: this installation holds no runner for it.
    """
    target = f"{platform}-{abi}"
    folder = Path(__file__).resolve().parent.parent / "_runners"
    path = folder / target / "runner"
    if not path.is_file():
        have = ", ".join(sorted(p.parent.name for p in folder.glob("*/runner"))) or "none"
        raise EngineError(
            f"no native runner for {target} in this installation (built: {have}); "
            "reinstall with `pip install .`, which compiles it"
        )
    return target, path
