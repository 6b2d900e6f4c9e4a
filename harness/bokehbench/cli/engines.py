"""`bokehbench engines`: which inference engines and tools are here, and getting more."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from bokehbench.cli.downloads import (
    RELEASE_VARIABLE,
    ROOT_VARIABLE,
    SETTINGS_VARIABLE,
    Downloads,
    engines_root,
    find_routes,
)
from bokehbench.cli.options import FiniteRange
from bokehbench.cli.output import note, to_json
from bokehbench.errors import UsageError
from bokehbench.text import clean

if TYPE_CHECKING:
    from bokehbench.engines.depot import Depot
    from bokehbench.engines.install import Outcome
    from bokehbench.engines.inventory import Entry

_F = TypeVar("_F", bound=Callable[..., Any])

DEFAULT_ABI = {"android": "arm64-v8a", "linux": "aarch64"}
MIB = 2**20

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    envvar=ROOT_VARIABLE,
    help="Where engines are kept.  [default: the user's own cache]",
)
platform_option = click.option(
    "--platform", type=click.Choice(["android", "linux"]), help="The device's system."
)
seconds_option = click.option(
    "--seconds",
    type=FiniteRange(1, 86_400),
    default=600,
    show_default=True,
    help="Deadline of the whole command.",
)


def json_option(function: _F) -> _F:
    """`--json`, the same for all of them."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(
        function
    )


@click.group("engines")
def command() -> None:
    """List, install, check and remove inference engines and tools for devices.

    `run` installs what a device needs; these commands do it beforehand, with other versions,
    or from files on a machine without network.
    """


@command.command("list")
@folder_option
@json_option
def list_engines(folder: Path | None, as_json: bool) -> None:
    """List what is installed, whether it can be used, and what could be installed.

    Every file is hashed and compared with what it has to be.
    """
    from bokehbench.engines.depot import Depot
    from bokehbench.engines.inventory import all_entries, offers

    root = _root(folder)
    entries = all_entries(Depot(root))
    available = offers()
    if as_json:
        document = {
            "folder": str(root),
            "engines": [_json(entry) for entry in entries],
            "available": [msgspec.to_builtins(offer) for offer in available],
        }
        click.echo(to_json(document), nl=False)
        return
    for entry in entries:
        click.echo(_describe(entry))
    here = {(entry.name, entry.platform, entry.abi) for entry in entries}
    rest = [offer for offer in available if (offer.name, offer.platform, offer.abi) not in here]
    click.echo("not installed:")
    for offer in rest:
        version = offer.version or "yours"
        click.echo(f"  {offer.name:<16} {version:<15} {offer.command}")


@command.command("install")
@click.argument("name")
@click.option("--version", metavar="V", default="", help="Another version than the usual one.")
@platform_option
@click.option(
    "--abi",
    "abis",
    multiple=True,
    metavar="ABI",
    help="The device's ABI, again for more.  [default: arm64-v8a, for Linux aarch64]",
)
@click.option(
    "--from",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An AAR, wheel, zip, library or program in place of the network; again for more.",
)
@click.option(
    "--maven-settings",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    envvar=SETTINGS_VARIABLE,
    help="Maven's settings file.  [default: this machine's]",
)
@click.option(
    "--release-url",
    metavar="URL",
    envvar=RELEASE_VARIABLE,
    help="A copy of Google's folder of LiteRT releases.  [default: Google's]",
)
@seconds_option
@folder_option
@json_option
def install_engine(
    name: str,
    version: str,
    platform: str | None,
    abis: tuple[str, ...],
    files: tuple[Path, ...],
    maven_settings: Path | None,
    release_url: str | None,
    seconds: float,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Install the engine or tool NAME for a device and make it the one in use.

    tflite and litert are engines, benchmark_model is Google's tool. What is there already and
    unaltered is not fetched again; what was altered is replaced.
    """
    from bokehbench.engines.depot import Depot
    from bokehbench.engines.effort import Effort
    from bokehbench.engines.install import Wanted, install

    chosen = platform or ("linux" if "aarch64" in abis else "android")
    depot = Depot(_root(folder))
    routes = find_routes(maven_settings, release_url)
    outcomes: list[Outcome] = []
    try:
        with Downloads() as downloads:
            effort = Effort.of(seconds, downloads.tell)
            for abi in dict.fromkeys(abis or (DEFAULT_ABI[chosen],)):
                wanted = Wanted(name, chosen, abi, version, files)
                outcomes.append(install(wanted, depot, routes, effort))
    finally:
        # Those before the one that failed are installed: say so.
        entries = [_entry_of(outcome, depot) for outcome in outcomes]
        for outcome, entry in zip(outcomes, entries, strict=True):
            for remark in outcome.remarks:
                note(f"warning: {remark}")
            if not as_json:
                state = "was there" if outcome.was_there else "installed"
                click.echo(f"{state}: {_describe(entry)}")
    if as_json:
        documents = [
            _json(entry) | {"was_there": outcome.was_there}
            for outcome, entry in zip(outcomes, entries, strict=True)
        ]
        click.echo(to_json({"engines": documents}), nl=False)


def _entry_of(outcome: "Outcome", depot: "Depot") -> "Entry":
    from bokehbench.engines.inventory import installed_entries

    manifest = outcome.installed.manifest
    [entry] = installed_entries(
        depot, manifest.name, manifest.platform, manifest.abi, manifest.version
    )
    return entry


@command.command("check")
@click.argument("name", required=False, default="")
@folder_option
@json_option
def check_engines(name: str, folder: Path | None, as_json: bool) -> int:
    """Check what is installed: hashes, ABI, exported functions.

    Ends with exit code 4 when something can't be used.
    """
    from bokehbench.engines.depot import Depot
    from bokehbench.engines.inventory import all_entries, examine

    entries = all_entries(Depot(_root(folder)), name)
    if name and not entries:
        raise UsageError(f"{name}: not installed; `bokehbench engines list` shows what is")
    found = [(entry, examine(entry)) for entry in entries]
    if as_json:
        rows = [_json(entry) | {"problems": problems} for entry, problems in found]
        click.echo(to_json({"engines": rows, "ok": not any(p for _, p in found)}), nl=False)
    for entry, problems in () if as_json else found:
        title = f"{entry.name} {entry.version} for {entry.platform} {entry.abi}"
        click.echo(clean(f"{'bad' if problems else 'ok':<4} {title}"))
        for problem in problems:
            click.echo(clean(f"     {problem}; `{entry.cure}`"))
    return 4 if any(problems for _, problems in found) else 0


@command.command("remove")
@click.argument("name")
@click.option("--version", metavar="V", default="", help="Only this version.")
@platform_option
@click.option("--abi", default="", metavar="ABI", help="Only for this ABI.")
@click.option("--forget", is_flag=True, help="Forget the hashes that were seen first, too.")
@seconds_option
@folder_option
def remove_engine(
    name: str,
    version: str,
    platform: str | None,
    abi: str,
    forget: bool,
    seconds: float,
    folder: Path | None,
) -> None:
    """Remove installed versions of NAME: all, or those the options name.

    The hashes of versions that the catalog does not know are kept, so that the same version
    installed again has to be the same bytes; --forget drops them.
    """
    from bokehbench.engines.depot import Depot
    from bokehbench.engines.effort import Effort
    from bokehbench.engines.inventory import remove

    gone = remove(
        Depot(_root(folder)),
        name,
        Effort.of(seconds),
        platform=platform or "",
        abi=abi,
        version=version,
        forget=forget,
    )
    for entry in gone:
        click.echo(f"removed: {entry.name} {entry.version} for {entry.platform} {entry.abi}")
    if forget and not gone:
        click.echo(f"forgotten: the hashes of {clean(' '.join(filter(None, (name, version))))}")


def _root(folder: Path | None) -> Path:
    """The folder of engines that was named, or the user's own.

    Raises:
        UsageError: it is a file.
    """
    if folder is not None and folder.exists() and not folder.is_dir():
        raise UsageError(f"--folder {folder}: is no folder; name one, it is made where it is none")
    return folder or engines_root()


def _json(entry: "Entry") -> dict[str, Any]:
    manifest: dict[str, Any] = msgspec.to_builtins(entry.manifest) if entry.manifest else {}
    manifest.pop("format", None)
    return {
        **manifest,
        "name": entry.name,
        "platform": entry.platform,
        "abi": entry.abi,
        "version": entry.version,
        "folder": entry.folder,
        "in_use": entry.in_use,
        "usable": not entry.problems,
        "problems": list(entry.problems),
        "cure": entry.cure if entry.problems else None,
    }


def _describe(entry: "Entry") -> str:
    use = ", in use" if entry.in_use else ""
    lines = [f"{entry.name} {entry.version} for {entry.platform} {entry.abi}{use}"]
    manifest = entry.manifest
    if manifest is not None:
        how = ", ".join(filter(None, (manifest.trust, manifest.installed[:10])))
        lines.append(f"  {'from':<12} {manifest.source} ({how})")
        for file in manifest.files:
            size = f"{file.size_bytes / MIB:.1f} MiB"
            lines.append(f"  {file.role:<12} {file.name}, {size}, sha256 {file.sha256}")
    for problem in entry.problems:
        lines.append(f"  can't be used: {problem}; `{entry.cure}`")
    return "\n".join(clean(line) for line in lines)
