"""One contract for every transport: what the code above relies on, whatever the link is."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bokehbench.errors import DeadlineExceeded, TransferError
from bokehbench.phone.transport import CommandResult, Deadline, Transport


def sh(
    transport: Transport, script: str, *args: str, seconds: float = 20, **more: object
) -> CommandResult:
    argv = ["sh", "-c", script, "sh", *args]
    return transport.run(argv, deadline=Deadline.after(seconds), **more)  # type: ignore[arg-type]


def test_every_exit_code_comes_back(transport: Transport) -> None:
    codes = range(256)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda code: sh(transport, f"exit {code}").exit_code, codes))
    assert results == list(codes)


def test_a_signal_is_128_and_its_number(transport: Transport) -> None:
    assert sh(transport, "kill -SEGV $$").exit_code == 128 + signal.SIGSEGV


def test_stdout_and_stderr_stay_apart_and_exact(transport: Transport) -> None:
    result = sh(transport, r"printf 'out\r\n\000\377'; printf 'err\n' >&2")
    assert result.stdout == b"out\r\n\x00\xff"
    assert result.stderr == b"err\n"


@pytest.mark.parametrize("script", ["true", "printf x"])
def test_empty_output_and_no_newline_at_the_end(transport: Transport, script: str) -> None:
    assert sh(transport, script).stdout == (b"" if script == "true" else b"x")


def test_20_mb_of_any_bytes_through_stdout(transport: Transport) -> None:
    data = os.urandom(20_000_000)
    seen = bytearray()
    target = f"{transport.root}/data"
    transport.push(data, target, mode=0o600, deadline=Deadline.after(20))
    result = sh(transport, 'cat "$1"', target, on_stdout=seen.extend)
    assert result.stdout == data
    assert seen == data


def test_5_mb_through_stdin(transport: Transport) -> None:
    data = os.urandom(5_000_000)
    assert sh(transport, "cat", stdin=data).stdout == data


def test_stdin_that_nobody_reads_is_no_trouble(transport: Transport) -> None:
    assert sh(transport, "exit 3", stdin=bytes(5_000_000)).exit_code == 3


def test_output_beyond_the_limit_is_counted_and_not_kept(transport: Transport) -> None:
    result = sh(transport, "head -c 3000000 /dev/zero", limit_bytes=1000)
    assert len(result.stdout) == 1000
    assert result.dropped_bytes == 2_999_000


@pytest.mark.parametrize(
    "word", ["a b", "it's", 'say "x"', "$HOME", "`id`", "ü 日本 🙂", "-n", "a\nb", "*", "\\", ""]
)
def test_arguments_arrive_as_they_are(transport: Transport, word: str) -> None:
    assert sh(transport, 'printf %s "$1"', word).stdout == word.encode()


def test_a_command_that_is_not_there_exits_127(transport: Transport) -> None:
    result = transport.run(["no-such-command"], deadline=Deadline.after(5))
    assert result.exit_code == 127
    assert b"no-such-command" in result.stderr


def test_a_deadline_ends_the_command_and_its_children(transport: Transport) -> None:
    pids = f"{transport.root}/pids"
    assert sh(transport, "true").exit_code == 0
    started = time.monotonic()
    script = 'sleep 60 & echo $! > "$1"; echo $$ >> "$1"; echo begun; wait'
    result = sh(transport, script, pids, seconds=0.5)
    assert result.timed_out
    assert result.stdout == b"begun\n"
    assert time.monotonic() - started < 1.5
    found = sh(transport, 'cat "$1"', pids).stdout.split()
    assert len(found) == 2
    assert not any(alive(transport, pid.decode()) for pid in found)


def test_a_child_that_keeps_the_pipes_open_does_not_hold_us(transport: Transport) -> None:
    started = time.monotonic()
    result = sh(transport, "sleep 30 & echo done", seconds=20)
    assert (result.exit_code, result.stdout, result.timed_out) == (0, b"done\n", False)
    assert time.monotonic() - started < 5


def test_an_interrupt_leaves_nothing_behind(transport: Transport) -> None:
    pid_file = f"{transport.root}/pid"
    assert sh(transport, "true").exit_code == 0
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sh(transport, 'echo $$ > "$1"; sleep 60', pid_file)
    timer.join()
    assert not alive(transport, sh(transport, 'cat "$1"', pid_file).stdout.decode().strip())


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o444])
def test_push_writes_bytes_and_mode(transport: Transport, mode: int) -> None:
    target = f"{transport.root}/a 'file' ü"
    transport.push(b"\x00\xffdata", target, mode=mode, deadline=Deadline.after(5))
    assert sh(transport, 'cat "$1"', target).stdout == b"\x00\xffdata"
    assert sh(transport, 'stat -c %a "$1"', target).stdout.decode() == f"{mode:o}\n"


def test_push_of_a_file_and_pull_are_exact(transport: Transport, tmp_path: Path) -> None:
    data = os.urandom(9_000_001)
    (tmp_path / "source").write_bytes(data)
    target = f"{transport.root}/big"
    transport.push(tmp_path / "source", target, mode=0o600, deadline=Deadline.after(20))
    transport.pull(target, tmp_path / "back", deadline=Deadline.after(20))
    assert (tmp_path / "back").read_bytes() == data


def test_push_replaces_and_leaves_no_other_file(transport: Transport) -> None:
    for data in (b"old old", b"new"):
        transport.push(data, f"{transport.root}/f", mode=0o600, deadline=Deadline.after(5))
    assert sh(transport, 'ls -A "$1"', transport.root).stdout == b"f\n"
    assert sh(transport, 'cat "$1"/f', transport.root).stdout == b"new"


def test_pull_of_a_missing_file_leaves_nothing(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="none"):
        transport.pull(f"{transport.root}/none", tmp_path / "x", deadline=Deadline.after(5))
    assert list(tmp_path.glob("*x*")) == []


def test_push_to_a_folder_that_is_not_there_fails_at_once(transport: Transport) -> None:
    started = time.monotonic()
    with pytest.raises(TransferError, match="no/such"):
        transport.push(b"x", f"{transport.root}/no/such/f", mode=0o600, deadline=Deadline.after(5))
    assert time.monotonic() - started < 2


def test_push_beyond_its_deadline_leaves_no_file(transport: Transport, tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(1 << 30)
    deadline = Deadline.after(0)
    with pytest.raises(DeadlineExceeded):
        transport.push(tmp_path / "sparse", f"{transport.root}/f", mode=0o600, deadline=deadline)
    assert sh(transport, 'ls -A "$1"', transport.root).stdout == b""


def test_eight_threads_at_once(transport: Transport) -> None:
    def work(number: int) -> bool:
        answers = []
        for step in range(10):
            word = f"{number}.{step}"
            target = f"{transport.root}/{word}"
            transport.push(word.encode(), target, mode=0o600, deadline=Deadline.after(20))
            answers.append(sh(transport, 'cat "$1"', target).stdout == word.encode())
        return all(answers)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def alive(transport: Transport, pid: str) -> bool:
    """Whether a process runs on the device; one that is dead and not yet collected does not."""
    assert pid.isdigit()
    text = sh(transport, 'cat "/proc/$1/stat" 2>/dev/null', pid).stdout.decode()
    return bool(text) and text.rpartition(")")[2].split()[0] != "Z"
