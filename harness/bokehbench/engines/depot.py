"""The folder of installed engines: whole versions only, checked at each use."""

import fcntl
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bokehbench.engines.catalog import Role, catalog
from bokehbench.engines.effort import Effort
from bokehbench.engines.files import file_sha256, writing_to
from bokehbench.engines.lockfile import LockFile
from bokehbench.errors import EngineError

FORMAT = "bokehbench-engine/1"
MANIFEST = "manifest.json"
CURRENT = "current"
PART = ".part-"
WAIT_SECONDS = 0.1
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,63}")


class InstalledFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an installed version, and the bytes it has to have."""

    name: str
    role: Role
    sha256: str
    size_bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One installed version for one platform and ABI.

    `trust` says against what its bytes were checked: `pinned` in the catalog, `locked` to
    those seen first, `custom` for a file of yours. `android_api` is the API level that the
    library was built for, `align_bytes` the page size that it can be loaded with.
    """

    format: str = FORMAT
    name: str
    version: str
    platform: str
    abi: str
    source: str
    trust: str
    installed: str
    files: list[InstalledFile]
    android_api: int | None = None
    align_bytes: int = 0


@dataclass(frozen=True)
class Installed:
    """A version in the depot: its manifest, its folder, whether it is the one in use."""

    manifest: Manifest
    folder: Path
    in_use: bool

    def path(self, role: Role) -> Path | None:
        """The file that plays a role, the first one where several do."""
        return next(iter(self.paths(role)), None)

    def paths(self, role: Role) -> tuple[Path, ...]:
        """All files of a role."""
        return tuple(self.folder / file.name for file in self.manifest.files if file.role == role)

    def problems(self) -> list[str]:
        """What is wrong with its files, each in one line; the hashes are computed anew."""
        found = []
        for file in self.manifest.files:
            path = self.folder / file.name
            pin = catalog().pin(
                self.manifest.name,
                self.manifest.platform,
                self.manifest.version,
                f"{self.manifest.abi}/{file.name}",
            )
            expected = pin.sha256 if pin else file.sha256
            try:
                sha256 = file_sha256(path)
            except OSError as error:
                found.append(f"{path}: {error.strerror}")
                continue
            if sha256 != expected:
                found.append(f"{path}: sha256 differs: expected {expected}, found {sha256}")
        return found


class Depot:
    """`<root>/<name>/<platform>-<abi>/<version>/`, made whole beside and then renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = LockFile(root / "lock.json")

    def shelf(self, name: str, platform: str, abi: str) -> Path:
        """The folder of all versions for one platform and ABI."""
        return self.root / name / f"{platform}-{abi}"

    def find(self, name: str, platform: str, abi: str, version: str = "") -> Installed | None:
        """A version, or the one in use; None where it is not installed.

        Raises:
            EngineError: its manifest can't be read.
        """
        shelf = self.shelf(name, platform, abi)
        current = self._current(shelf)
        wanted = version or current
        if not wanted:
            return None
        try:
            data = (shelf / wanted / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EngineError(f"{shelf / wanted / MANIFEST}: {error.strerror}") from error
        try:
            manifest = msgspec.json.decode(data, type=Manifest)
        except msgspec.MsgspecError as error:
            raise EngineError(f"{shelf / wanted / MANIFEST}: not a manifest: {error}") from error
        return Installed(manifest, shelf / wanted, wanted == current)

    def entries(self) -> Iterator[tuple[str, str, str, str]]:
        """Name, platform, ABI and version of all that is installed, broken ones too."""
        for path in sorted(self.root.glob(f"*/*/*/{MANIFEST}")):
            name, target, version = path.relative_to(self.root).parts[:3]
            platform, _, abi = target.partition("-")
            yield name, platform, abi, version

    def use(self, name: str, platform: str, abi: str, version: str) -> None:
        """Make a version the one in use."""
        shelf = self.shelf(name, platform, abi)
        part = shelf / f".{CURRENT}.part"
        part.write_text(version, encoding="utf-8")
        part.replace(shelf / CURRENT)

    def keep(self, part: Path, manifest: Manifest) -> Installed:
        """Give a folder of checked files its final name, in place of a version before it."""
        (part / MANIFEST).write_bytes(
            msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        )
        shelf = self.shelf(manifest.name, manifest.platform, manifest.abi)
        shelf.mkdir(parents=True, exist_ok=True)
        goal = shelf / manifest.version
        if goal.exists():
            goal.rename(self._part() / manifest.version)
        part.rename(goal)
        self.use(manifest.name, manifest.platform, manifest.abi, manifest.version)
        return Installed(manifest, goal, True)

    def remove(self, name: str, platform: str, abi: str, version: str) -> None:
        """Take a version away; the newest of the others comes into use in its place."""
        shelf = self.shelf(name, platform, abi)
        was_in_use = self._current(shelf) == version
        (shelf / version).rename(self._part() / version)
        if not was_in_use:
            return
        others = sorted(shelf.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
        if others:
            self.use(name, platform, abi, others[-1].parent.name)
        else:
            (shelf / CURRENT).unlink(missing_ok=True)

    @contextmanager
    def changing(self, effort: Effort) -> Iterator[None]:
        """Let one process at a time change the depot; what others left unfinished is removed.

        Raises:
            EngineError: the folder can't be made, or another process holds it for too long.
        """
        with writing_to(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            with open(self.root / ".busy", "w", encoding="utf-8") as handle:
                while not _flock(handle.fileno()):
                    effort.tell("waiting for another installation")
                    time.sleep(WAIT_SECONDS)
                try:
                    self._sweep()
                    yield
                finally:
                    self._sweep()

    def part_folder(self) -> Path:
        """A new folder that nobody looks for; it goes when the change ends."""
        return self._part()

    def _part(self) -> Path:
        return Path(tempfile.mkdtemp(prefix=PART, dir=self.root))

    def _sweep(self) -> None:
        for path in self.root.glob(f"{PART}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _current(self, shelf: Path) -> str:
        try:
            text = (shelf / CURRENT).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return ""
        return text if VERSION.fullmatch(text) else ""


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def default_root() -> Path:
    """The user's own folder of engines."""
    import platformdirs

    return platformdirs.user_cache_path("bokehbench") / "engines"
