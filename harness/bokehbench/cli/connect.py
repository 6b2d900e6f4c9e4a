"""From the word after `--device` to a Device, its profile, its engine and its runner."""

from dataclasses import dataclass
from pathlib import Path

from bokehbench.engines import Engine, find_engine
from bokehbench.errors import DeviceError, UsageError
from bokehbench.phone.address import Address, parse_address
from bokehbench.phone.device import Device
from bokehbench.phone.transport import Transport
from bokehbench.profile import (
    DeviceProfile,
    builtin_folder,
    load_profiles,
    match_profile,
)
from bokehbench.runners import bundled_runner


@dataclass(frozen=True)
class Connection:
    """A device that answers, with all that a run needs to know about it."""

    device: Device
    profile: DeviceProfile


def local_root() -> Path:
    """The private folder that stands for a phone's /data/local/tmp/bokehbench."""
    import platformdirs

    return platformdirs.user_cache_path("bokehbench") / "local"


def connect(
    address: str | None, profile_name: str | None = None, adb_server: str | None = None
) -> Connection:
    """Reach a device and match its profile.

    Raises:
        UsageError: no device was named, or no profile has that name.
        DeviceError: there is no such device, or it does not answer.
    """
    if address is None:
        raise UsageError("no device given; `--device local` is this machine")
    device = Device.connect(open_transport(parse_address(address), adb_server))
    profiles = load_profiles(profile_folders())
    if profile_name is None:
        return Connection(device, match_profile(profiles, device.facts))
    if profile_name not in profiles:
        known = ", ".join(sorted(profiles))
        raise UsageError(f"--profile {profile_name}: unknown; known are: {known}")
    return Connection(device, profiles[profile_name])


def open_transport(address: Address, adb_server: str | None) -> Transport:
    """The link to a device; nothing is sent yet.

    Raises:
        DeviceError: this kind of link is not available.
    """
    if address.kind == "local":
        from bokehbench.phone.local import LocalTransport

        return LocalTransport(local_root())
    raise DeviceError(
        f"device {address.text}: unknown; `bokehbench devices` lists what can be used"
        + (f" ({adb_server})" if adb_server else "")
    )


def profile_folders() -> list[Path]:
    """The shipped profiles, then the user's own, which replace those of the same name."""
    import platformdirs

    return [builtin_folder(), platformdirs.user_config_path("bokehbench") / "profiles"]


def equip(connection: Connection, *, gpu: bool) -> tuple[Engine, tuple[str, Path]]:
    """The engine and the runner for a device.

    Raises:
        EngineError: one of them is missing here.
    """
    facts = connection.device.facts
    name = connection.profile.backends[0].engine
    engine = find_engine(name, facts.platform, facts.abi, gpu=gpu)
    return engine, bundled_runner(facts.platform, facts.abi)
