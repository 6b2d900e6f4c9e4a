"""Installing an engine or a tool: gathered, checked, and only then put where it is found."""

import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bokehbench.engines.catalog import Item, catalog, find_item, install_command
from bokehbench.engines.depot import VERSION, Depot, Installed, InstalledFile, Manifest
from bokehbench.engines.effort import Effort
from bokehbench.engines.elf import ElfFacts, check_elf
from bokehbench.engines.files import file_sha256
from bokehbench.engines.gather import Gathered, Routes, default_version, fetch, from_files
from bokehbench.engines.lockfile import lock_key
from bokehbench.errors import EngineError, UsageError

CUSTOM = "custom"


@dataclass(frozen=True)
class Wanted:
    """What is to be installed. No version: the catalog's own; `files` were given by hand."""

    name: str
    platform: str
    abi: str
    version: str = ""
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What is installed now, whether it was there before, and what is to be said of it."""

    installed: Installed
    was_there: bool = False
    remarks: tuple[str, ...] = ()


def install(wanted: Wanted, depot: Depot, routes: Routes, effort: Effort) -> Outcome:
    """Install a version and make it the one in use.

    What is there, whole and unaltered, is not fetched again; what was altered is replaced.

    Raises:
        EngineError: it can't be had, or its bytes are not the ones expected.
        UsageError: no such item, a file given by hand can't be used, or no such version.
    """
    try:
        item = find_item(wanted.name, wanted.platform, wanted.abi)
    except EngineError as error:
        raise UsageError(str(error)) from error
    if wanted.version and not VERSION.fullmatch(wanted.version):
        raise UsageError(f"--version {wanted.version!r}: not a version, such as 2.3.0")
    version = wanted.version or default_version(item)
    with depot.changing(effort):
        if not wanted.files and version not in item.channels:
            present = _intact(item, wanted.abi, version, depot)
            if present is not None:
                depot.use(item.name, item.platform, wanted.abi, version)
                return Outcome(present, was_there=True)
        work = depot.part_folder()
        if wanted.files:
            try:
                gathered = from_files(item, wanted.abi, wanted.files, work, effort)
                return _settle(item, wanted.abi, wanted.version, gathered, depot)
            except EngineError as error:
                raise UsageError(str(error)) from error
        gathered = fetch(item, wanted.abi, version, work, routes, effort)
        return _settle(item, wanted.abi, version, gathered, depot)


def _intact(item: Item, abi: str, version: str, depot: Depot) -> Installed | None:
    """What is installed of a version, if it is all there and unaltered."""
    try:
        present = depot.find(item.name, item.platform, abi, version)
    except EngineError:
        return None
    if present is None or present.problems():
        return None
    whole = {known.name for known in item.files} <= {f.name for f in present.manifest.files}
    return present if whole else None


def _settle(item: Item, abi: str, version: str, gathered: Gathered, depot: Depot) -> Outcome:
    """Check what was gathered, give it its version, and put it in its place.

    An empty `version` is the one whose bytes these are, or `custom` with their digest.
    """
    hashes = {
        name: (file_sha256(path), path.stat().st_size) for name, path in gathered.files.items()
    }
    label, trust = _label(item, abi, version, hashes, depot)
    _check_hashes(item, abi, label, hashes, depot)
    facts: dict[str, ElfFacts] = {}
    remarks = list(gathered.remarks)
    for known in item.files:
        if known.name not in gathered.files:
            continue
        facts[known.name] = check_elf(
            gathered.files[known.name],
            known.name,
            platform=item.platform,
            abi=abi,
            role=known.role,
            functions=catalog().exports.get(known.functions, []),
        )
        for function in catalog().exports.get(known.wanted, []):
            if function not in facts[known.name].functions:
                remarks.append(f"{known.name} lacks {function}: a backend will be missing")
    manifest = Manifest(
        name=item.name,
        version=label,
        platform=item.platform,
        abi=abi,
        source=gathered.source,
        trust=trust,
        installed=datetime.now(UTC).isoformat(timespec="seconds"),
        files=[
            InstalledFile(
                name=known.name,
                role=known.role,
                sha256=hashes[known.name][0],
                size_bytes=hashes[known.name][1],
            )
            for known in item.files
            if known.name in hashes
        ],
        android_api=facts[item.main.name].android_api,
        align_bytes=min(fact.align_bytes for fact in facts.values()),
    )
    part = depot.part_folder()
    for file in manifest.files:
        # Copied, not moved: a file given by hand stays where it is.
        shutil.copyfile(gathered.files[file.name], part / file.name)
        (part / file.name).chmod(0o555 if file.role == "program" else 0o444)
    if trust != "pinned":
        depot.lock.add(_key(item, abi, label), hashes, gathered.source)
    return Outcome(depot.keep(part, manifest), remarks=tuple(remarks))


def _label(
    item: Item, abi: str, version: str, hashes: dict[str, tuple[str, int]], depot: Depot
) -> tuple[str, str]:
    """The version that these bytes are installed as, and how far they are trusted."""
    digest = hashlib.sha256(
        "".join(sha256 for _, (sha256, _) in sorted(hashes.items())).encode()
    ).hexdigest()[:8]
    if version in item.channels:
        # Tomorrow the channel holds other bytes under the same name.
        return f"{version}-{hashes[item.main.name][0][:8]}", "locked"
    pinned = catalog().pinned_versions(item)
    if version:
        return version, "pinned" if version in pinned else "locked"
    for one in pinned:
        pins = {
            name: catalog().pin(item.name, item.platform, one, f"{abi}/{name}") for name in hashes
        }
        if all(pin and pin.sha256 == hashes[name][0] for name, pin in pins.items()):
            return one, "pinned"
    prefix = _key(item, abi, "")
    for key, seen in depot.lock.versions(prefix).items():
        if all(name in seen and seen[name].sha256 == hashes[name][0] for name in hashes):
            label = key.removeprefix(prefix)
            return label, CUSTOM if label.startswith(CUSTOM) else "locked"
    return f"{CUSTOM}-{digest}", CUSTOM


def _is_pinned(item: Item, abi: str, version: str, name: str, sha256: str) -> bool:
    pin = catalog().pin(item.name, item.platform, version, f"{abi}/{name}")
    return pin is not None and pin.sha256 == sha256


def _check_hashes(
    item: Item, abi: str, version: str, hashes: dict[str, tuple[str, int]], depot: Depot
) -> None:
    """Refuse what differs from the pins of a version, or from what was seen first."""
    seen = depot.lock.seen(_key(item, abi, version))
    pinned = version in catalog().pinned_versions(item)
    for name, (sha256, _) in hashes.items():
        pin = catalog().pin(item.name, item.platform, version, f"{abi}/{name}")
        if pinned and (pin is None or pin.sha256 != sha256):
            expected = pin.sha256 if pin else "nothing of that name"
            raise EngineError(
                f"{name} of {item.name} {version}: sha256 differs: expected {expected}, found "
                f"{sha256}; nothing was installed; take the file that was published, or leave "
                "out --version to install yours as custom"
            )
        if not pinned and name in seen and seen[name].sha256 != sha256:
            first = seen[name]
            command = install_command(item.name, item.platform, abi, version)
            raise EngineError(
                f"{name} of {item.name} {version}: sha256 differs: expected {first.sha256} (seen "
                f"first on {first.first_seen[:10]}), found {sha256}; nothing was installed; if "
                f"the new file is right, run `{command.replace(' install ', ' remove ')} "
                "--forget` first"
            )


def _key(item: Item, abi: str, version: str) -> str:
    return lock_key(item.name, item.platform, abi, version)
