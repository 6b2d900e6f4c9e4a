"""`bokehbench engines`, and runs that install what a device lacks."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bokehbench.cli.connect import Connection, equip, equip_all
from bokehbench.errors import EngineError, EngineMissing
from bokehbench.facts import DeviceFacts
from bokehbench.phone.device import Device
from bokehbench.profile import DeviceProfile
from bokehbench.schedule import Choice
from tests.engines.conftest import everything_below, make_zip
from tests.engines.server import Answer, Site, wait_for
from tests.engines.test_install import ACCELERATOR, LITERT
from tests.support.command import Command


@pytest.fixture
def bokehbench(tmp_path: Path, site: Site) -> Command:
    """The command line with a home of its own, and the test's server in place of Google's."""
    return Command(
        tmp_path,
        {
            "BOKEHBENCH_ENGINES": str(tmp_path / "engines"),
            "BOKEHBENCH_RELEASE_URL": site.address,
        },
    )


@pytest.fixture
def published(site: Site, litert: bytes, tflite_gpu: bytes) -> Site:
    """A server with LiteRT 2.3.0 for arm64."""
    site.answers |= {LITERT: Answer(litert), ACCELERATOR: Answer(tflite_gpu)}
    return site


def test_a_day_with_engines(bokehbench: Command, published: Site, tmp_path: Path) -> None:
    fresh = bokehbench("engines", "list", "--json").json()
    assert [engine["folder"] for engine in fresh["engines"]] != []
    assert all("of this Python" in engine["source"] for engine in fresh["engines"])
    assert {offer["name"] for offer in fresh["available"]} == {
        "tflite",
        "litert",
        "benchmark_model",
    }
    installed = bokehbench("engines", "install", "litert", "--json")
    assert installed.code == 0, installed.err
    assert installed.err == ""
    [engine] = installed.json()["engines"]
    assert (engine["version"], engine["trust"], engine["in_use"]) == ("2.3.0", "locked", True)
    assert engine["source"].startswith(published.address)
    assert engine["usable"]
    again = bokehbench("engines", "install", "litert")
    assert again.out.startswith("was there: litert 2.3.0 for android arm64-v8a, in use\n")
    listed = bokehbench("engines", "list")
    assert "litert 2.3.0 for android arm64-v8a, in use" in listed.out
    assert "bokehbench engines install tflite --abi arm64-v8a" in listed.out
    assert "install litert --abi arm64-v8a" not in listed.out
    assert bokehbench("engines", "check").code == 0
    library = tmp_path / "engines/litert/android-arm64-v8a/2.3.0/libLiteRt.so"
    library.chmod(0o644)
    library.write_bytes(b"altered")
    checked = bokehbench("engines", "check", "litert", "--json")
    assert checked.code == 4
    [bad] = [row for row in checked.json()["engines"] if row["problems"]]
    assert bad["cure"] == "bokehbench engines install litert --abi arm64-v8a --version 2.3.0"
    assert "can't be used: " in bokehbench("engines", "list").out
    assert bokehbench("engines", "install", "litert").out.startswith("installed: ")
    removed = bokehbench("engines", "remove", "litert")
    assert removed.out == "removed: litert 2.3.0 for android arm64-v8a\n"
    assert everything_below(tmp_path / "engines") == ["lock.json"]
    forgotten = bokehbench("engines", "remove", "litert", "--forget")
    assert forgotten.code == 0
    assert json.loads((tmp_path / "engines/lock.json").read_text())["files"] == {}


def test_bad_words_are_one_line(bokehbench: Command, tmp_path: Path) -> None:
    a_file = tmp_path / "file"
    a_file.touch()
    for words, complaint in (
        (["install", "nosuch"], "nosuch: no engine or tool of that name"),
        (["install", "tflite", "--abi", "x86"], "no build for android x86"),
        (["install", "tflite", "--platform", "linux"], "nobody publishes it"),
        (["install", "tflite", "--version", "../x"], "not a version"),
        (["install", "tflite", "--from", tmp_path / "no.aar"], "no.aar: No such file"),
        (["install", "litert", "--release-url", "http://example.com/"], "not an https:// address"),
        (["install", "litert", "--folder", a_file], f"--folder {a_file}: is no folder"),
        (["list", "--folder", a_file], f"--folder {a_file}: is no folder"),
        (["install", "tflite", "--maven-settings", tmp_path / "no.xml"], "does not exist"),
        (["check", "tflite"], "tflite: not installed"),
        (["remove", "tflite"], "tflite: not installed"),
    ):
        ended = bokehbench("engines", *words)
        # What is not published is no bad input.
        assert ended.code == (4 if "nobody publishes" in complaint else 2), words
        assert complaint in ended.complaint, words
        assert ended.out == ""


def test_an_interruption_ends_with_130_and_nothing_installed(
    bokehbench: Command, published: Site, litert: bytes, tmp_path: Path
) -> None:
    published.answers[ACCELERATOR] = Answer(litert, gap_seconds=0.2)
    with bokehbench.start("engines", "install", "litert") as process:
        wait_for(published, ACCELERATOR)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.strip()) == (130, "", "bokehbench: interrupted")
    assert everything_below(tmp_path / "engines") == []
    assert not list((tmp_path / "engines").glob(".part-*"))


def test_what_was_installed_before_a_failure_is_said(bokehbench: Command, published: Site) -> None:
    words = ("engines", "install", "litert", "--abi", "arm64-v8a", "--abi", "x86_64")
    ended = bokehbench(*words)
    assert ended.code == 4
    assert ended.out.startswith("installed: litert 2.3.0 for android arm64-v8a, in use\n")
    assert f"{published.address}/2.3.0/android_x86_64/libLiteRt.so: not published (HTTP 404)" in (
        ended.complaint
    )


def test_control_characters_of_a_file_name_do_not_reach_the_terminal(
    bokehbench: Command, tmp_path: Path, tflite: bytes
) -> None:
    member = "jni/arm64-v8a/libtensorflowlite_jni.so"
    evil = make_zip(tmp_path / "evil\x1b[31m.aar", {member: tflite})
    ended = bokehbench("engines", "install", "tflite", "--from", evil)
    assert ended.code == 0
    assert "\x1b" not in ended.out + ended.err
    assert "warning: no libtensorflowlite_gpu_jni.so" in ended.err
    assert "\x1b" not in bokehbench("engines", "list").out


def connection(abi: str = "arm64-v8a") -> Connection:
    """A phone of which only the facts are asked."""
    facts = DeviceFacts(address="phone", device_id="phone", platform="android", abi=abi)
    device = cast(Device, SimpleNamespace(facts=facts))
    return Connection(device, cast(DeviceProfile, None))


@pytest.fixture
def at_home(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """This process with a depot of its own and the test's server; gives what the depot holds."""
    monkeypatch.setenv("BOKEHBENCH_ENGINES", str(tmp_path / "engines"))
    monkeypatch.setenv("BOKEHBENCH_RELEASE_URL", site.address)
    return lambda: everything_below(tmp_path / "engines")


@pytest.mark.usefixtures("at_home")
def test_a_run_installs_what_a_phone_lacks(
    published: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = equip(connection(), "litert", gpu=True, may_install=True)
    assert engine.accelerators
    assert capsys.readouterr().err == "installed engine litert 2.3.0 for android arm64-v8a\n"
    published.asked.clear()
    equip(connection(), "litert", gpu=True, may_install=True)
    assert published.asked == []
    assert capsys.readouterr().err == ""


def test_what_may_not_be_installed_is_not(
    published: Site, at_home: Callable[[], list[str]]
) -> None:
    with pytest.raises(EngineMissing, match="run `bokehbench engines install litert"):
        equip(connection(), "litert", gpu=True)
    assert published.asked == []
    assert at_home() == []


@pytest.mark.usefixtures("at_home", "published")
def test_one_engine_is_enough_where_the_other_can_not_be_had() -> None:
    choices = [
        Choice(backend="gpu", engine="litert", reason=""),
        Choice(backend="xnnpack", engine="nosuch", reason=""),
    ]
    engines, missing = equip_all(connection(), choices, optional=True, may_install=True)
    assert set(engines) == {"litert"}
    assert "no engine or tool of that name" in missing["nosuch"]
    with pytest.raises(EngineError, match="nosuch"):
        equip_all(connection(), choices, optional=False, may_install=True)


@pytest.mark.usefixtures("at_home")
def test_an_altered_engine_is_not_replaced_behind_the_users_back(published: Site) -> None:
    library = equip(connection(), "litert", gpu=True, may_install=True).library
    library.chmod(0o644)
    library.write_bytes(b"altered")
    published.asked.clear()
    with pytest.raises(EngineError, match="sha256 differs"):
        equip(connection(), "litert", gpu=True, may_install=True)
    assert published.asked == []
