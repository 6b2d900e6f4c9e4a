"""What a built APK holds, that it is the same every time, and what it is not built from."""

import hashlib
import os
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from bokehbench.apk import ApkFile, SigningKey, bundled_app_library, check_apk
from bokehbench.apk.archive import write_archive
from bokehbench.apk.dex import write_dex
from bokehbench.apk.manifest import write_manifest
from bokehbench.errors import ApkError
from bokehbench.facts.app import LIBRARY_FILE
from tests.apk.conftest import Parts
from tests.support.apk import write_library


def test_it_holds_the_libraries_as_they_are(apk: ApkFile, parts: Parts) -> None:
    with zipfile.ZipFile(apk.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "AndroidManifest.xml",
            "classes.dex",
            f"lib/{parts.abi}/{LIBRARY_FILE}",
            f"lib/{parts.abi}/libengine.so",
            f"lib/{parts.abi}/libengine_gpu.so",
        ]
        for path in (parts.app, *parts.engines):
            assert archive.read(f"lib/{parts.abi}/{path.name}") == path.read_bytes()
            info = archive.getinfo(f"lib/{parts.abi}/{path.name}")
            data_at = apk.path.read_bytes().index(path.read_bytes()[:64], info.header_offset)
            assert data_at % 16384 == 0


def test_it_is_described_as_it_is(apk: ApkFile, parts: Parts, key: SigningKey) -> None:
    data = apk.path.read_bytes()
    assert apk.sha256 == hashlib.sha256(data).hexdigest()
    assert apk.size_bytes == len(data)
    assert apk.cert_sha256 == key.cert_sha256
    assert apk.version_code == 1
    found = {library.name: library for library in apk.libraries}
    assert found["libengine.so"].align_bytes == 4096
    assert found[LIBRARY_FILE].align_bytes == 16384
    checked = check_apk(apk.path)
    assert checked.schemes == (2, 3)
    assert (checked.sha256, checked.cert_sha256) == (apk.sha256, apk.cert_sha256)
    assert checked.libraries == {
        f"{parts.abi}/{library.name}": library.sha256 for library in apk.libraries
    }


def test_two_builds_are_identical(
    apk: ApkFile, parts: Parts, key: SigningKey, tmp_path: Path
) -> None:
    swapped = replace(parts, engines=parts.engines[::-1])
    again = swapped.build(tmp_path / "again.apk", key)
    assert again.path.read_bytes() == apk.path.read_bytes()
    assert replace(again, path=apk.path) == apk


def test_the_bytes_are_the_same_under_every_python() -> None:
    """The zip is written by Python's own library: hashes of what 3.11 made."""
    entries = {"a.txt": b"text", "lib/x86_64/liba.so": b"one", "lib/x86_64/libb.so": b"two"}
    archive = hashlib.sha256(write_archive(entries)).hexdigest()
    assert archive == "6865dd435afc2f1c58686996199e57a165f926bf43ef03ef24d0a88323a32fd0"
    texts = hashlib.sha256(write_manifest("0") + write_dex("a.B")).hexdigest()
    assert texts == "57fd2781ba16588e4a74f4b80c4c65be42219049590b9a79520882477bade728"


def test_another_library_or_key_gives_another_version(
    apk: ApkFile, parts: Parts, key: SigningKey, other_key: SigningKey, tmp_path: Path
) -> None:
    changed = tmp_path / "libengine.so"
    changed.write_bytes(parts.engines[1].read_bytes() + b"\0")
    names = {apk.version_name, parts.build(tmp_path / "b.apk", other_key).version_name}
    with_changed = replace(parts, engines=(parts.engines[0], changed))
    names.add(with_changed.build(tmp_path / "c.apk", key).version_name)
    assert len(names) == 3


def test_an_older_file_is_replaced_also_behind_a_link(
    parts: Parts, key: SigningKey, tmp_path: Path
) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link.apk").symlink_to("real")
    made = parts.build(tmp_path / "link.apk", key)
    assert (tmp_path / "link.apk").is_symlink()
    assert hashlib.sha256((tmp_path / "real").read_bytes()).hexdigest() == made.sha256
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.apk", "real"]


@pytest.mark.parametrize("where", ["missing/app.apk", "file/app.apk", "folder", "pipe"])
def test_what_cannot_be_written_is_named(
    where: str, parts: Parts, key: SigningKey, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ApkError, match=rf"{where}.*give a file") as caught:
        parts.build(tmp_path / where, key)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "pipe"]
    assert (tmp_path / "pipe").is_fifo()


def wrong(folder: Path, what: str) -> Path:
    """An engine library that can't go into an APK for arm64-v8a."""
    path = folder / "libwrong.so"
    if what == "text":
        path.write_text("no library at all")
    elif what == "empty":
        path.touch()
    elif what == "other ABI":
        write_library(path, "x86_64")
    elif what == "cut":
        write_library(path)
        path.write_bytes(path.read_bytes()[:-600])
    elif what == "runner":
        path.write_bytes(bundled_runner().read_bytes())
    elif what == "folder":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    elif what == "name":
        path = write_library(folder / "engine.so")
    elif what == "nowhere":
        path = folder / "engine.so"
    elif what == "app":
        path = write_library(folder / LIBRARY_FILE)
    return path


def bundled_runner() -> Path:
    """The runner for arm64-v8a: an executable of the right machine."""
    from bokehbench.runners import bundled_runner

    return bundled_runner("android", "arm64-v8a")[1]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("text", "not an ELF file"),
        ("empty", "not an ELF file"),
        ("other ABI", "built for x86-64, which android arm64-v8a can't load"),
        ("cut", "a broken ELF file"),
        ("runner", "a program, where a shared library is needed"),
        ("folder", "can't be read: Is a directory"),
        ("pipe", "is a pipe or a device; give a library's file"),
        ("missing", "can't be read: No such file"),
        ("name", "rename it"),
        ("nowhere", "can't be read: No such file or directory; check the path"),
        ("app", f"a second library named {LIBRARY_FILE}"),
    ],
)
def test_what_is_no_library_of_the_abi_is_refused(
    what: str, words: str, key: SigningKey, tmp_path: Path
) -> None:
    app = write_library(tmp_path / "app" / LIBRARY_FILE)
    parts = Parts("arm64-v8a", app, (wrong(tmp_path, what),))
    with pytest.raises(ApkError, match=words) as caught:
        parts.build(tmp_path / "out.apk", key)
    assert str(parts.engines[0]) in str(caught.value)
    assert not (tmp_path / "out.apk").exists()


def test_the_native_part_has_to_be_one(key: SigningKey, tmp_path: Path) -> None:
    plain = write_library(tmp_path / "libplain.so", source="int plain(void) { return 1; }")
    with pytest.raises(ApkError, match=r"libplain.so: lacks ANativeActivity_onCreate"):
        Parts("arm64-v8a", plain, (plain,)).build(tmp_path / "out.apk", key)


def test_no_engine_and_unknown_abis_are_refused(key: SigningKey, tmp_path: Path) -> None:
    app = write_library(tmp_path / LIBRARY_FILE)
    with pytest.raises(ApkError, match="no engine library for arm64-v8a"):
        Parts("arm64-v8a", app, ()).build(tmp_path / "out.apk", key)
    with pytest.raises(ApkError, match=r"ABI armeabi-v7a: .*arm64-v8a, x86_64"):
        Parts("armeabi-v7a", app, (app,)).build(tmp_path / "out.apk", key)
    with pytest.raises(ApkError, match="ABI arm64: "):
        bundled_app_library("arm64")
