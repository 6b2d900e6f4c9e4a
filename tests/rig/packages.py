"""Packages: fetch Debian packages through the machine's own apt and unpack them in a cache.

Nothing is installed. apt gets a sources list of its own (the machine's Debian mirror, suite
trixie unless told otherwise), its own lists folder and an empty package status; the packages
are then unpacked side by side in a per-user folder.
"""

import contextlib
import fcntl
import getpass
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUITE = "trixie"

FETCH_SECONDS = 300.0
"""Deadline of one call of apt-get."""

DEBIAN_SUITES = {"stable", "testing", "unstable", "sid", "oldstable"}


class RigMissing(Exception):
    """A part of the rig can't be had here; `command` is what would bring it, if known."""

    def __init__(self, reason: str, command: str = "") -> None:
        super().__init__(reason + (f"; try: {command}" if command else ""))
        self.reason = reason
        self.command = command


@dataclass(frozen=True)
class Source:
    """Where packages come from: a mirror and the keyring that its owner signs with."""

    uri: str
    signed_by: str

    def lines(self, arch: str, suites: Sequence[str]) -> str:
        """The entries of a sources list."""
        keyring = f" signed-by={self.signed_by}" if self.signed_by else ""
        return "".join(f"deb [arch={arch}{keyring}] {self.uri} {suite} main\n" for suite in suites)


def cache_folder() -> Path:
    """The per-user folder of everything that is fetched or built here."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "bokehbench-rig"


def host_arch() -> str:
    """Debian's name of this machine's architecture."""
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return names.get(platform.machine(), platform.machine())


def find_sources(apt: Path = Path("/etc/apt")) -> list[Source]:
    """What may be a Debian mirror among this machine's own sources, likeliest first.

    Other projects' archives use Debian's suite names too: only asking tells them apart.

    Raises:
        RigMissing: there is none.
    """
    found: list[Source] = []
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        entries = _deb822(text) if path.suffix == ".sources" else _one_line(text)
        for source, suites, components in entries:
            known = suites & (DEBIAN_SUITES | _own_codenames())
            if known and "main" in components and source not in found:
                found.append(source)
    if not found:
        raise RigMissing(f"no Debian mirror in {apt}/sources.list or sources.list.d")
    return found


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to `path`, against other processes and other threads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def build_once(target: Path, build: Callable[[Path], None]) -> Path:
    """`target`, made by `build(folder)` if it isn't there yet: whole or not at all."""
    if target.exists():
        return target
    with locked(target):
        if not target.exists():
            for stale in target.parent.glob(f"{target.name}.part-*"):
                shutil.rmtree(stale)
            part = Path(tempfile.mkdtemp(prefix=f"{target.name}.part-", dir=target.parent))
            try:
                build(part)
                part.chmod(0o755)
                part.rename(target)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    return target


def unpacked(
    packages: Sequence[str],
    *,
    arch: str,
    recipe: str,
    finish: Callable[[Path], None],
    dependencies: bool = True,
    suites: Sequence[str] = (SUITE,),
) -> Path:
    """A folder with `packages` and all they depend on, as `finish(folder)` left it.

    The folder's name holds the package list and `recipe` (what `finish` does), so a change
    of either makes a new folder. Of several `suites` the last one is preferred.

    Raises:
        RigMissing: apt is missing or can't reach its mirror.
    """
    key = "\n".join([*suites, arch, recipe, str(dependencies), *sorted(packages)])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]

    def build(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="bokehbench-rig-") as work:
            for deb in _download(Path(work), packages, arch, suites, dependencies):
                _run(["dpkg-deb", "-x", str(deb), str(folder)])
        finish(folder)

    return build_once(cache_folder() / digest, build)


def _download(
    work: Path, packages: Sequence[str], arch: str, suites: Sequence[str], dependencies: bool
) -> list[Path]:
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise RigMissing(f"{program} is not on this machine; the rig needs Debian's apt")
    for folder in ("lists/partial", "archives/partial", "cache"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": str(work / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State::lists": str(work / "lists"),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work / "cache"),
        "Dir::Cache::archives": str(work / "archives"),
        "APT::Architecture": arch,
        "APT::Architectures": arch,
        "APT::Sandbox::User": getpass.getuser(),
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Debug::NoLocking": "1",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
    apt.append(f"-oAPT::Default-Release={suites[-1]}")
    _update([*apt, "update"], work / "sources.list", arch, suites)
    if dependencies:
        _run([*apt, "install", "-y", "--no-install-recommends", "--download-only", *packages])
        return sorted((work / "archives").glob("*.deb"))
    _run([*apt, "download", *packages], cwd=work / "archives")
    return sorted((work / "archives").glob("*.deb"))


def _update(argv: list[str], sources_list: Path, arch: str, suites: Sequence[str]) -> None:
    """Fetch the suites' indexes from the first mirror that has them."""
    sources = find_sources()
    for source in sources:
        sources_list.write_text(source.lines(arch, suites), encoding="utf-8")
        try:
            # Without the option a failed download is only a warning.
            _run([*argv, "--error-on=any"])
            return
        except RigMissing:
            if source == sources[-1]:
                raise


def _run(argv: list[str], cwd: Path | None = None) -> None:
    try:
        result = subprocess.run(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RigMissing(f"{argv[0]} did not end within {FETCH_SECONDS:.0f} s") from None
    if result.returncode != 0:
        # apt's first error is the reason, its last one says that there were some.
        lines = result.stderr.strip().splitlines() or ["no message"]
        reason = next((line for line in lines if line.startswith("E:")), lines[-1])
        raise RigMissing(f"{argv[0]} failed: {reason}")


def _own_codenames() -> set[str]:
    """This machine's release, when it is a Debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return set()
    return {release.get("VERSION_CODENAME", SUITE)} if release.get("ID") == "debian" else set()


def _deb822(text: str) -> Iterator[tuple[Source, set[str], set[str]]]:
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line for line in paragraph.splitlines() if not line.startswith("#")]
        joined = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
        pairs = (line.partition(":") for line in joined.splitlines())
        fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        uris = fields.get("uris", "").split()
        if "deb" in fields.get("types", "").split() and uris and fields.get("enabled") != "no":
            keyring = fields.get("signed-by", "")
            source = Source(uris[0], keyring if keyring.startswith("/") else "")
            suites, components = fields.get("suites", ""), fields.get("components", "")
            yield source, set(suites.split()), set(components.split())


def _one_line(text: str) -> Iterator[tuple[Source, set[str], set[str]]]:
    pattern = re.compile(r"^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(\S.*)$")
    for line in text.splitlines():
        if match := pattern.match(line.partition("#")[0].strip()):
            keyring = re.search(r"signed-by=(/\S+)", match[1] or "")
            source = Source(match[2], keyring[1] if keyring else "")
            yield source, {match[3]}, set(match[4].split())
