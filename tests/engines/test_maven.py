"""Artifacts come from where Maven's settings say, with the bytes that are known, or not at all."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from bokehbench.engines.effort import Effort
from bokehbench.engines.maven import Artifact, MavenWays, fetch_artifact, mirror_of_central
from bokehbench.errors import EngineError
from tests.engines.server import Answer, Site

ARTIFACT = Artifact("org.example", "thing", "1.0")
BODY = b"the whole artifact" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
URL = "/maven/org/example/thing/1.0/thing-1.0.aar"

SETTINGS = """<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
<mirrors>{}</mirrors></settings>"""
MIRROR = "<mirror><id>m</id><mirrorOf>{}</mirrorOf><url>{}</url>{}</mirror>"


def settings(tmp_path: Path, *mirrors: str) -> Path:
    path = tmp_path / "settings.xml"
    path.write_text(SETTINGS.format("".join(mirrors)), encoding="utf-8")
    return path


def ways(tmp_path: Path, site: Site, mvn: Path | None = None) -> MavenWays:
    """Without mvn unless it is given; a cache of the test's own."""
    mirror = MIRROR.format("central", f"{site.address}/maven", "")
    return MavenWays(mvn, settings(tmp_path, mirror), tmp_path / "cache")


def fake_mvn(tmp_path: Path, script: str) -> Path:
    """A program that stands for mvn; it finds the folder it has to write to in $OUT."""
    path = tmp_path / "mvn"
    head = (
        "#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) OUT=${word#*=};; esac; done\n"
    )
    path.write_text(head + script, encoding="utf-8")
    path.chmod(0o755)
    return path


def fetch(where: MavenWays, tmp_path: Path, seconds: float = 30.0) -> Path:
    folder = tmp_path / "work"
    folder.mkdir(exist_ok=True)
    return fetch_artifact(ARTIFACT, SHA256, folder, where, Effort.of(seconds))


def test_without_mvn_the_settings_mirror_is_asked(site: Site, tmp_path: Path) -> None:
    site.answers[URL] = Answer(BODY)
    path = fetch(ways(tmp_path, site), tmp_path)
    assert path.read_bytes() == BODY
    assert path.is_relative_to(tmp_path / "work"), "Maven's own cache is not written to"


def test_what_this_machine_has_is_not_fetched(site: Site, tmp_path: Path) -> None:
    have = tmp_path / "cache/org/example/thing/1.0/thing-1.0.aar"
    have.parent.mkdir(parents=True)
    have.write_bytes(BODY)
    assert fetch(ways(tmp_path, site), tmp_path) == have
    assert site.asked == []


def test_a_damaged_copy_on_this_machine_is_not_believed(site: Site, tmp_path: Path) -> None:
    have = tmp_path / "cache/org/example/thing/1.0/thing-1.0.aar"
    have.parent.mkdir(parents=True)
    have.write_bytes(BODY[:-1])
    site.answers[URL] = Answer(BODY)
    assert fetch(ways(tmp_path, site), tmp_path).read_bytes() == BODY


def test_other_bytes_are_refused_with_both_hashes(site: Site, tmp_path: Path) -> None:
    site.answers[URL] = Answer(b"something else")
    with pytest.raises(EngineError) as caught:
        fetch(ways(tmp_path, site), tmp_path)
    text = str(caught.value)
    assert SHA256 in text
    assert hashlib.sha256(b"something else").hexdigest() in text
    assert "nothing was installed" in text


@pytest.mark.parametrize(
    "answer", [Answer(status=404), Answer(status=500), Answer(BODY, claimed=len(BODY) + 9)]
)
def test_what_does_not_arrive_is_said(site: Site, tmp_path: Path, answer: Answer) -> None:
    site.answers[URL] = answer
    with pytest.raises(
        EngineError, match=r"org.example:thing:1.0:aar: can't be resolved: .* --from"
    ):
        fetch(ways(tmp_path, site), tmp_path)


def test_no_network(tmp_path: Path) -> None:
    where = MavenWays(
        None, settings(tmp_path, MIRROR.format("*", "http://127.0.0.1:1/m", "")), tmp_path / "c"
    )
    with pytest.raises(EngineError, match=r"can't be resolved: .*refused"):
        fetch(where, tmp_path)


def test_mvn_does_the_work_where_it_is(site: Site, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    script = f'cd "{tmp_path}"; cp body "$OUT/thing-1.0.aar"; printf "%s\\n" "$@" > argv'
    path = fetch(ways(tmp_path, site, fake_mvn(tmp_path, script)), tmp_path)
    assert path.read_bytes() == BODY
    words = (tmp_path / "argv").read_text().splitlines()
    assert f"-Dartifact={ARTIFACT}" in words
    assert str(tmp_path / "settings.xml") in words
    assert site.asked == []


def test_mvn_words_are_passed_on(site: Site, tmp_path: Path) -> None:
    script = 'echo "[INFO] Scanning"; echo "[ERROR] Could not find artifact x"; exit 1'
    with pytest.raises(EngineError, match="mvn says: Could not find artifact x; nothing was"):
        fetch(ways(tmp_path, site, fake_mvn(tmp_path, script)), tmp_path)


def test_a_mvn_that_lies_is_not_believed(site: Site, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="can't be resolved: mvn says: done"):
        fetch(ways(tmp_path, site, fake_mvn(tmp_path, "echo done; exit 0")), tmp_path)
    script = 'echo evil > "$OUT/thing-1.0.aar"'
    with pytest.raises(EngineError, match="sha256 differs"):
        fetch(ways(tmp_path, site, fake_mvn(tmp_path, script)), tmp_path)


def test_a_mvn_that_hangs_ends_with_its_children(site: Site, tmp_path: Path) -> None:
    script = f'sleep 300 & echo $! > "{tmp_path}/child"; wait'
    start = time.monotonic()
    with pytest.raises(EngineError, match="not done within 1 s"):
        fetch(ways(tmp_path, site, fake_mvn(tmp_path, script)), tmp_path, seconds=1.0)
    assert time.monotonic() - start < 20
    child = int((tmp_path / "child").read_text())
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        # Killed, and perhaps not yet collected by init.
        if f"{child} (sleep) Z" in Path(f"/proc/{child}/stat").read_text():
            return
        time.sleep(0.02)
    pytest.fail("mvn's child still runs")


def test_a_mvn_that_can_not_start(site: Site, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="nosuch: No such file"):
        fetch(ways(tmp_path, site, tmp_path / "nosuch"), tmp_path)


@pytest.mark.parametrize(
    ("mirrors", "expected"),
    [
        ([], None),
        ([MIRROR.format("central", "https://m/a/", "")], "https://m/a"),
        ([MIRROR.format("*", "https://m/a", "")], "https://m/a"),
        ([MIRROR.format("external:*, !other", "https://m/a", "")], "https://m/a"),
        ([MIRROR.format("*,!central", "https://m/a", "")], None),
        ([MIRROR.format("external:http:*", "http://0.0.0.0/", "<blocked>true</blocked>")], None),
        (
            [MIRROR.format("jcenter", "https://m/b", ""), MIRROR.format("*", "https://m/a", "")],
            "https://m/a",
        ),
    ],
)
def test_mirrors_of_maven_central(tmp_path: Path, mirrors: list[str], expected: str | None) -> None:
    assert mirror_of_central(settings(tmp_path, *mirrors)) == expected


def test_settings_without_a_namespace_missing_or_broken(tmp_path: Path) -> None:
    path = tmp_path / "settings.xml"
    assert mirror_of_central(path) is None
    path.write_text(
        f"<settings><mirrors>{MIRROR.format('*', 'https://m', '')}</mirrors></settings>"
    )
    assert mirror_of_central(path) == "https://m"
    path.write_text("<settings><mirrors>")
    with pytest.raises(EngineError, match=r"settings.xml: not a Maven settings file"):
        mirror_of_central(path)
