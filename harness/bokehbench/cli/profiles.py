"""`bokehbench profiles`: what is known about devices, from where, and which profile fits one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from bokehbench.cli.connect import profile_folders, reach
from bokehbench.cli.options import adb_option, profile_dir_option
from bokehbench.cli.output import to_json
from bokehbench.errors import ProfileError, UsageError
from bokehbench.profile import (
    Fact,
    Fit,
    Loaded,
    builtin_folder,
    explain_all,
    facts_of,
    load_folders,
    match_profile,
)
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.facts import DeviceFacts

GETPROP_LIMIT = 1 << 22

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group("profiles")
def command() -> None:
    """What is known about devices before they run, and where each fact comes from.

    Profiles of your own go to the user's configuration folder (see `profiles list`) or to a folder
    given with --profile-dir; one of the same name replaces a shipped one.
    """


@command.command("list")
@profile_dir_option
@json_option
def list_profiles(profile_dir: Path | None, as_json: bool) -> None:
    """List all profiles, with how many of their facts were read in a source."""
    folders = profile_folders(profile_dir)
    rows = [_row(loaded) for loaded in _sorted(load_folders(folders))]
    if as_json:
        document = {"folders": [str(folder) for folder in folders], "profiles": rows}
        click.echo(to_json(document), nl=False)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        marks = f"{row['verified']} verified, {row['unverified']} unverified"
        marks += f", {row['unmarked']} unmarked" if row["unmarked"] else ""
        own = "" if row["shipped"] else f"  {row['file']}"
        own += f" (replaces {row['replaces']})" if row["replaces"] else ""
        click.echo(clean(f"{row['name']:<{width}}  {row['title']}  [{marks}]{own}"))
    click.echo(clean(f"your own: {folders[1]}"))


@command.command("show")
@click.argument("name")
@profile_dir_option
@json_option
def show(name: str, profile_dir: Path | None, as_json: bool) -> None:
    """Print every fact of the profile NAME with its mark, then its sources.

    `verified` was read in that source; `unverified` was not, or not checked on such a device.
    """
    loaded = load_folders(profile_folders(profile_dir))
    if name not in loaded:
        raise UsageError(f"no profile {name}; known are: {', '.join(sorted(loaded))}")
    one = loaded[name]
    facts = _facts(one)
    if as_json:
        document = {
            **_row(one),
            "profile": msgspec.to_builtins(one.profile),
            "facts": [_fact_json(fact) for fact in facts],
        }
        click.echo(to_json(document), nl=False)
        return
    click.echo(clean(f"{one.profile.name}: {one.profile.title}"))
    click.echo(clean(f"file: {one.path}"))
    width = min(40, max((len(fact.path) for fact in facts), default=0))
    for fact in facts:
        mark = f"{fact.mark}: {fact.source}" if fact.mark else "unmarked"
        click.echo(clean(f"  {fact.path:<{width}}  {_shown(fact.value)}  [{mark}]"))
    click.echo("sources")
    for key, text in one.profile.sources.items():
        click.echo(clean(f"  {key}: {text}"))


@command.command("match")
@click.argument("address", required=False)
@click.option(
    "--getprop",
    "getprop",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A saved output of `adb shell getprop` instead of a device.",
)
@profile_dir_option
@adb_option
@json_option
def match(
    address: str | None,
    getprop: Path | None,
    profile_dir: Path | None,
    adb_server: str | None,
    as_json: bool,
) -> int:
    """Say which profile fits the device at ADDRESS, and why each other does not.

    ADDRESS is what `run --device` takes. Ends with exit code 2 when none fits, or several
    fit equally well.
    """
    if (address is None) == (getprop is None):
        raise UsageError("name a device, or a file with --getprop; one of the two")
    profiles = {n: one.profile for n, one in load_folders(profile_folders(profile_dir)).items()}
    facts = _described(getprop) if getprop is not None else _asked(address or "", adb_server)
    fits = explain_all(profiles, facts)
    chosen, problem = None, None
    try:
        chosen = match_profile(profiles, facts).name
    except ProfileError as error:
        problem = str(error)
    if as_json:
        document = {
            "device": msgspec.to_builtins(facts),
            "chosen": chosen,
            "problem": problem,
            "profiles": [_fit_json(fit) for fit in fits],
        }
        click.echo(to_json(document), nl=False)
        return 0 if chosen else 2
    width = max(len(fit.profile.name) for fit in fits)
    for fit in fits:
        word = "chosen" if fit.profile.name == chosen else "fits" if fit.matches else "no"
        click.echo(clean(f"{word:<6}  {fit.profile.name:<{width}}  {fit.why}"))
    if problem is not None:
        raise ProfileError(problem)
    return 0


def _asked(address: str, adb_server: str | None) -> "DeviceFacts":
    device = reach(address, adb_server)
    try:
        return device.facts
    finally:
        device.transport.close()


def _described(path: Path) -> "DeviceFacts":
    from bokehbench.phone.describe import describe_properties

    try:
        with open(path, "rb") as stream:
            text = stream.read(GETPROP_LIMIT).decode("utf-8-sig", "replace")
    except OSError as error:
        raise UsageError(f"--getprop {path}: can't be read: {error.strerror}") from error
    facts = describe_properties(text, str(path))
    if facts is None:
        raise UsageError(
            f"--getprop {path}: holds no properties; save it with `adb shell getprop > FILE`"
        )
    return facts


def _sorted(loaded: dict[str, Loaded]) -> list[Loaded]:
    return [loaded[name] for name in sorted(loaded)]


def _facts(loaded: Loaded) -> list[Fact]:
    return facts_of(loaded.path.read_text(encoding="utf-8-sig"), str(loaded.path))


def _row(loaded: Loaded) -> dict[str, Any]:
    marks = [fact.mark for fact in _facts(loaded)]
    return {
        "name": loaded.profile.name,
        "title": loaded.profile.title,
        "file": str(loaded.path),
        "shipped": loaded.path.parent == builtin_folder(),
        "replaces": str(loaded.replaces) if loaded.replaces else None,
        "verified": marks.count("verified"),
        "unverified": marks.count("unverified"),
        "unmarked": marks.count(None),
    }


def _fact_json(fact: Fact) -> dict[str, Any]:
    return {
        "path": fact.path,
        "value": fact.value,
        "mark": fact.mark,
        "source": fact.source,
        "source_text": fact.source_text,
    }


def _fit_json(fit: Fit) -> dict[str, Any]:
    return {"name": fit.profile.name, "fits": fit.matches, "why": fit.why}


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
