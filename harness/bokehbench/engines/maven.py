"""Artifacts of a Maven repository: through mvn where it is, else through jgo."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from bokehbench.engines.effort import Effort
from bokehbench.engines.files import LIMIT_BYTES, file_sha256
from bokehbench.engines.process import run_program
from bokehbench.errors import EngineError

_Count = Callable[[int], None]

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
SILENCE_SECONDS = 30


@dataclass(frozen=True)
class Artifact:
    """A file of a Maven repository."""

    group: str
    name: str
    version: str
    packaging: str = "aar"

    @property
    def file_name(self) -> str:
        """What the repository calls it."""
        return f"{self.name}-{self.version}.{self.packaging}"

    @property
    def path(self) -> Path:
        """Where it is in a repository's folder."""
        return Path(*self.group.split("."), self.name, self.version, self.file_name)

    def __str__(self) -> str:
        return f"{self.group}:{self.name}:{self.version}:{self.packaging}"


@dataclass(frozen=True)
class MavenWays:
    """How a repository is reached.

    Args:
        mvn: a mvn program, which reads all of this machine's Maven settings; without it only
            the mirrors that the settings name are followed.
        settings: a settings file in place of the user's own.
        local_repository: Maven's folder of fetched files in place of the user's own.
    """

    mvn: Path | None = None
    settings: Path | None = None
    local_repository: Path | None = None


def fetch_artifact(
    artifact: Artifact, sha256: str, folder: Path, ways: MavenWays, effort: Effort
) -> Path:
    """The file of an artifact: as this machine's Maven has it already, or new below `folder`.

    Raises:
        EngineError: it could not be resolved, or its bytes are others than `sha256` says.
    """
    effort.tell(artifact.file_name)
    # jgo's own remarks; its one about checksums is a warning where ours is a refusal.
    logging.getLogger("jgo").addHandler(logging.NullHandler())
    from jgo.constants import default_maven_repo

    local = ways.local_repository or default_maven_repo()
    have = local / artifact.path
    if have.is_file() and file_sha256(have) == sha256:
        return have
    if ways.mvn is not None:
        path = _with_mvn(artifact, folder, ways.mvn, ways, effort)
    else:
        settings = ways.settings or local.parent / "settings.xml"
        path = _with_jgo(artifact, folder, settings, effort)
    found = file_sha256(path)
    if found != sha256:
        cached = f", and {have} if it is there" if ways.mvn else ""
        raise EngineError(
            f"{artifact}: sha256 differs: expected {sha256}, found {found}; nothing was "
            f"installed; see what the repository serves{cached}, or give {artifact.file_name} "
            "with --from FILE"
        )
    return path


def _with_mvn(artifact: Artifact, folder: Path, mvn: Path, ways: MavenWays, effort: Effort) -> Path:
    words = [str(mvn), "--batch-mode", "-Dstyle.color=never"]
    if ways.settings is not None:
        words += ["--settings", str(ways.settings)]
    if ways.local_repository is not None:
        words.append(f"-Dmaven.repo.local={ways.local_repository}")
    words += [f"{PLUGIN}:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    try:
        ended = run_program(words, effort, f"{artifact.file_name} through mvn")
    except OSError as error:
        raise EngineError(_failed(artifact, f"{mvn}: {error.strerror}")) from error
    path = folder / artifact.file_name
    if ended.exit_code != 0 or not path.is_file():
        errors = [line for line in ended.lines if line.startswith("[ERROR]")]
        said = errors[0].removeprefix("[ERROR]").strip() if errors else ""
        last = ended.lines[-1] if ended.lines else f"exit code {ended.exit_code}"
        raise EngineError(_failed(artifact, f"mvn says: {said or last}"))
    return path


def _failed(artifact: Artifact, reason: str) -> str:
    return (
        f"{artifact}: can't be resolved: {reason}; nothing was installed; on a machine without "
        f"network give {artifact.file_name} with --from FILE"
    )


def _with_jgo(artifact: Artifact, folder: Path, settings: Path, effort: Effort) -> Path:
    from jgo.maven import MavenContext, PythonResolver

    mirror = mirror_of_central(settings)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=_reporter(effort)),
        repo_cache=folder / "repository",
        local_repos=[],
        # None: Maven Central, whose address jgo knows.
        remote_repos={"central": mirror} if mirror else None,
        timeout=SILENCE_SECONDS,
    )
    project = context.project(artifact.group, artifact.name)
    wanted = project.at_version(artifact.version).artifact(packaging=artifact.packaging)
    try:
        return Path(wanted.resolve())
    except (OSError, RuntimeError) as error:
        # A disk's error has a number; those of the network, which are OSErrors too, have none.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise EngineError(_failed(artifact, " ".join(str(error).split()))) from error


def _reporter(effort: Effort) -> "Callable[[str, int], AbstractContextManager[_Count]]":
    @contextmanager
    def report(name: str, total: int) -> Iterator[_Count]:
        if total > LIMIT_BYTES:
            raise EngineError(f"{name}: {total} bytes, more than {LIMIT_BYTES}; refused")
        done = 0

        def add(count: int) -> None:
            nonlocal done
            done += count
            effort.tell(name, done, total)

        yield add

    return report


def mirror_of_central(settings: Path) -> str | None:
    """The address that Maven's settings give for Maven Central, None where they give none.

    Source: maven.apache.org/guides/mini/guide-mirror-settings.html.

    Raises:
        EngineError: the file is there and is no XML.
    """
    try:
        root = ElementTree.parse(settings).getroot()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"{settings}: can't be read: {error.strerror}") from error
    except ElementTree.ParseError as error:
        raise EngineError(f"{settings}: not a Maven settings file: {error}") from error
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        words = (mirror.findtext("{*}mirrorOf") or "").replace(" ", "").split(",")
        url = (mirror.findtext("{*}url") or "").strip()
        blocked = (mirror.findtext("{*}blocked") or "").strip() == "true"
        covers = {"*", "external:*", "central"} & set(words) and "!central" not in words
        if url and covers and not blocked:
            return url.rstrip("/")
    return None
