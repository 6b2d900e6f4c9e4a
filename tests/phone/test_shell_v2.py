"""The shell protocol: any split of the bytes decodes the same, and garbage is refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.phone.shell_v2 import (
    CLOSE_STDIN,
    EXIT,
    STDERR,
    STDIN,
    STDIN_CHUNK,
    STDOUT,
    Decoder,
    Event,
    Exit,
    Output,
    ShellPacketError,
    encode_stdin,
)


def packet(number: int, data: bytes) -> bytes:
    return struct.pack("<BI", number, len(data)) + data


def joined(events: list[Event]) -> tuple[bytes, bytes, list[int]]:
    out = b"".join(e.data for e in events if isinstance(e, Output) and e.name == "stdout")
    err = b"".join(e.data for e in events if isinstance(e, Output) and e.name == "stderr")
    return out, err, [e.code for e in events if isinstance(e, Exit)]


@given(
    pieces=st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40))),
    code=st.integers(0, 255),
    cuts=st.lists(st.integers(0, 2000)),
)
def test_any_split_decodes_the_same(
    pieces: list[tuple[int, bytes]], code: int, cuts: list[int]
) -> None:
    data = b"".join(packet(*piece) for piece in pieces) + packet(EXIT, bytes([code]))
    events: list[Event] = []
    decoder, begin = Decoder(), 0
    for end in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        events += decoder.feed(data[begin:end])
        begin = end
    out = b"".join(data for number, data in pieces if number == STDOUT)
    err = b"".join(data for number, data in pieces if number == STDERR)
    assert joined(events) == (out, err, [code])


@given(st.binary(max_size=200))
def test_garbage_is_events_or_a_refusal(data: bytes) -> None:
    try:
        events = list(Decoder().feed(data))
    except ShellPacketError:
        return
    assert sum(len(e.data) for e in events if isinstance(e, Output)) <= len(data)


@pytest.mark.parametrize("number", [STDIN, CLOSE_STDIN, 5, 6, 255])
def test_an_id_that_no_device_sends_is_refused(number: int) -> None:
    with pytest.raises(ShellPacketError, match=f"id {number}"):
        list(Decoder().feed(packet(number, b"x")))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0"])
def test_an_exit_of_a_wrong_length_is_refused(data: bytes) -> None:
    with pytest.raises(ShellPacketError, match="exit packet"):
        list(Decoder().feed(packet(EXIT, data)))


def test_a_claim_of_4_gib_is_no_more_than_its_bytes() -> None:
    decoder = Decoder()
    assert list(decoder.feed(struct.pack("<BI", STDOUT, 0xFFFFFFFF) + b"abc")) == [
        Output("stdout", b"abc")
    ]


def test_what_follows_the_exit_is_passed_over() -> None:
    assert list(Decoder().feed(packet(EXIT, b"\7") + b"\xff" * 9)) == [Exit(7)]


@given(st.integers(0, 3 * STDIN_CHUNK))
def test_stdin_is_cut_into_packets_and_closed(length: int) -> None:
    data = bytes(i % 251 for i in range(length))
    wire = b"".join(encode_stdin(data))
    found = b""
    while True:
        number, size = struct.unpack_from("<BI", wire)
        if number == CLOSE_STDIN:
            break
        assert (number, size <= STDIN_CHUNK) == (STDIN, True)
        found += wire[5 : 5 + size]
        wire = wire[5 + size :]
    assert (found, size, len(wire)) == (data, 0, 5)
