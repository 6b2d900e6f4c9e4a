"""`bokehbench apk`: building, the key, checking, and wrong words."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from bokehbench.apk import bundled_app_library
from bokehbench.cli import app_options
from bokehbench.facts.app import ABIS, LIBRARY_FILE
from tests.support.apk import write_library
from tests.support.command import Command


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """What makes `apk build` use libraries of a test's own."""
    app = write_library(tmp_path / "libraries" / LIBRARY_FILE)
    engine = write_library(tmp_path / "libraries" / "libengine.so", page_bytes=4096)
    return ["apk", "build", "--app-library", str(app), "--engine-files", str(engine)]


def test_an_apk_is_built_told_and_checked(bokehbench: Command, words: list[str]) -> None:
    built = bokehbench(*words, "--json", "-")
    assert built.code == 0, built.err
    assert built.err.splitlines() == [
        "warning: libengine.so: built for pages of 4 KiB; a device with pages of 16 KiB may refuse "
        "to load it"
    ]
    told = built.json()
    path = bokehbench.home / "bokehbench-arm64-v8a.apk"
    assert told["path"] == path.name
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert told["size_bytes"] == path.stat().st_size
    assert [library["name"] for library in told["libraries"]] == [LIBRARY_FILE, "libengine.so"]
    again = bokehbench(*words, "-o", "again.apk")
    assert again.code == 0
    assert told["sha256"] in again.out
    assert (bokehbench.home / "again.apk").read_bytes() == path.read_bytes()
    checked = bokehbench("apk", "check", path, "--json", "-").json()
    assert checked["schemes"] == ["v2", "v3"]
    assert checked["cert_sha256"] == told["cert_sha256"]
    assert bokehbench("apk", "key", "--json", "-").json()["cert_sha256"] == told["cert_sha256"]
    key = bokehbench.home / "data" / "bokehbench" / "apk-signing-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("abi", ABIS)
def test_the_app_that_is_shipped_goes_in(bokehbench: Command, abi: str) -> None:
    engine = write_library(bokehbench.home / "libengine.so", abi)
    built = bokehbench("apk", "build", "--abi", abi, "--engine-files", engine, "--json", "-")
    assert built.code == 0, built.err
    assert built.err == ""
    shipped = bundled_app_library(abi)
    assert built.json()["libraries"][0] == {
        "name": LIBRARY_FILE,
        "sha256": hashlib.sha256(shipped.read_bytes()).hexdigest(),
        "align_bytes": 16384,
    }


def test_an_altered_apk_is_refused(bokehbench: Command, words: list[str]) -> None:
    path = bokehbench.home / "bokehbench-arm64-v8a.apk"
    assert bokehbench(*words).code == 0
    data = bytearray(path.read_bytes())
    data[20_000] ^= 4
    path.write_bytes(data)
    ended = bokehbench("apk", "check", path)
    assert ended.code == 2
    assert f"{path}: the file was altered" in ended.complaint
    assert ended.out == ""


def test_a_key_of_ones_own(bokehbench: Command, words: list[str]) -> None:
    key = bokehbench.home / "team.pem"
    missing = bokehbench("apk", "key", "--key", key)
    assert missing.code == 2
    assert f"`bokehbench apk key --create --key {key}` makes one" in missing.complaint
    made = bokehbench("apk", "key", "--create", "--key", key, "--json", "-").json()
    assert bokehbench("apk", "key", "--create", "--key", key).code == 2
    built = bokehbench(*words, "--key", key, "--json", "-").json()
    assert built["cert_sha256"] == made["cert_sha256"]
    pem = bokehbench("apk", "key", "--key", key, "--certificate", "-")
    assert pem.out.startswith("-----BEGIN CERTIFICATE-----\n")
    assert "PRIVATE" not in pem.out
    key.chmod(0o644)
    ended = bokehbench(*words, "--key", key, "-o", "other.apk")
    assert (ended.code, "others can read it" in ended.complaint) == (2, True)
    assert not (bokehbench.home / "other.apk").exists()


def test_wrong_words_and_files(bokehbench: Command, words: list[str], tmp_path: Path) -> None:
    other = write_library(tmp_path / "libother.so", "x86_64")
    cases: list[tuple[list[str], int, str]] = [
        (["apk", "build", "--abi", "x86"], 2, "ABI x86: no app is built for it"),
        ([*words, "--engine", "tflite"], 2, "--engine and --engine-files: give one of them"),
        ([*words, "--engine-files", str(other)], 2, "libother.so: built for x86-64"),
        ([*words, "--abi", "x86_64"], 2, "built for 64-bit ARM"),
        ([*words, "-o", "missing/out.apk"], 2, "missing/out.apk: can't be written"),
        ([*words, "--json", "missing/out.json"], 2, "--json missing/out.json: can't be written"),
        ([*words[:4], "--engine", "litert"], 4, "engines install litert --abi arm64-v8a"),
        (["apk", "key", "--create"], 2, "--create: name the new file with --key"),
        (["apk", "check", "missing.apk"], 2, "missing.apk: can't be read: No such file"),
    ]
    for case, code, text in cases:
        ended = bokehbench(*case)
        assert (ended.code, ended.out) == (code, ""), ended.err
        assert text in ended.complaint
    assert not list(bokehbench.home.glob("*.apk"))


def test_older_builds_are_forgotten_beside_another_run_that_does_so(tmp_path: Path) -> None:
    for age in range(10):
        path = tmp_path / f"{age}.apk"
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    # As a file is that another run removed between the listing and the look.
    (tmp_path / "gone.apk").symlink_to(tmp_path / "nowhere")
    app_options._forget_others(tmp_path / "0.apk")
    assert sorted(p.name for p in tmp_path.glob("[0-9].apk")) == [f"{n}.apk" for n in range(8)]


def test_nothing_is_written_over_the_key_or_a_library(
    bokehbench: Command, words: list[str]
) -> None:
    key = bokehbench.home / "team.pem"
    bokehbench("apk", "key", "--create", "--key", key)
    own = Path(bokehbench("apk", "key", "--json", "-").json()["path"])
    library = Path(words[-1])
    kept = {path: path.read_bytes() for path in (key, own, library)}
    link = bokehbench.home / "link"
    link.symlink_to(key)
    new = bokehbench.home / "new.pem"
    cases: list[tuple[list[str | Path], str]] = [
        ([*words, "--key", key, "-o", key], "--out"),
        ([*words, "--key", key, "-o", link], "--out"),
        ([*words, "-o", own], "--out"),
        ([*words, "-o", library], "would replace what it is made of"),
        ([*words, "-o", "one", "--json", "one"], "--json one: --out goes there as well"),
        ([*words, "--json", own], "--json"),
        (["apk", "key", "--certificate", own], "the signing key is there"),
        (["apk", "key", "--key", key, "--certificate", link], "--certificate"),
        (["apk", "key", "--create", "--key", new, "--certificate", new], "signing key is there"),
        (["apk", "key", "--create", "--key", new, "--json", new], "signing key is there"),
        (["apk", "key", "--certificate", "one", "--json", "one"], "--json goes there as well"),
    ]
    for case, text in cases:
        ended = bokehbench(*case)
        assert (ended.code, ended.out) == (2, ""), case
        assert text in ended.complaint
        assert {path: path.read_bytes() for path in kept} == kept
    assert not new.exists()
    assert not (bokehbench.home / "one").exists()
    assert bokehbench(*words, "-o", "one", "--json", "/dev/null").code == 0
