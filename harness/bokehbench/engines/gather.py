"""The files of an item, from its source or from files given by hand, into one folder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path, PurePosixPath

from bokehbench.engines.archive import extract, find_member, open_archive
from bokehbench.engines.catalog import Item, KnownFile, catalog
from bokehbench.engines.effort import Effort
from bokehbench.engines.elf import read_elf
from bokehbench.engines.maven import Artifact, MavenWays, fetch_artifact
from bokehbench.engines.release import fetch_url, release_url
from bokehbench.engines.wheels import fetch_wheel
from bokehbench.errors import EngineError


@dataclass(frozen=True)
class Routes:
    """How files are fetched. `release_address` stands in place of Google's own storage."""

    maven: MavenWays = field(default_factory=MavenWays)
    release_address: str | None = None


@dataclass(frozen=True)
class Gathered:
    """Files by their name in the catalog, where they came from, and what is to be said."""

    files: dict[str, Path]
    source: str
    remarks: tuple[str, ...] = ()


def default_version(item: Item) -> str:
    """What is installed where no version is named.

    A wheel's libraries for another machine are those of the wheel on this one.
    """
    if item.source == "wheel":
        try:
            return metadata.version(item.package)
        except metadata.PackageNotFoundError:
            return item.version
    return item.version


def fetch(
    item: Item, abi: str, version: str, folder: Path, routes: Routes, effort: Effort
) -> Gathered:
    """Fetch a version from the item's source.

    Raises:
        EngineError: it can't be fetched, or its archive is not the pinned one.
    """
    if item.source == "maven":
        return _from_maven(item, abi, version, folder, routes.maven, effort)
    if item.source == "release":
        return _from_release(item, abi, version, folder, routes.release_address, effort)
    if item.source == "wheel":
        return _from_wheel(item, abi, version, folder, effort)
    raise EngineError(
        f"{item.name} for {item.platform} {abi}: nobody publishes it; give a build of your own: "
        f"--from {item.main.name}"
    )


def _from_maven(
    item: Item, abi: str, version: str, folder: Path, ways: MavenWays, effort: Effort
) -> Gathered:
    known_versions = catalog().pinned_versions(item)
    if version not in known_versions:
        raise EngineError(
            f"{item.name} {version}: its checksums are not known here (those of "
            f"{', '.join(known_versions)} are); give its AAR files with --from FILE"
        )
    files: dict[str, Path] = {}
    sources = []
    for known in item.files:
        group, _, name = known.artifact.partition(":")
        artifact = Artifact(group, name, version)
        pin = catalog().pin(item.name, item.platform, version, artifact.file_name)
        if pin is None:
            raise EngineError(f"{artifact}: no checksum in the catalog; reinstall bokehbench")
        path = fetch_artifact(artifact, pin.sha256, folder, ways, effort)
        files |= _out_of(path, artifact.file_name, [known], abi, folder, effort)
        sources.append(str(artifact))
    return Gathered(files, "Maven " + ", ".join(sources))


def _from_release(
    item: Item, abi: str, version: str, folder: Path, address: str | None, effort: Effort
) -> Gathered:
    files, urls = {}, []
    for known in item.files:
        url = release_url(item, version, abi, known.name, address)
        target = folder / known.name
        fetch_url(url, target, effort)
        files[known.name] = target
        urls.append(url)
    return Gathered(files, ", ".join(urls))


def _from_wheel(item: Item, abi: str, version: str, folder: Path, effort: Effort) -> Gathered:
    wheel = fetch_wheel(item.package, version, abi, folder, effort)
    files = _out_of(wheel, wheel.name, item.files, abi, folder, effort)
    return Gathered(files, f"wheel {wheel.name}", _lacking(item, files))


def from_files(
    item: Item, abi: str, paths: Sequence[Path], folder: Path, effort: Effort
) -> Gathered:
    """Take an item's files from AARs, wheels, zips, libraries or programs given by hand.

    Raises:
        EngineError: one of them is none of these, holds nothing of use, or the main file is
            missing.
    """
    files: dict[str, Path] = {}
    for path in paths:
        try:
            with open(path, "rb") as stream:
                start = stream.read(4)
        except OSError as error:
            raise EngineError(f"--from {path}: {error.strerror}; name a file") from error
        if start.startswith(b"PK"):
            found = _out_of(path, path.name, item.files, abi, folder, effort)
        elif start == b"\x7fELF":
            found = {_role_of(item, path).name: path}
        else:
            raise EngineError(
                f"--from {path}: neither an AAR, a wheel or a zip nor an ELF file; it begins "
                f"with {start!r}"
            )
        for name in found.keys() & files.keys():
            raise EngineError(f"--from {path}: {name} was given twice; name one file for it")
        files |= found
    if item.main.name not in files:
        artifact = item.main.artifact.partition(":")[2]
        where = f", which is in {artifact}'s AAR" if artifact else ""
        raise EngineError(f"--from: no {item.main.name} among the files{where}; give it too")
    names = ", ".join(path.name for path in paths)
    return Gathered(files, f"file {names}", _lacking(item, files))


def _role_of(item: Item, path: Path) -> KnownFile:
    """Which file of the item an ELF file is: by its name, or by what it exports."""
    for known in item.files:
        if path.name == known.name or known.role == "program":
            return known
    exported = read_elf(path, path.name).functions
    for known in item.files:
        needed = catalog().exports.get(known.functions, [])
        if needed and exported.issuperset(needed):
            return known
    lacks = next(f for f in catalog().exports[item.main.functions] if f not in exported)
    raise EngineError(
        f"--from {path}: not a library of {item.name}: it lacks {lacks}, and its name is none of "
        f"{', '.join(known.name for known in item.files)}"
    )


def _out_of(
    path: Path,
    name: str,
    wanted: Sequence[KnownFile],
    abi: str,
    folder: Path,
    effort: Effort,
) -> dict[str, Path]:
    """Those of the wanted files that an archive holds."""
    found = {}
    with open_archive(path, name) as archive:
        for known in wanted:
            member = find_member(archive, known.name, abi)
            if member is not None:
                found[known.name] = folder / known.name
                extract(archive, member, found[known.name], effort)
        if not found:
            libraries = sorted(
                {PurePosixPath(m.filename).name for m in archive.infolist()} - {""},
                key=lambda file: (not file.endswith(".so"), file),
            )
            raise EngineError(
                f"{name}: holds no {' and no '.join(known.name for known in wanted)}; it holds "
                f"{', '.join(libraries[:5]) or 'nothing'}"
            )
    return found


def _lacking(item: Item, files: dict[str, Path]) -> tuple[str, ...]:
    return tuple(
        f"no {known.name}: this build of {item.name} can't use a GPU"
        for known in item.files
        if known.role == "accelerator" and known.name not in files
    )
