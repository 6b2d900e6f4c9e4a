"""What is installed, whether it can be used, what could be installed, and taking it away."""

import platform as host
from dataclasses import dataclass
from pathlib import Path

from bokehbench.engines.catalog import Item, catalog, find_item, install_command
from bokehbench.engines.depot import Depot, Installed, InstalledFile, Manifest
from bokehbench.engines.effort import Effort
from bokehbench.engines.elf import check_elf
from bokehbench.engines.files import file_sha256
from bokehbench.engines.find import of_this_python, reinstall_command
from bokehbench.engines.gather import default_version
from bokehbench.engines.lockfile import lock_key
from bokehbench.errors import EngineError, UsageError


@dataclass(frozen=True)
class Entry:
    """One installed version. `manifest` is None where it can't be read; no `problems`: usable."""

    name: str
    platform: str
    abi: str
    version: str
    folder: str
    in_use: bool
    manifest: Manifest | None
    problems: tuple[str, ...]
    cure: str


@dataclass(frozen=True)
class Offer:
    """What could be installed: an item for one platform and ABI."""

    name: str
    platform: str
    abi: str
    title: str
    version: str
    source: str
    pinned: bool
    command: str


def installed_entries(
    depot: Depot, name: str = "", platform: str = "", abi: str = "", version: str = ""
) -> list[Entry]:
    """All that is installed, or what fits the words that are not empty; every file is hashed."""
    wanted = (name, platform, abi, version)
    return [
        _entry(depot, *key)
        for key in depot.entries()
        if all(word in ("", part) for word, part in zip(wanted, key, strict=True))
    ]


def all_entries(depot: Depot, name: str = "") -> list[Entry]:
    """All that is installed, and the engines of the wheels beside bokehbench."""
    found = installed_entries(depot, name)
    here = {(entry.name, entry.platform, entry.abi) for entry in found}
    own = [
        _of_this_python(item, host.machine())
        for item in catalog().items
        if item.source == "wheel" and name in ("", item.name) and host.machine() in item.abis
    ]
    return [
        *found,
        *(one for one in own if one and (one.name, one.platform, one.abi) not in here),
    ]


def _of_this_python(item: Item, abi: str) -> Entry | None:
    """The engine that pip put beside bokehbench, as an entry."""
    try:
        engine = of_this_python(item, abi, gpu=True)
    except EngineError:
        return None
    if engine is None:
        return None
    paths = {engine.library.name: engine.library, **{p.name: p for p in engine.accelerators}}
    pinned = engine.version in catalog().pinned_versions(item)
    manifest = Manifest(
        name=item.name,
        version=engine.version,
        platform=item.platform,
        abi=abi,
        source=f"{item.package} of this Python",
        trust="pinned" if pinned else "pip",
        installed="",
        files=[
            InstalledFile(
                name=known.name,
                role=known.role,
                sha256=file_sha256(paths[known.name]),
                size_bytes=paths[known.name].stat().st_size,
            )
            for known in item.files
            if known.name in paths
        ],
    )
    installed = Installed(manifest, engine.library.parent, True)
    cure = f"pip install --force-reinstall {item.package}=={engine.version}"
    return Entry(
        item.name,
        item.platform,
        abi,
        engine.version,
        str(installed.folder),
        True,
        manifest,
        tuple(installed.problems()),
        cure,
    )


def _entry(depot: Depot, name: str, platform: str, abi: str, version: str) -> Entry:
    folder = depot.shelf(name, platform, abi) / version
    command = install_command(name, platform, abi, version)
    try:
        found = depot.find(name, platform, abi, version)
        if found is None:
            raise EngineError(f"{folder}: gone while it was looked at")
        problems = tuple(found.problems())
        cure, manifest, in_use = reinstall_command(found.manifest), found.manifest, found.in_use
    except EngineError as error:
        problems, cure, manifest, in_use = (str(error),), command, None, False
    return Entry(name, platform, abi, version, str(folder), in_use, manifest, problems, cure)


def examine(entry: Entry) -> list[str]:
    """Problems of an entry, its ELF files read anew as at installation."""
    found = list(entry.problems)
    if found or entry.manifest is None:
        return found
    exports = {
        known.name: catalog().exports.get(known.functions, [])
        for known in find_item(entry.name, entry.platform, entry.abi).files
    }
    for file in entry.manifest.files:
        path = Path(entry.folder) / file.name
        try:
            check_elf(
                path,
                str(path),
                platform=entry.platform,
                abi=entry.abi,
                role=file.role,
                functions=exports.get(file.name, []),
            )
        except EngineError as error:
            found.append(str(error))
    return found


def offers() -> list[Offer]:
    """Everything in the catalog, one entry an item, platform and ABI."""
    return [_offer(item, abi) for item in catalog().items for abi in item.abis]


def _offer(item: Item, abi: str) -> Offer:
    version = default_version(item)
    place = item.place(version)
    command = install_command(item.name, item.platform, abi)
    source: str = item.source
    if item.source == "release" and (place is None or abi not in place.folders):
        # Elsewhere under another name, or nowhere.
        channel = next((c for c, moved in item.moved.items() if abi in moved.folders), "")
        version, source = channel, "release" if channel else "file"
        command += f" --version {channel}" if channel else ""
    if source == "file":
        command += f" --from {item.main.name}"
    pinned = version in catalog().pinned_versions(item)
    return Offer(item.name, item.platform, abi, item.title, version, source, pinned, command)


def remove(
    depot: Depot,
    name: str,
    effort: Effort,
    *,
    platform: str = "",
    abi: str = "",
    version: str = "",
    forget: bool = False,
) -> list[Entry]:
    """Take away what fits the words; with `forget` the hashes seen first as well.

    Raises:
        UsageError: nothing fits.
        EngineError: the folder can't be changed.
    """
    with depot.changing(effort):
        going = installed_entries(depot, name, platform, abi, version)
        keys = {lock_key(e.name, e.platform, e.abi, e.version) for e in going}
        if forget:
            keys |= {
                key
                for key in depot.lock.versions(f"{name}/")
                if all(
                    word in ("", part)
                    for word, part in zip(
                        (name, platform, abi, version), key.split("/"), strict=True
                    )
                )
            }
        if not going and not (forget and keys):
            words = " ".join(filter(None, (name, version, platform, abi)))
            raise UsageError(f"{words}: not installed; `bokehbench engines list` shows what is")
        for entry in going:
            depot.remove(entry.name, entry.platform, entry.abi, entry.version)
        if forget:
            for key in keys:
                depot.lock.forget(key)
    return going
