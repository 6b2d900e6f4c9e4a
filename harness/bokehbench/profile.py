"""device_profiles/*.toml -> DeviceProfile: what is known about a device before it runs."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from bokehbench.errors import ProfileError
from bokehbench.facts import DeviceFacts


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a device is recognised; an empty list matches any device."""

    platform: list[str] = []
    abi: list[str] = []


class BackendChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A backend that `--backend auto` tries, in order, and why it stands there."""

    name: Literal["gpu", "xnnpack", "cpu"]
    engine: str
    reason: str
    needs_gpu_node: bool = False


class SettleTargets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a device has to come down to before a run, and how long that may take."""

    max_celsius: float | None = None
    sensor: str | None = None
    max_load: float | None = None
    max_seconds: float = 300.0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.max_celsius is None and self.max_load is None


class DeviceProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One device, or one kind of device, as its TOML file tells."""

    name: str
    title: str
    match: Match
    backends: list[BackendChoice]
    settle: SettleTargets = SettleTargets()
    threads: int = 1
    notes: list[str] = []


def load_profile(path: Path) -> DeviceProfile:
    """Read one profile.

    Raises:
        ProfileError: not TOML, an unknown key, or a value of the wrong kind.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), DeviceProfile)
    except OSError as error:
        raise ProfileError(f"{path}: can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ProfileError(f"{path}: {error}; see docs/profiles.md for the keys") from error


def builtin_folder() -> Path:
    """Where the shipped profiles are: inside the wheel, or beside a checkout's harness/."""
    package = Path(__file__).resolve().parent
    shipped = package / "_device_profiles"
    return shipped if shipped.is_dir() else package.parents[1] / "device_profiles"


def load_profiles(folders: Iterable[Path]) -> dict[str, DeviceProfile]:
    """All profiles by name; a later folder's profile replaces an earlier one of its name."""
    found: dict[str, DeviceProfile] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            profile = load_profile(path)
            found[profile.name] = profile
    return found


def match_profile(profiles: dict[str, DeviceProfile], facts: DeviceFacts) -> DeviceProfile:
    """The profile that says most about this device.

    Raises:
        ProfileError: none fits.
    """

    def fits(allowed: list[str], value: str) -> bool:
        return not allowed or value in allowed

    candidates = [
        profile
        for profile in profiles.values()
        if fits(profile.match.platform, facts.platform) and fits(profile.match.abi, facts.abi)
    ]
    if not candidates:
        raise ProfileError(
            f"{facts.address}: no profile for platform {facts.platform}, ABI {facts.abi}"
        )
    return max(candidates, key=lambda p: (bool(p.match.abi), bool(p.match.platform), p.name))
