"""The shared shell's words, at any split: what belongs to the command, and what ends the shell."""

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.errors import DeviceLost
from bokehbench.phone import adb_shared
from bokehbench.phone.adb_run import Running
from bokehbench.phone.adb_shared import IdleShells, NotStarted, SharedShell, block, script
from bokehbench.phone.transport import Deadline

MARK = "@mark-0123"
OUT, ERR, EXIT = 1, 2, 3
END = [(ERR, b"@mark-0123 e7\n"), (OUT, b"@mark-0123 e7\n")]
BEGIN = [(ERR, b"@mark-0123 p4711\n")]


class Stream:
    """A stream that says these pieces and then ends."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = list(pieces)
        self.sent = b""
        self.is_closed = False

    def recv(self, _: Deadline) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def send(self, data: bytes | memoryview, _: Deadline) -> None:
        self.sent += data

    def ready(self) -> bool:
        return bool(self._pieces) or self.is_closed

    def close(self) -> None:
        self.is_closed = True


def packets(events: Sequence[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("<BI", kind, len(data)) + data for kind, data in events)


Said = tuple[bytes, bytes, int]


def run_in(data: bytes, cuts: Sequence[int] = ()) -> tuple[Said, Stream, bool]:
    """stdout, stderr and exit code of a command in a shell that says all this, in pieces."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    begins = [0, *ends[:-1]]
    pieces = [data[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]
    stream = Stream(pieces)

    def never(_: bytes, __: Deadline) -> Stream:
        raise AssertionError("nothing else is opened")

    running = Running(never, MARK, 1 << 20, None)
    shell = SharedShell(stream, MARK, 0)
    goes_on = running.run_in(shell, b"exec x", Deadline.after(5), 0.1)
    return (bytes(running.stdout), bytes(running.stderr), running.exit_code), stream, goes_on


@given(out=st.binary(max_size=40), err=st.binary(max_size=40), cuts=st.lists(st.integers(0, 400)))
def test_a_shell_goes_on_after_both_streams_were_ended(
    out: bytes, err: bytes, cuts: list[int]
) -> None:
    events = [*BEGIN, (OUT, out), (ERR, err), *END]
    said, stream, goes_on = run_in(packets(events), cuts)
    assert said == (out, err, 7)
    assert goes_on
    assert not stream.is_closed


@pytest.mark.parametrize("more", [(OUT, b"late"), (ERR, b"late"), (EXIT, b"\0")])
def test_what_comes_behind_the_end_is_of_no_command_and_ends_the_shell(
    more: tuple[int, bytes],
) -> None:
    said, stream, goes_on = run_in(packets([*BEGIN, (OUT, b"mine"), *END, more]))
    assert said == (b"mine", b"", 7)
    assert not goes_on
    assert stream.is_closed


def test_an_exit_without_the_end_of_stdout_is_the_end_of_the_shell() -> None:
    said, stream, goes_on = run_in(packets([*BEGIN, (OUT, b"x"), END[0], (EXIT, b"\x89")]))
    assert said == (b"x", b"", 7)
    assert not goes_on
    assert stream.is_closed


def test_a_shell_that_ends_in_the_middle_was_killed_and_so_was_its_command() -> None:
    said, _, goes_on = run_in(packets([*BEGIN, (OUT, b"x"), (EXIT, b"\0")]))
    assert said == (b"x", b"", 137)
    assert not goes_on


@pytest.mark.parametrize("code", [0, 1, adb_shared.UNFIT])
def test_a_shell_that_never_began_did_not_run_the_command(code: int) -> None:
    with pytest.raises(NotStarted) as caught:
        run_in(packets([(EXIT, bytes([code]))]))
    assert caught.value.is_unfit == (code == adb_shared.UNFIT)


def test_a_link_that_ends_before_the_command_begins_is_lost() -> None:
    with pytest.raises(DeviceLost):
        run_in(b"")


@given(st.binary(min_size=1, max_size=100), st.floats(0, 1e9))
def test_a_block_begins_with_two_numbers_in_fourteen_bytes(command: bytes, seconds: float) -> None:
    made = block(command, MARK, seconds)
    length, guard = map(int, made[:14].split())
    assert made[14:] == command + MARK.encode()
    assert len(made) == 14 + length
    assert guard >= min(seconds, 999_999)
    assert b"-N 14 h" in script(MARK)


def test_a_script_of_one_mark_has_no_placeholder_left() -> None:
    text = script(MARK)
    assert MARK.encode() in text
    for word in (b"MARK", b"IDLE", b"HEADER", b"UNFIT"):
        assert word not in text


def test_shells_that_wait_are_few_alive_and_of_now() -> None:
    idle, broken = IdleShells(), []
    shells = [SharedShell(Stream([]), MARK, idle.epoch) for _ in range(9)]
    for shell in shells:
        idle.give(shell)
    assert [shell.stream.is_closed for shell in shells] == [False] * 8 + [True]  # type: ignore[attr-defined]
    assert idle.take(lambda: broken.append(1)) is shells[7]
    # One that said its exit is passed over; one whose link ended is told of.
    shells[6].stream._pieces.append(packets([(EXIT, b"\0")]))  # type: ignore[attr-defined]
    shells[5].stream.close()
    assert idle.take(lambda: broken.append(1)) is shells[4]
    assert broken == [1]
    idle.close()
    assert idle.take(lambda: broken.append(2)) is None
    idle.give(shells[4])
    assert idle.take(lambda: broken.append(3)) is None
    assert shells[4].stream.is_closed  # type: ignore[attr-defined]
    assert broken == [1]
