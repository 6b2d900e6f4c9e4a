"""Archives give one file of a bounded size, or a refusal; never a file elsewhere."""

import struct
import zipfile
from pathlib import Path

import pytest

from bokehbench.engines import archive as archives
from bokehbench.engines import files
from bokehbench.engines.effort import Effort
from bokehbench.errors import EngineError
from tests.engines.conftest import everything_below, make_zip

NAME = "lib.so"


def take(path: Path, target: Path, abi: str = "arm64-v8a") -> bytes | None:
    """The member's bytes by way of the module under test."""
    with archives.open_archive(path, path.name) as archive:
        member = archives.find_member(archive, NAME, abi)
        if member is None:
            return None
        archives.extract(archive, member, target, Effort.of())
    return target.read_bytes()


def test_the_abi_chooses_the_member(tmp_path: Path) -> None:
    path = make_zip(
        tmp_path / "a.aar", {"jni/arm64-v8a/lib.so": b"arm", "jni/x86_64/lib.so": b"x86"}
    )
    assert take(path, tmp_path / "out") == b"arm"
    assert take(path, tmp_path / "out", "x86_64") == b"x86"
    with pytest.raises(EngineError, match=r"several times .* none of them for armeabi-v7a"):
        take(path, tmp_path / "out", "armeabi-v7a")


def test_one_file_anywhere_will_do(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.whl", {"ai_edge_litert/lib.so": b"one", "b.txt": b""})
    assert take(path, tmp_path / "out") == b"one"
    assert take(make_zip(tmp_path / "b.zip", {"b.txt": b""}), tmp_path / "out") is None


def test_the_archive_does_not_say_where_a_file_goes(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    evil = "../../jni/arm64-v8a/lib.so"
    path = make_zip(tmp_path / "evil.aar", {evil: b"evil", "/etc/lib.txt": b"evil"})
    assert take(path, inside / "lib.so") == b"evil"
    assert everything_below(tmp_path) == ["evil.aar", "inside/lib.so"]


def test_the_same_member_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.aar"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("jni/arm64-v8a/lib.so", b"one")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("jni/arm64-v8a/lib.so", b"two")
    with pytest.raises(EngineError, match="several times"):
        take(path, tmp_path / "out")


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
    path = make_zip(tmp_path / "bomb.aar", {"jni/arm64-v8a/lib.so": bytes(100_000)})
    with pytest.raises(EngineError, match="says it is 100000 bytes"):
        take(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bomb_that_lies_ends_at_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "bomb.aar", {"jni/arm64-v8a/lib.so": bytes(3_000_000)})
    data = bytearray(path.read_bytes())
    real, lie = struct.pack("<I", 3_000_000), struct.pack("<I", 10)
    assert data.count(real) == 2, "in the local and in the central header"
    path.write_bytes(bytes(data.replace(real, lie)))
    monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
    monkeypatch.setattr(files, "LIMIT_BYTES", 1000)
    with pytest.raises(EngineError):
        take(path, tmp_path / "out")
    assert (tmp_path / "out").stat().st_size <= 1000


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 10)
    path = make_zip(tmp_path / "many.aar", {f"{number}.txt": b"" for number in range(11)})
    with pytest.raises(EngineError, match="more than 10 files"):
        take(path, tmp_path / "out")


def test_damage_anywhere_is_a_refusal(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "a.aar", {"jni/arm64-v8a/lib.so": bytes(range(256)) * 40})
    data = whole.read_bytes()
    path = tmp_path / "broken.aar"
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        with pytest.raises(EngineError, match=r"broken.aar: a broken archive"):
            take(path, tmp_path / "out")
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        try:
            taken = take(path, tmp_path / "out")
        except EngineError:
            continue
        assert taken in (None, bytes(range(256)) * 40), f"byte {place}: wrong bytes were taken"


def test_a_method_that_is_unknown_or_a_password_is_a_refusal(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.aar", {"jni/arm64-v8a/lib.so": bytes(500)})
    data = bytearray(path.read_bytes())
    for start, flags, method in ((0, 6, 8), (data.index(b"PK\x01\x02"), 8, 10)):
        data[start + flags] |= 1
        data[start + method] = 8
    path.write_bytes(bytes(data))
    with pytest.raises(EngineError, match="encrypted"):
        take(path, tmp_path / "out")
    path.write_bytes(path.read_bytes().replace(b"\x01\x00\x08\x00", b"\x00\x00\x63\x00"))
    with pytest.raises(EngineError, match="compression"):
        take(path, tmp_path / "out")
