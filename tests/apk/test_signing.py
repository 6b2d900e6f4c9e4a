"""The signatures: every byte counts, none of them can be taken away, broken blocks are named."""

import random
import struct
from pathlib import Path

import pytest

from bokehbench.apk import SigningKey, check_apk
from bokehbench.apk.archive import write_archive
from bokehbench.apk.axml import Attribute, Element, encode
from bokehbench.apk.manifest import write_manifest
from bokehbench.apk.sections import MAGIC, split
from bokehbench.apk.signing import V2_ID, V3_ID, sign, verify
from bokehbench.errors import ApkError
from bokehbench.facts.app import LIBRARY_FILE, PACKAGE

ENTRIES = {"AndroidManifest.xml": b"manifest", "lib/x86_64/liba.so": b"library" * 60}


@pytest.fixture(scope="module")
def signed(key: SigningKey) -> bytes:
    """A small archive, signed."""
    return sign(write_archive(ENTRIES), key)


def test_what_was_signed_is_accepted(signed: bytes, key: SigningKey) -> None:
    assert [(s.scheme, s.certificate) for s in verify(signed)] == [
        (2, key.certificate_der),
        (3, key.certificate_der),
    ]


def test_every_flipped_byte_of_the_block_and_of_what_follows_is_rejected(signed: bytes) -> None:
    start = len(split(signed).entries)
    for at in range(start, len(signed)):
        altered = bytearray(signed)
        altered[at] ^= 1
        with pytest.raises(ApkError):
            verify(bytes(altered))


def test_flipped_bytes_of_the_entries_are_rejected(signed: bytes) -> None:
    start = len(split(signed).entries)
    for at in random.Random(4).sample(range(start), 300):
        altered = bytearray(signed)
        altered[at] ^= 0x80
        with pytest.raises(ApkError, match="was altered"):
            verify(bytes(altered))


def test_every_cut_is_rejected(signed: bytes) -> None:
    for size in [*range(0, 80), *range(len(signed) - 4000, len(signed), 7)]:
        with pytest.raises(ApkError):
            verify(signed[:size])
    with pytest.raises(ApkError):
        verify(signed + b"\0")


def test_neither_signature_can_be_taken_away(signed: bytes, other_key: SigningKey) -> None:
    sections = split(signed)
    with pytest.raises(ApkError, match="no signature of scheme v3"):
        verify(sections.with_block({V2_ID: sections.block[V2_ID]}))
    with pytest.raises(ApkError, match="no signature of scheme v2"):
        verify(sections.with_block({V3_ID: sections.block[V3_ID]}))
    with pytest.raises(ApkError, match="not signed"):
        verify(write_archive(ENTRIES))
    others = split(sign(write_archive(ENTRIES), other_key)).block
    with pytest.raises(ApkError, match="of different keys"):
        verify(sections.with_block({V2_ID: sections.block[V2_ID], V3_ID: others[V3_ID]}))


def test_broken_blocks_are_named(signed: bytes) -> None:
    sections = split(signed)
    with pytest.raises(ApkError, match="0x00001234 as well"):
        verify(sections.with_block({**sections.block, 0x1234: b""}))
    with pytest.raises(ApkError, match="signature v2 is broken: a part is cut"):
        verify(sections.with_block({**sections.block, V2_ID: sections.block[V2_ID][:-9]}))
    with pytest.raises(ApkError, match="signature v3 is broken: there is more"):
        verify(sections.with_block({**sections.block, V3_ID: sections.block[V3_ID] + b"more"}))


def test_a_huge_size_in_the_block_is_refused(signed: bytes) -> None:
    at = signed.index(MAGIC)
    for size in (0, 23, 1 << 31, (1 << 64) - 1):
        altered = signed[: at - 8] + struct.pack("<Q", size) + signed[at:]
        with pytest.raises(ApkError, match="signing block is broken"):
            verify(altered)


def test_other_files_are_no_apks(tmp_path: Path) -> None:
    path = tmp_path / "some.apk"
    for data in (b"", b"PK", b"\x7fELF" + bytes(5000)):
        path.write_bytes(data)
        with pytest.raises(ApkError, match=r"some.apk: not a whole APK"):
            check_apk(path)
    with pytest.raises(ApkError, match="can't be read: No such file"):
        check_apk(tmp_path / "missing.apk")
    with pytest.raises(ApkError, match="is no file"):
        check_apk(tmp_path)


def test_a_library_that_is_not_at_a_page_is_refused(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "some.apk"
    # Neither starts where the archive writer would put it: names that end otherwise don't.
    unaligned = write_archive({"lib/x86_64/liba.sx": b"library", "b": b""})
    path.write_bytes(sign(unaligned.replace(b"liba.sx", b"liba.so"), key))
    with pytest.raises(ApkError, match=r"liba.so does not start at 16384 bytes"):
        check_apk(path)


def test_a_signed_zip_that_cannot_be_read_is_refused(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "some.apk"
    plain = write_archive({"lib/b.so": b"library"})
    directory = len(split(plain).entries)
    for at, value, words in (
        (8, 1, "not a zip that can be read: .*encrypted"),
        (10, 99, "lib/b.so is compressed"),
        (16, 7, "not a zip that can be read: Bad CRC"),
        (44, 0x10, "not a zip that can be read"),
    ):
        altered = bytearray(plain)
        altered[directory + at] ^= value
        path.write_bytes(sign(bytes(altered), key))
        with pytest.raises(ApkError, match=words):
            check_apk(path)


def test_another_app_is_not_one_of_ours(key: SigningKey, tmp_path: Path) -> None:
    path = tmp_path / "some.apk"
    ours = {"AndroidManifest.xml": write_manifest("1"), f"lib/x86_64/{LIBRARY_FILE}": b"native"}
    path.write_bytes(sign(write_archive(ours), key))
    assert check_apk(path).schemes == (2, 3)
    for name, data, words in (
        ("lib/x86_64/libother.so", b"native", f"ours: it has no {LIBRARY_FILE}"),
        ("AndroidManifest.xml", b"", "ours: its manifest does not name org.bokehbench.runner"),
        (
            "AndroidManifest.xml",
            encode(Element("manifest", (Attribute("package", None, f"{PACKAGE}.debug"),))),
            "ours: its manifest does not name",
        ),
    ):
        entries = {k: v for k, v in ours.items() if k.startswith("lib") != name.startswith("lib")}
        path.write_bytes(sign(write_archive({**entries, name: data}), key))
        with pytest.raises(ApkError, match=words):
            check_apk(path)
