"""`bokehbench replay`: derive a record anew from its stored evidence, without a device."""

from typing import TYPE_CHECKING, Any

import click

from bokehbench.cli.measure import json_sink
from bokehbench.cli.options import store_option
from bokehbench.cli.output import note, to_json
from bokehbench.cli.select import by_todays_rules
from bokehbench.cli.summary import summary
from bokehbench.text import clean, counted

if TYPE_CHECKING:
    from bokehbench.facts import Derived

REPLAY_FORMAT = "bokehbench-replay/1"


@click.command("replay")
@click.argument("record")
@store_option
@click.option("--update", is_flag=True, help="Store what today's rules make of it.")
@click.option("--json", "json_target", metavar="PATH|-", help="Write the differences as JSON.")
def command(record: str, store: str | None, update: bool, json_target: str | None) -> int:
    """Rebuild every derived value of a RECORD, and say what differs under today's rules.

    Raw event streams that were kept are parsed again and compared with the evidence; exit code 1
    says that one is unlike it. The seal is checked first: a record that was altered is refused.
    """
    from bokehbench.derive import derive
    from bokehbench.session.replay import reparse
    from bokehbench.store import open_store

    # Refused where there is none: opening it for writing would make it.
    open_store(store, readonly=True).close()
    with (
        json_sink(json_target) as sink,
        open_store(store, readonly=not update, derive=derive) as opened,
    ):
        stored = opened.get(record)
        fresh = by_todays_rules(stored)
        now = fresh.derived
        changes = differences(stored.derived, now)
        parsed, unlike = reparse(stored.evidence, opened.find_blob)
        if update and stored.seal is None:
            note(f"{stored.record_id}: not finished, so nothing was stored; resume its run")
        elif update:
            opened.update_derived(stored.record_id, now)
        if sink is not None:
            sink.write(
                to_json(
                    {
                        "format": REPLAY_FORMAT,
                        "record_id": stored.record_id,
                        "rules": {"stored": stored.derived.rules, "today": now.rules},
                        "changes": {
                            key: {"stored": old, "today": new}
                            for key, (old, new) in changes.items()
                        },
                        "event_streams": parsed,
                        "event_streams_unlike": unlike,
                    }
                )
            )
        if sink is None or not sink.is_screen:
            click.echo(summary(fresh))
            _tell(stored.derived.rules, now.rules, changes, parsed, unlike)
    return 1 if unlike else 0


def _tell(
    before: str,
    now: str,
    changes: dict[str, tuple[Any, Any]],
    parsed: int,
    unlike: list[str],
) -> None:
    click.echo(f"rules {before} when it was stored, {now} today")
    for key, (old, new) in changes.items():
        click.echo(f"  {clean(key)}: {clean(str(old))} -> {clean(str(new))}")
    if not changes:
        click.echo("  nothing differs")
    click.echo(f"{counted(parsed, 'event stream')} parsed again, {len(unlike)} unlike the evidence")
    for line in unlike:
        click.echo(f"  {clean(line)}")


def differences(before: "Derived", now: "Derived") -> dict[str, tuple[Any, Any]]:
    """Derived values that are not the same: dotted name -> (stored, today's)."""
    import msgspec

    old, new = _flat(msgspec.to_builtins(before)), _flat(msgspec.to_builtins(now))
    names = [name for name in {**old, **new} if name != "rules"]
    return {
        name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, item in value.items():
            found |= _flat(item, f"{prefix}.{key}" if prefix else key)
        return found
    return {prefix: value}
