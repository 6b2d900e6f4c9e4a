"""Measurement protocols: what is shipped, users' own, and what is wrong with a file."""

import re
from pathlib import Path

import pytest

from bokehbench.errors import UsageError
from bokehbench.schedule import protocols

GOOD = """
name = "mine"
processes = 7
warmups = 2
runs = 9
min_runs = 3
max_seconds = 4.5
order = "abba"
rest_seconds = 1
max_settle_seconds = 30
[reference]
processes = 2
"""


def test_shipped_protocols() -> None:
    found = protocols.shipped()
    assert set(found) == {"challenge", "quick", "ci"}
    assert found["challenge"].ranked
    assert found["challenge"].verify_files
    assert found["challenge"].reference.processes >= 3
    assert not found["quick"].ranked
    assert found["ci"].order == "abba"


def test_a_file_of_the_users_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    protocol = protocols.find(str(path))
    assert (protocol.name, protocol.processes, protocol.max_seconds) == ("mine", 7, 4.5)
    assert (protocol.order, protocol.rest_seconds) == ("abba", 1)
    assert (protocol.reference.processes, protocol.reference.runs) == (2, 20)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("processes = 7", "processes = 0"), "processes = 0: not within 1 to 1000"),
        (("processes = 7", "proceses = 7"), "unknown key proceses; there are name, processes"),
        (("processes = 7", 'processes = "7"'), "Expected `int`, got `str` - at `$.processes`"),
        (("min_runs = 3", "min_runs = 10"), "min_runs 10 is above runs 9; lower min_runs"),
        (("max_seconds = 4.5", "max_seconds = nan"), "max_seconds = nan: not within"),
        (("[reference]\nprocesses = 2", "[reference]\ntimes = 2"), "unknown key reference.times"),
        (("[reference]\nprocesses = 2", "[reference]\nruns = 0"), "reference.runs = 0: not within"),
        (("[reference]\nprocesses = 2", "reference = 3"), "Expected `object`, got `int`"),
        (('order = "abba"', 'order = "baab"'), "Invalid enum value 'baab'"),
        (('name = "mine"', 'name = "challenge"'), "is a shipped protocol's; choose another"),
        (('name = "mine"', 'name = ""'), "name is empty"),
        (('name = "mine"', ""), "no name; add it: what tables call it"),
        (("runs = 9", "runs = ["), "not TOML: Invalid value (at line 6, column 1); correct that"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    path = tmp_path / "mine.toml"
    assert change[0] in GOOD
    path.write_text(GOOD.replace(*change))
    with pytest.raises(UsageError) as caught:
        protocols.find(str(path))
    assert str(caught.value).startswith(f"--protocol {path}: ")
    assert said in str(caught.value)


def test_no_such_protocol(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--protocol chalenge: unknown; there are challenge, ci"):
        protocols.find("chalenge")
    with pytest.raises(UsageError, match="can't be read"):
        protocols.find(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match="is a folder"):
        protocols.find(str(tmp_path))


def test_a_file_is_read_with_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert protocols.find(str(path)).name == "mine"
    for data, said in (
        (b"#" * (65 << 10), "larger than 64 KiB; is it a protocol?"),
        (b"name = '\xff'", "byte 8 is no UTF-8"),
        (b"a = " + b"[" * 20_000, "not TOML"),
    ):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=re.escape(said)):
            protocols.find(str(path))
    with pytest.raises(UsageError, match="is a folder"):
        protocols.find(str(tmp_path))
    with pytest.raises(UsageError, match="can't be read"):
        protocols.find(str(tmp_path / "none.toml"))
