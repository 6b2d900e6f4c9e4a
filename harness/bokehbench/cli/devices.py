"""`bokehbench devices`: what can be measured on."""

import click
import msgspec

from bokehbench.cli.connect import connect
from bokehbench.cli.output import clean, to_json
from bokehbench.facts import DeviceFacts


@click.command("devices")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(as_json: bool) -> None:
    """List the devices that can be used, with what they say about themselves.

    `local` is this machine. Phones over adb are not reached by this version.
    """
    connection = connect("local", None)
    facts = msgspec.structs.replace(connection.device.facts, profile=connection.profile.name)
    if as_json:
        click.echo(to_json({"devices": [msgspec.to_builtins(facts)]}), nl=False)
        return
    click.echo(describe(facts))


def describe(facts: DeviceFacts) -> str:
    """A device in a few lines; `unknown` where it does not say."""
    memory = f"{facts.memory_bytes / 2**30:.1f} GiB" if facts.memory_bytes else None
    rows = {
        "state": "ready",
        "system": " ".join(filter(None, (facts.os_name, facts.os_version))) or None,
        "model": " ".join(filter(None, (facts.manufacturer, facts.model))) or None,
        "ABI": f"{facts.platform} {facts.abi}",
        "CPU": f"{facts.cpu or 'unknown'} ({facts.cores or '?'} cores)",
        "GPU": facts.gpu or "none seen",
        "memory": memory,
        "profile": facts.profile,
    }
    lines = [f"  {name:<8} {clean(value or 'unknown')}" for name, value in rows.items()]
    return "\n".join([clean(facts.address), *lines])
