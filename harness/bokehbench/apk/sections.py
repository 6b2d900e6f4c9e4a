"""The parts of an APK that a signature covers, and what their digest is.

Source: "APK Signature Scheme v2" of AOSP: the signing block lies between the entries and the
central directory; everything but the block itself is digested in chunks of 1 MB.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bokehbench.errors import ApkError

MAGIC = b"APK Sig Block 42"

_END_MAGIC = b"PK\x05\x06"
_END_BYTES = 22
_END_DIRECTORY_AT = 16
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Sections:
    """An APK in its parts; `block` is the signing block's pairs, id -> value, in their order."""

    entries: bytes
    block: dict[int, bytes]
    directory: bytes
    end: bytes

    def digest(self) -> bytes:
        """SHA-256 over chunks of the entries, the directory and the end of the zip.

        The end counts with the directory placed where the signing block starts, so that the block
        may have any size.
        """
        end = _with_directory_at(self.end, len(self.entries))
        chunks = [
            hashlib.sha256(b"\xa5" + struct.pack("<I", len(chunk)) + chunk).digest()
            for part in (self.entries, self.directory, end)
            for chunk in _chunks(part)
        ]
        return hashlib.sha256(b"\x5a" + struct.pack("<I", len(chunks)) + b"".join(chunks)).digest()

    def with_block(self, block: dict[int, bytes]) -> bytes:
        """The file with these pairs as its signing block."""
        pairs = b"".join(
            struct.pack("<QI", 4 + len(value), number) + value for number, value in block.items()
        )
        size = struct.pack("<Q", len(pairs) + 8 + len(MAGIC))
        framed = size + pairs + size + MAGIC
        end = _with_directory_at(self.end, len(self.entries) + len(framed))
        return self.entries + framed + self.directory + end


def split(data: bytes) -> Sections:
    """The parts of a zip without a comment, as all APKs of this package are.

    Raises:
        ApkError: it is no such zip, or its signing block is broken.
    """
    end = data[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END_MAGIC) or end[-2:] != b"\0\0":
        raise ApkError("not a whole APK: no end of a zip at its end")
    size, start = struct.unpack_from("<II", end, _END_DIRECTORY_AT - 4)
    if start + size != len(data) - _END_BYTES:
        raise ApkError("not a whole APK: the zip's directory is not where its end says")
    directory = data[start : start + size]
    if data[max(0, start - len(MAGIC)) : start] != MAGIC:
        return Sections(data[:start], {}, directory, end)
    if start < 32:
        raise ApkError("the signing block is broken: it is cut")
    [block_size] = struct.unpack_from("<Q", data, start - 24)
    block_at = start - 8 - block_size
    if (
        not 24 <= block_size <= start - 8
        or data[block_at : block_at + 8] != data[start - 24 : start - 16]
    ):
        raise ApkError("the signing block is broken: its two sizes differ")
    pairs = _pairs(data[block_at + 8 : start - 24])
    return Sections(data[:block_at], pairs, directory, end)


def _pairs(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 12:
            raise ApkError("the signing block is broken: a pair is cut")
        size, number = struct.unpack_from("<QI", data, at)
        if not 4 <= size <= len(data) - at - 8:
            raise ApkError("the signing block is broken: a pair has a wrong size")
        if number in found:
            raise ApkError(f"the signing block is broken: two pairs 0x{number:08x}")
        found[number] = data[at + 12 : at + 8 + size]
        at += 8 + size
    return found


def _chunks(data: bytes) -> Iterator[bytes]:
    view = memoryview(data)
    for at in range(0, len(data), _CHUNK_BYTES):
        yield bytes(view[at : at + _CHUNK_BYTES])


def _with_directory_at(end: bytes, offset: int) -> bytes:
    return end[:_END_DIRECTORY_AT] + struct.pack("<I", offset) + end[_END_DIRECTORY_AT + 4 :]
