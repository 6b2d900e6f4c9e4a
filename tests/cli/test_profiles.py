"""`bokehbench profiles`, and profiles of one's own, as a user meets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.phone.phones import DATA
from tests.rig import TestDevice, require_rig
from tests.support.command import Command

OWN = """\
name = "{name}"
title = "My pad"

[match]
platform = ["linux"]
model = ["NOH"]

[[backends]]
name = "cpu"
engine = "litert"
reason = "mine"
"""


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A test device."""
    require_rig()
    with TestDevice() as device:
        yield device


def own_profile(folder: Path, name: str = "pad", text: str = OWN) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text.format(name=name), encoding="utf-8")
    return path


def test_list_for_people_and_programs(bokehbench: Command) -> None:
    ended = bokehbench("profiles", "list")
    assert ended.code == 0
    assert "kirin9000" in ended.out
    assert "verified" in ended.out
    assert ended.out.splitlines()[-1] == f"your own: {bokehbench.home}/config/bokehbench/profiles"
    document = bokehbench("profiles", "list", "--json").json()
    rows = {row["name"]: row for row in document["profiles"]}
    assert rows["kirin9000"]["unmarked"] == 0
    assert rows["kirin9000"]["shipped"] is True
    assert len(rows) == 15


def test_show_prints_facts_with_their_marks_and_sources(bokehbench: Command) -> None:
    shown = bokehbench("profiles", "show", "kirin9000").out
    assert "gpu.peak_fp16_gflops" in shown
    assert "[verified: challenge]" in shown
    assert "  challenge: Ignatov et al." in shown
    document = bokehbench("profiles", "show", "kirin9000", "--json").json()
    facts = {fact["path"]: fact for fact in document["facts"]}
    assert facts["gpu.peak_fp16_gflops"]["value"] == 4600
    assert document["profile"]["settle"]["max_thermal_status"] == 0
    assert "known are" in bokehbench("profiles", "show", "kirin").complaint


def test_match_of_this_machine(bokehbench: Command) -> None:
    ended = bokehbench("profiles", "match", "local")
    assert ended.code == 0
    assert ended.out.startswith("chosen  generic-linux")
    assert "platform is linux, not android" in ended.out


def test_match_of_a_device(bokehbench: Command, phone: TestDevice) -> None:
    document = bokehbench("profiles", "match", f"tcp:{phone.address}", "--json").json()
    assert document["chosen"] == "generic-linux"
    assert document["device"]["board_platform"] == "kirin9000"


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("mate-40-pro-10", "kirin9000"),
        ("galaxy-s10e-9", "android-arm64"),
        ("pixel-6-12", "tensor-g1"),
        ("qrd8450-12", "android-arm64"),
    ],
)
def test_match_of_a_saved_getprop(bokehbench: Command, name: str, chosen: str) -> None:
    ended = bokehbench("profiles", "match", "--getprop", DATA / name / "getprop.txt", "--json")
    assert ended.code == 0
    assert ended.json()["chosen"] == chosen


def test_match_of_a_build_prop(bokehbench: Command, tmp_path: Path) -> None:
    path = tmp_path / "build.prop"
    lines = ["# comment", "ro.board.platform=kalama", "ro.product.cpu.abilist=arm64-v8a"]
    path.write_text("\n".join(lines), encoding="utf-8")
    document = bokehbench("profiles", "match", "--getprop", path, "--json").json()
    assert document["chosen"] == "snapdragon-8-gen-2"


def test_nothing_matches_a_32_bit_device(bokehbench: Command) -> None:
    path = DATA / "arm32-9" / "getprop.txt"
    ended = bokehbench("profiles", "match", "--getprop", path)
    assert ended.code == 2
    assert "32-bit programs only" in ended.complaint
    ended = bokehbench("profiles", "match", "--getprop", path, "--json")
    assert ended.code == 2
    assert ended.json()["chosen"] is None
    assert "32-bit" in ended.json()["problem"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a device, or a file"),
        (("local", "--getprop", "x"), "one of the two"),
        (("--getprop", "none.txt"), "can't be read"),
        (("--getprop", "/etc/passwd"), "holds no properties"),
        (("--getprop", "/"), "can't be read"),
        (("local", "--profile-dir", "none"), "no such folder"),
    ],
)
def test_words_that_are_wrong(bokehbench: Command, words: tuple[str, ...], said: str) -> None:
    ended = bokehbench("profiles", "match", *words)
    assert ended.code == 2
    assert said in ended.complaint


def test_a_profile_of_ones_own_is_found_in_the_users_folder(
    bokehbench: Command, phone: TestDevice
) -> None:
    path = own_profile(bokehbench.home / "config/bokehbench/profiles")
    document = bokehbench("profiles", "match", f"tcp:{phone.address}", "--json").json()
    assert document["chosen"] == "pad"
    assert str(path) in bokehbench("profiles", "list").out


def test_a_folder_by_option_and_by_environment_overrides(
    bokehbench: Command, tmp_path: Path
) -> None:
    own_profile(tmp_path / "more", "generic-linux")
    words = ("profiles", "show", "generic-linux", "--json")
    shown = bokehbench(*words, "--profile-dir", tmp_path / "more").json()
    assert shown["title"] == "My pad"
    assert shown["replaces"].endswith("generic-linux.toml")
    bokehbench.environment["BOKEHBENCH_PROFILE_DIR"] = str(tmp_path / "more")
    assert bokehbench(*words).json()["title"] == "My pad"
    bokehbench.environment["BOKEHBENCH_PROFILE_DIR"] = str(tmp_path / "nothing")
    assert "BOKEHBENCH_PROFILE_DIR: no such folder" in bokehbench("devices").out


@pytest.mark.parametrize("words", [("profiles", "list"), ("run", "--device", "local", "M")])
def test_a_wrong_profile_is_refused_with_its_line(
    bokehbench: Command, model: Path, words: tuple[str, ...]
) -> None:
    path = own_profile(
        bokehbench.home / "config/bokehbench/profiles",
        text=OWN.replace('model = ["NOH"]', "modle = []"),
    )
    ended = bokehbench(*[model if word == "M" else word for word in words])
    assert ended.code == 2
    assert f"{path}:6: unknown key match.modle; did you mean model" in ended.complaint


def test_two_that_match_equally_well_are_refused_until_one_is_named(
    bokehbench: Command, phone: TestDevice
) -> None:
    folder = bokehbench.home / "config/bokehbench/profiles"
    for name in ("pad", "tab"):
        own_profile(folder, name)
    ended = bokehbench("profiles", "match", f"tcp:{phone.address}")
    assert ended.code == 2
    assert "profiles pad and tab fit equally well" in ended.complaint
    assert "--profile NAME" in ended.complaint
