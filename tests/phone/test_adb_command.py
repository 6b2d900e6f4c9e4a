"""The wrapped command: its quoting, and its marks in stderr wherever the bytes are split."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bokehbench.phone.adb_command import MarkFilter, quoted, wrap

MARK = "@mark-0123"
TEXTS = st.lists(st.sampled_from([b"x", b"\n", b"@", b"@mark", b"@mark-0123", b" ", b"7", b"\0"]))


@given(before=TEXTS, after=TEXTS, cuts=st.lists(st.integers(0, 200)))
def test_marks_are_taken_out_at_any_split(
    before: list[bytes], after: list[bytes], cuts: list[int]
) -> None:
    own = b"".join(before), b"".join(after)
    if any(MARK.encode() in text for text in own):
        return
    data = b"@mark-0123 p4711\n" + own[0] + b"@mark-0123 e139\n" + own[1]
    filtered, found, begin = MarkFilter(MARK), b"", 0
    for end in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
        found += filtered.feed(data[begin:end])
        begin = end
    assert found + filtered.rest() == b"".join(own)
    assert (filtered.pid, filtered.code) == (4711, 139)


@given(st.lists(st.binary(max_size=50)))
def test_no_byte_of_other_text_is_lost(pieces: list[bytes]) -> None:
    filtered = MarkFilter(MARK)
    found = b"".join(filtered.feed(piece) for piece in pieces) + filtered.rest()
    assert found == b"".join(pieces)


@pytest.mark.parametrize(
    "tail", [b"x\n", b"\n", b"p" + b"1" * 40 + b"\n", b"p-1\n", b"7\n", b"p1\n", b"p0\n", b"p\n"]
)
def test_a_mark_without_a_number_is_text(tail: bytes) -> None:
    filtered = MarkFilter(MARK)
    text = b"@mark-0123 " + tail
    assert filtered.feed(text) + filtered.rest() == text
    assert filtered.pid is None


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=4))
def test_every_argument_survives_the_quoting(words: list[str]) -> None:
    argv = ["printf", "%s|", *words]
    command = wrap(quoted(argv), MARK, 5)
    ended = subprocess.run(["sh", "-c", command], capture_output=True, start_new_session=True)
    assert ended.stdout == "".join(f"{word}|" for word in words or [""]).encode()


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="null"):
        quoted(["echo", "a\0b"])
