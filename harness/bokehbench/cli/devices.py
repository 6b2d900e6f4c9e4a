"""`bokehbench devices`: what can be measured on, and what keeps the others from it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from bokehbench.cli.connect import Connection, connect, server_address
from bokehbench.cli.options import adb_option
from bokehbench.cli.output import to_json
from bokehbench.errors import BokehbenchError, DeviceError
from bokehbench.facts import DeviceFacts
from bokehbench.text import clean


@dataclass(frozen=True)
class Found:
    """One device: what it says about itself, or its state and what to do about it."""

    address: str
    state: str
    facts: DeviceFacts | None = None
    advice: str | None = None


@click.command("devices")
@adb_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(adb_server: str | None, as_json: bool) -> None:
    """List this machine and the devices of the adb server, with their state.

    A device that can't be used says what to do about it. Devices that need no server are
    reached by `--device tcp:HOST:PORT` or `--device usb[:SERIAL]`; they are not searched for.
    """
    found, remark = find_devices(adb_server)
    if as_json:
        rows = [_json(device) for device in found]
        click.echo(to_json({"devices": rows, "adb_server": remark}), nl=False)
        return
    for device in found:
        click.echo(describe(device))
    if remark is not None:
        click.echo(clean(f"adb: {remark}"))


def find_devices(adb_server: str | None) -> tuple[list[Found], str | None]:
    """This machine, the adb server's devices, and what is to be said of the server itself."""
    from bokehbench.decoding import prepare
    from bokehbench.phone.server import list_devices
    from bokehbench.profile import DeviceProfile

    try:
        listed = list_devices(*server_address(adb_server))
        remark = None if listed else "the server knows no devices"
    except DeviceError as error:
        listed, remark = [], str(error)
    states = {"local": "device", **{device.serial: device.state for device in listed}}
    prepare(DeviceProfile)
    with ThreadPoolExecutor(len(states)) as pool:
        found = list(pool.map(lambda name: _look(name, states[name], adb_server), states))
    return found, remark


def _look(address: str, state: str, adb_server: str | None) -> Found:
    """Ask one device; a device that fails says so and holds up no other."""
    from bokehbench.phone.adb_server_text import advice_for

    if state != "device":
        return Found(address, state, advice=advice_for(state))
    try:
        connection: Connection = connect(address, None, adb_server)
    except BokehbenchError as error:
        return Found(address, "unusable", advice=str(error))
    facts = msgspec.structs.replace(connection.device.facts, profile=connection.profile.name)
    return Found(address, "ready", facts)


def _json(device: Found) -> dict[str, Any]:
    facts = msgspec.to_builtins(device.facts) if device.facts else {}
    return {**facts, "address": device.address, "state": device.state, "advice": device.advice}


def describe(device: Found) -> str:
    """A device in a few lines; `unknown` where it does not say."""
    facts = device.facts
    if facts is None:
        return (
            clean(f"{device.address}")
            + f"\n  state    {clean(device.state)}: "
            + clean(device.advice or "can't be used")
        )
    memory = f"{facts.memory_bytes / 2**30:.1f} GiB" if facts.memory_bytes else None
    rows = {
        "state": device.state,
        "system": " ".join(filter(None, (facts.os_name, facts.os_version))) or None,
        "model": " ".join(filter(None, (facts.manufacturer, facts.model))) or None,
        "SoC": " ".join(filter(None, (facts.soc_manufacturer, facts.soc_model or facts.soc))),
        "build": build_of(facts),
        "ABI": f"{facts.platform} {facts.abi}",
        "CPU": f"{facts.cpu or 'unknown'} ({facts.cores or '?'} cores)",
        "GPU": facts.gpu or "none seen",
        "memory": memory,
        "profile": facts.profile,
    }
    if facts.platform != "android":
        del rows["SoC"], rows["build"]
    lines = [f"  {name:<8} {clean(value or 'unknown')}" for name, value in rows.items()]
    return "\n".join([clean(facts.address), *lines])


def build_of(facts: DeviceFacts) -> str:
    """The build's type, and what makes its numbers those of no ordinary phone."""
    flags = {
        "emulator": facts.emulator,
        "rooted": facts.rooted,
        "debuggable": facts.debuggable,
    }
    return ", ".join([facts.build_type or "unknown", *(name for name in flags if flags[name])])
