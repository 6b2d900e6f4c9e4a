"""The engine or tool for a device: found on this host, checked, or installed first."""

import importlib.util
import platform as host
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from bokehbench.engines.catalog import Item, find_item, install_command
from bokehbench.engines.depot import Depot, Installed, Manifest, default_root
from bokehbench.engines.effort import INSTALL_SECONDS, Effort, Progress, quiet
from bokehbench.engines.files import file_sha256
from bokehbench.engines.gather import Routes
from bokehbench.engines.install import CUSTOM, Wanted, install
from bokehbench.errors import EngineError, EngineMissing
from bokehbench.facts import EngineFacts


@dataclass(frozen=True)
class Engine:
    """An inference library on this host, for one platform and ABI."""

    name: str
    version: str
    library: Path
    accelerators: tuple[Path, ...]

    @cached_property
    def facts(self) -> EngineFacts:
        """Version and hashes of the files as they are now."""
        return EngineFacts(
            name=self.name,
            version=self.version,
            library_sha256=file_sha256(self.library),
            accelerators={path.name: file_sha256(path) for path in self.accelerators},
        )


@dataclass(frozen=True)
class Tool:
    """A program on this host that runs on devices of one platform and ABI."""

    name: str
    version: str
    path: Path
    sha256: str
    source: str


def find_engine(
    name: str, platform: str, abi: str, *, gpu: bool, root: Path | None = None
) -> Engine:
    """The engine of that name for a device; its files are hashed and compared.

    What was installed comes first; for Linux on this machine's own ABI `litert` is also found
    in the installed wheel. The GPU's accelerator goes along only where `gpu` asks for it.

    Args:
        root: the folder of engines; the user's own where none is given.

    Raises:
        EngineMissing: it is not installed; the message says what to type.
        EngineError: there is none for this device, or its files were altered.
    """
    item = find_item(name, platform, abi)
    if item.is_tool:
        raise EngineError(f"engine {name}: a tool and no engine")
    installed = _checked(name, platform, abi, root)
    if installed is not None:
        library = installed.path("library")
        assert library is not None
        accelerators = installed.paths("accelerator") if gpu else ()
        return Engine(name, installed.manifest.version, library, accelerators)
    own = of_this_python(item, abi, gpu=gpu)
    if own is not None:
        return own
    raise EngineMissing(_missing(f"engine {name}", name, platform, abi, item.main.name))


def find_tool(name: str, platform: str, abi: str, *, root: Path | None = None) -> Tool:
    """The program of that name for a device; it is hashed and compared.

    Raises:
        EngineMissing: it is not installed; the message says what to type.
        EngineError: there is none for this device, or it was altered.
    """
    item = find_item(name, platform, abi)
    if not item.is_tool:
        raise EngineError(f"{name}: an engine and no tool")
    installed = _checked(name, platform, abi, root)
    path = installed.path("program") if installed is not None else None
    if installed is None or path is None:
        raise EngineMissing(_missing(name, name, platform, abi, item.main.name))
    manifest = installed.manifest
    sha256 = next(file.sha256 for file in manifest.files if file.name == path.name)
    return Tool(name, manifest.version, path, sha256, manifest.source)


def ensure(
    name: str,
    platform: str,
    abi: str,
    *,
    gpu: bool,
    root: Path | None = None,
    routes: Routes | None = None,
    progress: Progress = quiet,
    seconds: float = INSTALL_SECONDS,
) -> Engine:
    """The engine for a device, installed first where it is missing.

    One whose files were altered is refused, not replaced: somebody has to know of it.

    Raises:
        EngineError: it can't be had; the message says why.
    """
    try:
        return find_engine(name, platform, abi, gpu=gpu, root=root)
    except EngineMissing:
        if find_item(name, platform, abi).source == "file":
            raise
    _install(name, platform, abi, root, routes, Effort.of(seconds, progress))
    return find_engine(name, platform, abi, gpu=gpu, root=root)


def ensure_tool(
    name: str,
    platform: str,
    abi: str,
    *,
    root: Path | None = None,
    routes: Routes | None = None,
    progress: Progress = quiet,
    seconds: float = INSTALL_SECONDS,
) -> Tool:
    """The program for a device, installed first where it is missing.

    Raises:
        EngineError: it can't be had; the message says why.
    """
    try:
        return find_tool(name, platform, abi, root=root)
    except EngineMissing:
        _install(name, platform, abi, root, routes, Effort.of(seconds, progress))
    return find_tool(name, platform, abi, root=root)


def _install(
    name: str, platform: str, abi: str, root: Path | None, routes: Routes | None, effort: Effort
) -> None:
    depot = Depot(root or default_root())
    install(Wanted(name, platform, abi), depot, routes or Routes(), effort)


def _checked(name: str, platform: str, abi: str, root: Path | None) -> Installed | None:
    installed = Depot(root or default_root()).find(name, platform, abi)
    if installed is None:
        return None
    problems = installed.problems()
    if problems:
        cure = reinstall_command(installed.manifest)
        version = installed.manifest.version
        raise EngineError(f"{name} {version}: {problems[0]}; replace it with `{cure}`")
    return installed


def reinstall_command(manifest: Manifest) -> str:
    """What to type to have a version again: by its channel, or from a file, as it came."""
    item = find_item(manifest.name, manifest.platform, manifest.abi)
    version = manifest.version
    channel = next((c for c in item.channels if version.startswith(f"{c}-")), "")
    by_hand = manifest.source.startswith("file ")
    command = install_command(
        manifest.name,
        manifest.platform,
        manifest.abi,
        channel or ("" if manifest.trust == CUSTOM else version),
    )
    return f"{command} --from FILE" if by_hand else command


def _missing(what: str, name: str, platform: str, abi: str, file: str) -> str:
    command = install_command(name, platform, abi)
    if find_item(name, platform, abi).source == "file":
        command += f" --from {file}"
    return f"{what}: not installed for {platform} {abi}; run `{command}`"


def of_this_python(item: Item, abi: str, *, gpu: bool) -> Engine | None:
    """The engine of the wheel that is installed beside bokehbench, for this machine's ABI.

    None where no wheel brings this item for this machine.

    Raises:
        EngineMissing: the wheel is not installed, or holds no library.
    """
    if item.source != "wheel" or abi != host.machine():
        return None
    spec = importlib.util.find_spec(item.package.replace("-", "_"))
    folder = Path(spec.origin).parent if spec and spec.origin else None
    library = folder / item.main.name if folder else None
    if folder is None or library is None or not library.is_file():
        raise EngineMissing(
            f"engine {item.name}: {item.main.name} not found; install it with "
            f"`pip install {item.package}`"
        )
    accelerators = tuple(
        path
        for known in item.files
        if known.role == "accelerator" and gpu and (path := folder / known.name).is_file()
    )
    return Engine(item.name, metadata.version(item.package), library, accelerators)
