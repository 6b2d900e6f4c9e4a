"""What devices are made of comes whole, from the machine's own mirror, or with a reason."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import rig
from tests.rig import RigMissing, packages
from tests.rig.packages import Source, build_once, find_sources, unpacked


def test_a_cache_entry_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    built = []

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise RigMissing("no network")

    def build(folder: Path) -> None:
        time.sleep(0.1)
        built.append(folder)
        (folder / "f").touch()

    with pytest.raises(RigMissing):
        build_once(target, fail)
    assert not list(tmp_path.glob("entry*/*"))
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: build_once(target, build), range(4))) == {target}
    assert len(built) == 1


def test_the_mirror_comes_from_the_machines_own_sources(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror.example/debian\n"
        "Suites: stable\n stable-updates\nComponents: main\nSigned-By: /keys/debian.gpg\n\n"
        "Types: deb\nURIs: http://mirror.example/security\nSuites: stable-security\n"
        "Components: main\n"
    )
    (tmp_path / "sources.list").write_text(
        "# deb http://no.example x main\ndeb [signed-by=/k arch=amd64] http://b.example sid main\n"
        "deb http://other.example stable contrib\n"
    )
    lines = [source.lines("amd64", ["trixie"]) for source in find_sources(tmp_path)]
    assert lines == [
        "deb [arch=amd64 signed-by=/k] http://b.example trixie main\n",
        "deb [arch=amd64 signed-by=/keys/debian.gpg] http://mirror.example/debian trixie main\n",
    ]
    (tmp_path / "sources.list").unlink()
    (tmp_path / "sources.list.d/debian.sources").unlink()
    with pytest.raises(RigMissing, match="no Debian mirror"):
        find_sources(tmp_path)


def fetch(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Try to fetch a package with an empty cache."""
    monkeypatch.setattr(packages, "cache_folder", lambda: cache)
    unpacked(["toybox"], arch="amd64", recipe="test", finish=Path.touch)


def test_a_machine_without_apt_is_named_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RigMissing, match="apt-get is not on this machine"):
        fetch(monkeypatch, tmp_path / "cache")


def test_a_mirror_out_of_reach_is_named_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rig.require_rig()
    source = Source("http://127.0.0.1:1/debian", "")
    monkeypatch.setattr(packages, "find_sources", lambda: [source])
    with pytest.raises(RigMissing, match=r"apt-get failed: .*127\.0\.0\.1"):
        fetch(monkeypatch, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*/*"))


def test_what_is_missing_skips_and_in_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def require(arch: str) -> None:
        asked.append(arch)
        raise RigMissing("no network", "connect it")

    monkeypatch.setattr(rig, "require", require)
    monkeypatch.setattr(rig, "_missing", {})
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no network; try: connect it"):
        rig.require_rig()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no network; try: connect it"):
        rig.require_rig()
    assert len(asked) == 1
