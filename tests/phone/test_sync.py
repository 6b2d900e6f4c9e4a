"""The sync protocol's framing over a stream that gives and takes pieces of any size."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.errors import DeviceLost
from bokehbench.phone.sync import CHUNK, SyncError, SyncGarbage, SyncSession, data_blocks
from bokehbench.phone.transport import Deadline

SOON = Deadline.after(3600)


class Script:
    """A stream whose answers are written down beforehand."""

    def __init__(self, answer: bytes, piece: int = 1 << 20) -> None:
        self.answer = answer
        self.sent = bytearray()
        self.is_ready = False
        self._piece = piece

    def recv(self, deadline: Deadline) -> bytes:
        data, self.answer = self.answer[: self._piece], self.answer[self._piece :]
        return data

    def send(self, data: bytes | memoryview, deadline: Deadline) -> None:
        self.sent += data

    def ready(self) -> bool:
        return self.is_ready

    def close(self) -> None:
        pass


def head(name: bytes, value: int) -> bytes:
    return struct.pack("<4sI", name, value)


def stat_2(mode: int, size: int, error: int = 0) -> bytes:
    return b"STA2" + struct.pack("<IQQIIIIQqqq", error, 1, 2, mode, 1, 0, 0, size, 0, 0, 0)


@given(st.binary(max_size=3000), st.integers(1, 50), st.lists(st.integers(1, 500), min_size=1))
def test_a_file_arrives_whole_at_any_split(data: bytes, piece: int, sizes: list[int]) -> None:
    answer, left = b"", data
    while left:
        size = sizes[len(answer) % len(sizes)]
        answer += head(b"DATA", len(left[:size])) + left[:size]
        left = left[size:]
    sink = io.BytesIO()
    stream = Script(answer + head(b"DONE", 0), piece)
    SyncSession(stream, stat_2=True).receive(b"/a", sink, SOON)
    assert sink.getvalue() == data
    assert stream.sent == head(b"RECV", 2) + b"/a"


@given(st.binary(max_size=100))
def test_garbage_is_never_a_file(answer: bytes) -> None:
    session = SyncSession(Script(answer), stat_2=True)
    with pytest.raises((SyncGarbage, SyncError, DeviceLost)):
        session.receive(b"/a", io.BytesIO(), SOON)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 * CHUNK + 7])
def test_a_file_is_sent_in_full_chunks(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    stream = Script(head(b"OKAY", 0))
    session = SyncSession(stream, stat_2=True)
    assert session.send(b"/a", 0o600, io.BytesIO(data), SOON) == size
    request = b"/a,33152"
    wire = bytes(stream.sent).removeprefix(head(b"SEND", len(request)) + request)
    found = b""
    while wire[:4] == b"DATA":
        length = struct.unpack_from("<I", wire, 4)[0]
        found += wire[8 : 8 + length]
        wire = wire[8 + length :]
    assert found == data
    assert wire == head(b"DONE", 0)


def test_an_error_ends_a_push_before_everything_is_sent() -> None:
    message = b"couldn't write file: No space left on device"
    stream = Script(head(b"FAIL", len(message)) + message)
    stream.is_ready = True
    with pytest.raises(SyncError, match="No space left"):
        SyncSession(stream, stat_2=True).send(b"/a", 0o600, io.BytesIO(bytes(1 << 24)), SOON)
    assert len(stream.sent) < 100


def test_an_error_while_pulling_is_in_the_devices_words() -> None:
    stream = Script(head(b"FAIL", 4) + b"nope")
    with pytest.raises(SyncError, match="nope"):
        SyncSession(stream, stat_2=True).receive(b"/a", io.BytesIO(), SOON)


def test_an_error_message_of_4_gib_is_not_waited_for() -> None:
    stream = Script(head(b"FAIL", 0xFFFFFFFF))
    with pytest.raises(SyncGarbage):
        SyncSession(stream, stat_2=True).receive(b"/a", io.BytesIO(), SOON)


@pytest.mark.parametrize("answer", [b"", b"OK", head(b"DATA", 10) + b"abc"])
def test_a_stream_that_ends_early_is_a_loss(answer: bytes) -> None:
    with pytest.raises(DeviceLost):
        SyncSession(Script(answer), stat_2=True).receive(b"/a", io.BytesIO(), SOON)


def test_sizes_have_64_bits_where_the_device_can() -> None:
    size = (5 << 30) + 3
    session = SyncSession(Script(stat_2(0o100600, size)), stat_2=True)
    assert session.stat(b"/a", SOON).size == size
    old = Script(b"STAT" + struct.pack("<III", 0o100600, size & 0xFFFFFFFF, 0))
    assert SyncSession(old, stat_2=False).same_size(b"/a", size, SOON)


def test_what_is_not_there_has_no_mode() -> None:
    found = SyncSession(Script(stat_2(0, 0, error=2)), stat_2=True).stat(b"/a", SOON)
    assert (found.mode, found.may_be_folder) == (0, False)


def test_a_path_beyond_adbs_limit_is_refused_here() -> None:
    with pytest.raises(SyncError, match="1025"):
        SyncSession(Script(b""), stat_2=True).stat(b"/" * 1025, SOON)


def test_blocks_hold_no_more_than_one_buffer() -> None:
    blocks = {id(block.obj) for block in data_blocks(io.BytesIO(bytes(40 * CHUNK)))}
    assert len(blocks) == 1
