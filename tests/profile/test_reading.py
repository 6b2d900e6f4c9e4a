"""Profiles that are wrong are refused with file, line and the nearest key."""

from pathlib import Path

import pytest

from bokehbench.errors import ProfileError
from bokehbench.profile import facts_of, load_folders, load_profile, parse_profile
from bokehbench.profile.lines import line_of

GOOD = """\
# A phone.
name = "pad"
title = "Pad"

[match]
platform = ["android"]
board_platform = ["pad1"]

[[backends]]
name = "xnnpack"
engine = "tflite"
reason = "sure"

[gpu]
name = "Mali"
max_khz = 800_000
verified = "sheet"

[[sensors]]
quantity = "gpu_clock"
path = "/sys/class/devfreq/*.gpu/cur_freq"
unit = "hz"

[settle]
max_celsius = 35

[sources]
sheet = "a data sheet"
"""


def with_line(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


WRONG = [
    (with_line("max_khz", "max_kz"), 16, "unknown key gpu.max_kz; did you mean max_khz"),
    (with_line("[gpu]", "[gpuu]"), 14, "unknown key gpuu; did you mean gpu"),
    (with_line("[settle]", "[settle]\nzzz = 1"), 25, "known are"),
    (with_line('unit = "hz"', 'unit = "Hz"'), 22, "sensors[1].unit: 'Hz' is none of hz, khz"),
    (
        with_line("max_khz = 800_000", 'max_khz = "fast"'),
        16,
        "gpu.max_khz: has to be a whole number, not text",
    ),
    (with_line("max_khz = 800_000", "max_khz = 0"), 16, "gpu.max_khz: has to be of value >= 1"),
    (
        with_line("max_celsius = 35", "max_celsius = [35]"),
        25,
        "settle.max_celsius: has to be a number, not a list",
    ),
    (with_line('engine = "tflite"\n', ""), 9, "backends[1]: has no engine, which is needed"),
    (with_line('title = "Pad"\n', ""), 1, "has no title, which is needed"),
    (with_line('name = "pad"', 'name = "Pad One"'), 2, "name: may only hold lower-case"),
    (with_line('verified = "sheet"', 'verified = "sheat"'), 17, "did you mean sheet"),
    (with_line('verified = "sheet"', 'verified = "none"'), 17, "add it to [sources]"),
    (with_line('verified = "sheet"', 'verified = { cors = "sheet" }'), 17, "marks cors"),
    (
        with_line('verified = "sheet"', "verified = { name = 3 }"),
        17,
        "has to be text, not a whole number",
    ),
    (
        with_line('verified = "sheet"', 'verified = "sheet"\nunverified = "sheet"'),
        18,
        "two marks for all keys",
    ),
    (
        with_line(
            'verified = "sheet"',
            'verified = { name = "sheet" }\nunverified = { name = "sheet" }',
        ),
        18,
        "marked verified and unverified",
    ),
    (with_line("/sys/class", "/data/class"), 21, "sensors[1].path"),
    (with_line("/sys/class", "/sys/$(reboot)"), 21, "sensors[1].path"),
    (with_line("/sys/class", "/sys/a b"), 21, "sensors[1].path"),
    (with_line('["android"]', '["windows"]'), 6, "match.platform[1]"),
    (with_line('[match]\nplatform = ["android"]', "match = 3\n[x]"), 6, "unknown key x"),
    (with_line("max_celsius = 35", "max_celsius = "), 25, "not TOML"),
    (GOOD + '[sources]\nmore = "x"\n', 29, "not TOML"),
    (GOOD + "= 5\n", 29, "not TOML"),
]


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "pad.toml")
    message = str(caught.value)
    assert message.startswith(f"pad.toml:{line}: "), message
    assert said in message
    assert "\n" not in message


def test_a_good_one_is_read() -> None:
    profile = parse_profile(GOOD, "pad.toml")
    assert profile.gpu.max_khz == 800_000
    assert profile.threads == 1


def test_facts_with_and_without_marks() -> None:
    facts = {fact.path: fact for fact in facts_of(GOOD, "pad.toml")}
    assert facts["gpu.max_khz"].mark == "verified"
    assert facts["gpu.max_khz"].source_text == "a data sheet"
    assert facts["settle.max_celsius"].mark is None
    assert "sensors[1].quantity" not in facts


def test_marks_of_single_keys_come_before_the_mark_of_all() -> None:
    text = with_line('verified = "sheet"', 'verified = "sheet"\nunverified = { name = "sheet" }')
    marks = {fact.path: fact.mark for fact in facts_of(text, "pad.toml")}
    assert marks["gpu.name"] == "unverified"
    assert marks["gpu.max_khz"] == "verified"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("match", "board_platform"), 7),
        (("match", "board_platform", 0), 7),
        (("backends", 0, "reason"), 12),
        (("gpu",), 14),
        (("sensors", 0, "path"), 21),
        (("sources", "sheet"), 28),
        (("not", "there"), 1),
    ],
)
def test_where_a_key_stands(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(GOOD, path) == line


def test_where_a_key_stands_in_a_list_over_several_lines() -> None:
    text = "a = 1\nlist = [\n  { x = 1 },\n  # { y = 0 }\n  { y = 2 },\n]\nb = 3\n"
    assert line_of(text, ("list", 1, "y")) == 5
    assert line_of(text, ("list",)) == 2
    assert line_of(text, ("b",)) == 7


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'name = "a"\ntitle = "\xff"\n')
    with pytest.raises(ProfileError, match=r"x\.toml:2: not UTF-8"):
        load_profile(path)
    path.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ProfileError, match="longer than"):
        load_profile(path)
    with pytest.raises(ProfileError, match="can't be read"):
        load_profile(tmp_path / "none.toml")
    path.write_text("\ufeff" + GOOD, encoding="utf-8")
    assert load_profile(path).name == "pad"
    path.write_bytes(GOOD.replace("\n", "\r\n").encode())
    assert load_profile(path).name == "pad"


def test_a_deep_nest_is_no_profile() -> None:
    with pytest.raises(ProfileError):
        parse_profile("a = " + "[" * 100_000, "deep.toml")


def test_a_later_folder_overrides_and_says_so(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, title in ((first, "First"), (second, "Second")):
        folder.mkdir()
        (folder / "pad.toml").write_text(with_line('"Pad"', f'"{title}"'), encoding="utf-8")
    loaded = load_folders([first, second, tmp_path / "not there"])
    assert loaded["pad"].profile.title == "Second"
    assert loaded["pad"].replaces == first / "pad.toml"


def test_two_of_one_name_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ProfileError, match=r"b\.toml: its name pad is also that of .*a\.toml"):
        load_folders([tmp_path])
