"""From the word after `--device` to a Device, its profile, its engine and its runner."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bokehbench.cli.downloads import Downloads, engines_root, find_routes
from bokehbench.cli.options import PROFILE_VARIABLE
from bokehbench.cli.output import note
from bokehbench.engines import Engine, ensure, find_engine
from bokehbench.errors import DeviceError, EngineError, EngineMissing, UsageError
from bokehbench.phone.address import (
    DEFAULT_ADB_SERVER,
    Address,
    host_and_port,
    host_port_text,
    parse_address,
)
from bokehbench.phone.device import Device
from bokehbench.phone.transport import Transport
from bokehbench.profile import (
    DeviceProfile,
    builtin_folder,
    load_profiles,
    match_profile,
)
from bokehbench.runners import bundled_runner, require_supported
from bokehbench.schedule import Choice


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
    address: str | None,
    profile_name: str | None = None,
    adb_server: str | None = None,
    profile_dir: Path | None = None,
) -> Connection:
    """Reach a device and match its profile.

    Raises:
        UsageError: no device was named, no profile has that name, or `adb_server` is not
            HOST:PORT, whether the device needs it or not.
        DeviceError: there is no such device, it does not answer, or no runner is built for it.
    """
    if address is None:
        raise UsageError(f"no device given; {_choices(adb_server)}")
    server_address(adb_server)
    # Wrong profiles are found before anything is asked of a device.
    profiles = load_profiles(profile_folders(profile_dir))
    if profile_name is not None and profile_name not in profiles:
        known = ", ".join(sorted(profiles))
        raise UsageError(f"--profile {profile_name}: unknown; known are: {known}")
    device = reach(address, adb_server)
    require_supported(device.facts.address, device.facts.platform, device.facts.abi)
    if profile_name is None:
        return Connection(device, match_profile(profiles, device.facts))
    return Connection(device, profiles[profile_name])


def reach(address: str, adb_server: str | None = None) -> Device:
    """A device that has described itself.

    Raises:
        UsageError: the address, or that of the adb server, is none.
        DeviceError: there is no such device, or it does not answer.
    """
    return Device.connect(open_transport(parse_address(address), adb_server))


def open_transport(address: Address, adb_server: str | None) -> Transport:
    """The link to a device; nothing is sent yet.

    Raises:
        UsageError: `adb_server` is not HOST:PORT.
        DeviceError: no adb server runs, and none can be started.
    """
    if address.kind == "local":
        from bokehbench.phone.limited import LimitedTransport
        from bokehbench.phone.local import LocalTransport

        return LimitedTransport(LocalTransport(local_root()), address_space=False)
    if address.kind == "server":
        from bokehbench.phone.server import ServerTransport

        host, port = server_address(adb_server)
        ensure_server(host, port)
        return ServerTransport(address.text, host=host, port=port)
    from bokehbench.phone.direct import DirectTransport

    text = address.text
    if address.kind == "tcp":
        text = f"tcp:{host_port_text(address.host, address.port)}"
    return DirectTransport(text)


def server_address(adb_server: str | None) -> tuple[str, int]:
    """Host and port of the adb server that `--adb-server` names.

    Raises:
        UsageError: it is not HOST:PORT.
    """
    if adb_server is None:
        return DEFAULT_ADB_SERVER
    return host_and_port(adb_server, DEFAULT_ADB_SERVER[1], f"--adb-server {adb_server}")


def ensure_server(host: str, port: int) -> None:
    """Start an adb server on this machine when none runs there and `adb` is on the PATH.

    Raises:
        DeviceError: none runs and none can be started; the message names the other ways.
    """
    import shutil

    from bokehbench.phone.server import AdbServer, server_version, start_server

    try:
        server_version(AdbServer(host, port))
    except DeviceError:
        if host not in ("127.0.0.1", "localhost", "::1") or shutil.which("adb") is None:
            raise
        start_server(port=port)


def _choices(adb_server: str | None) -> str:
    """What could be named instead of nothing."""
    from bokehbench.phone.server import list_devices

    try:
        serials = [device.serial for device in list_devices(*server_address(adb_server))]
    except DeviceError:
        serials = []
    if not serials:
        return "`--device local` is this machine"
    return f"name one with --device: {', '.join([*serials, 'local'])}"


def profile_folders(chosen: Path | None = None) -> list[Path]:
    """The shipped profiles, the user's own, and a chosen folder; later ones replace earlier ones.

    Raises:
        UsageError: the chosen folder, or the environment's, is none.
    """
    import platformdirs

    folders = [builtin_folder(), platformdirs.user_config_path("bokehbench") / "profiles"]
    if chosen is None and not os.environ.get(PROFILE_VARIABLE):
        return folders
    option = f"--profile-dir {chosen}" if chosen else PROFILE_VARIABLE
    folder = chosen or Path(os.environ[PROFILE_VARIABLE])
    if not folder.is_dir():
        raise UsageError(f"{option}: no such folder; name one that holds *.toml")
    return [*folders, folder]


def equip(connection: Connection, name: str, *, gpu: bool, may_install: bool = False) -> Engine:
    """One engine for a device, installed first where that is allowed.

    Raises:
        EngineError: it is missing here, or was altered, or can't be installed.
    """
    facts = connection.device.facts
    root = engines_root()
    try:
        return find_engine(name, facts.platform, facts.abi, gpu=gpu, root=root)
    except EngineMissing:
        if not may_install:
            raise
    with Downloads() as downloads:
        engine = ensure(
            name,
            facts.platform,
            facts.abi,
            gpu=gpu,
            root=root,
            routes=find_routes(),
            progress=downloads.tell,
        )
    note(f"installed engine {name} {engine.version} for {facts.platform} {facts.abi}")
    return engine


def equip_all(
    connection: Connection, choices: Sequence[Choice], *, optional: bool, may_install: bool
) -> tuple[dict[str, Engine], dict[str, str]]:
    """The engines of these choices by name, and why others are missing.

    A GPU accelerator is large: it goes to devices alone that will be asked for their GPU.

    Args:
        optional: an engine may be missing while another one is there.
        may_install: what is missing is installed first.

    Raises:
        EngineError: one is missing, or where they are optional, all of them.
    """
    engines: dict[str, Engine] = {}
    missing: dict[str, EngineError] = {}
    for name in dict.fromkeys(choice.engine for choice in choices):
        gpu = any(choice.backend == "gpu" for choice in choices if choice.engine == name)
        try:
            engines[name] = equip(connection, name, gpu=gpu, may_install=may_install)
        except EngineError as error:
            if not optional:
                raise
            missing[name] = error
    if missing and not engines:
        raise next(iter(missing.values()))
    return engines, {name: str(error) for name, error in missing.items()}


def runner_for(device: Device) -> tuple[str, Path]:
    """Target name and path of the native runner for a device.

    Raises:
        EngineError: this installation holds none for it.
    """
    return bundled_runner(device.facts.platform, device.facts.abi)
