"""What becomes of a command, a push and a pull when the device dies, freezes or fills up."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bokehbench.errors import DeadlineExceeded, DeviceError, DeviceLost, TransferError
from bokehbench.phone.adb_transport import AdbTransport
from bokehbench.phone.transport import Deadline
from tests.contract.conftest import adb_transport, settled
from tests.rig import TestDevice, leash, require_rig
from tests.rig.server import AdbServer

SECONDS = 3.0
"""Deadline of what is disturbed."""

LARGE = (4 << 30) + 1


@pytest.fixture
def device() -> Iterator[TestDevice]:
    require_rig()
    with TestDevice() as made:
        yield made


@pytest.fixture
def phone(
    link: str, device: TestDevice, adb_server: AdbServer, tmp_path: Path
) -> Iterator[AdbTransport]:
    """A transport that has run a command already."""
    made = adb_transport(link, device, adb_server, tmp_path / "adbkey")
    assert run(made, "true") == 0
    yield made
    made.close()
    adb_server.disconnect(device.address)


def run(phone: AdbTransport, script: str, seconds: float = 20) -> int:
    return phone.run(["sh", "-c", script], deadline=Deadline.after(seconds)).exit_code


def long_run(phone: AdbTransport, _: Path) -> None:
    phone.run(["sh", "-c", "echo begun; sleep 60"], deadline=Deadline.after(SECONDS))


def long_push(phone: AdbTransport, folder: Path) -> None:
    with open(folder / "huge", "wb") as stream:
        stream.truncate(1 << 40)
    phone.push(folder / "huge", f"{phone.root}/f", mode=0o600, deadline=Deadline.after(SECONDS))


def long_pull(phone: AdbTransport, folder: Path) -> None:
    phone.pull("/dev/zero", folder / "back", deadline=Deadline.after(SECONDS))


def long_run_alone(phone: AdbTransport, _: Path) -> None:
    script = "echo begun; sleep 60"
    phone.run(["sh", "-c", script], deadline=Deadline.after(SECONDS), alone=True)


ACTIONS = [long_run, long_run_alone, long_push, long_pull]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_device_that_dies_is_lost_at_once_and_works_again_after_its_restart(
    phone: AdbTransport,
    device: TestDevice,
    tmp_path: Path,
    action: Callable[[AdbTransport, Path], None],
) -> None:
    with disturbed(device.power_off), pytest.raises(DeviceLost):
        action(phone, tmp_path)
    assert not (tmp_path / "back").exists()
    assert list(tmp_path.glob("*.part")) == list(tmp_path.glob(".*.part")) == []
    with pytest.raises(DeviceError):
        run(phone, "true", seconds=SECONDS)
    device.start()
    assert run(phone, "exit 7") == 7
    phone.push(b"again", f"{phone.root}/f", mode=0o600, deadline=Deadline.after(5))
    assert names(device) == ["f"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_restart_in_the_middle_is_a_loss_and_the_next_call_works(
    phone: AdbTransport,
    device: TestDevice,
    tmp_path: Path,
    action: Callable[[AdbTransport, Path], None],
) -> None:
    def restart() -> None:
        device.power_off()
        device.start()

    with disturbed(restart), pytest.raises(DeviceLost):
        action(phone, tmp_path)
    assert run(phone, "exit 7") == 7


@pytest.mark.parametrize("action", ACTIONS)
def test_a_frozen_device_holds_nobody_beyond_the_deadline(
    phone: AdbTransport,
    device: TestDevice,
    tmp_path: Path,
    action: Callable[[AdbTransport, Path], None],
) -> None:
    with disturbed(device.freeze), pytest.raises((DeviceLost, DeadlineExceeded)):
        action(phone, tmp_path)
    assert not (tmp_path / "back").exists()
    device.thaw()
    assert run(phone, "exit 7") == 7


def test_a_frozen_device_can_not_even_be_asked(phone: AdbTransport, device: TestDevice) -> None:
    device.freeze()
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(DeviceError):
            run(phone, "true", seconds=0.5)
        assert time.monotonic() - started < 1.5
    device.thaw()
    assert run(phone, "exit 7") == 7


def test_what_runs_when_the_link_breaks_ends_at_once(
    link: str, phone: AdbTransport, device: TestDevice, adb_server: AdbServer
) -> None:
    def cut() -> None:
        if link == "direct":
            phone.close()
        else:
            adb_server.disconnect(device.address)

    with disturbed(cut), pytest.raises(DeviceLost):
        phone.run(["sh", "-c", "sleep 60 & sleep 60"], deadline=Deadline.after(30))
    assert settled(device, 1) == []


def test_what_runs_when_nobody_notices_a_broken_link_ends_by_its_deadline(
    phone: AdbTransport, device: TestDevice
) -> None:
    with disturbed(device.freeze), pytest.raises(DeviceLost):
        phone.run(["sh", "-c", "sleep 60 & sleep 60"], deadline=Deadline.after(1))
    assert settled(device, 3) == []
    device.thaw()


def test_a_push_beyond_its_deadline_leaves_no_file(
    phone: AdbTransport, device: TestDevice, tmp_path: Path
) -> None:
    started = time.monotonic()
    with open(tmp_path / "huge", "wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(DeadlineExceeded):
        phone.push(tmp_path / "huge", f"{phone.root}/f", mode=0o600, deadline=Deadline.after(0.5))
    assert time.monotonic() - started < 1.5
    assert names(device) == []


def test_a_full_disk_fails_a_push_at_once_and_leaves_no_file(
    link: str, adb_server: AdbServer, tmp_path: Path
) -> None:
    require_rig()
    with TestDevice(limit_bytes=30_000_000) as device:
        phone = adb_transport(link, device, adb_server, tmp_path / "adbkey")
        started = time.monotonic()
        with pytest.raises(TransferError, match=r"/f: .*No space left.*free some space"):
            phone.push(
                bytes(60_000_000), f"{phone.root}/f", mode=0o600, deadline=Deadline.after(20)
            )
        assert time.monotonic() - started < 3
        assert names(device) == []
        # adbd may hold the removed file open for a moment more.
        leash.wait_until("free space", lambda: free_bytes(device) > 20_000_000, 2)
        phone.push(bytes(9_000_000), f"{phone.root}/f", mode=0o600, deadline=Deadline.after(20))
        assert names(device) == ["f"]
        phone.close()


def test_a_target_that_can_not_be_written_fails_at_once(
    phone: AdbTransport, device: TestDevice
) -> None:
    started = time.monotonic()
    data = os.urandom(30_000_000)
    with pytest.raises(TransferError, match=r"/system/bin/f: .*(Read-only|Permission denied)"):
        phone.push(data, "/system/bin/f", mode=0o600, deadline=Deadline.after(20))
    assert time.monotonic() - started < 3
    run(phone, f"mkdir {phone.root}/folder")
    with pytest.raises(TransferError, match="folder"):
        phone.push(b"x", f"{phone.root}/folder", mode=0o600, deadline=Deadline.after(20))
    assert names(device) == ["folder"]


def test_a_folder_can_not_be_pulled(phone: AdbTransport, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="directory"):
        phone.pull("/system/bin", tmp_path / "x", deadline=Deadline.after(5))
    with pytest.raises(TransferError, match="can't write"):
        phone.pull("/system/bin/sh", tmp_path / "no/x", deadline=Deadline.after(5))
    assert list(tmp_path.glob("*x*")) == []


def test_a_pull_onto_a_full_disk_names_the_host(phone: AdbTransport) -> None:
    with pytest.raises(TransferError):
        phone.pull("/dev/zero", Path("/dev/full/x"), deadline=Deadline.after(5))


def test_one_slow_thread_takes_nothing_from_the_others(phone: AdbTransport) -> None:
    slow = threading.Thread(target=run, args=(phone, "sleep 60", 1.0))
    slow.start()
    codes = [run(phone, "exit 5") for _ in range(30)]
    slow.join()
    assert codes == [5] * 30


def test_gigabytes_of_hostile_output_stay_bounded(phone: AdbTransport) -> None:
    seen, most = 0, 0
    before = resident_bytes()

    def count(chunk: bytes) -> None:
        nonlocal seen, most
        seen += len(chunk)
        most = max(most, resident_bytes())

    script = r"printf '\033]0;x\007\377\376\000'; cat /dev/zero & cat /dev/zero >&2"
    result = phone.run(
        ["sh", "-c", script], deadline=Deadline.after(1.5), limit_bytes=1000, on_stdout=count
    )
    assert result.timed_out
    assert result.stdout.startswith(b"\x1b]0;x\x07\xff\xfe\x00")
    assert len(result.stdout) == len(result.stderr) == 1000
    assert result.dropped_bytes > seen > 30_000_000
    assert most - before < 20_000_000


def test_more_than_4_gib_are_sent(phone: AdbTransport) -> None:
    with phone._sync(Deadline.after(60)) as session:
        sent = session.send(b"/dev/null", 0o600, Zeros(LARGE), Deadline.after(60))
    assert sent == LARGE


def test_more_than_4_gib_are_measured_and_received(phone: AdbTransport) -> None:
    sink = Counted()
    path = f"{phone.root}/sparse"
    assert run(phone, f"truncate -s {LARGE} {path}") == 0
    with phone._sync(Deadline.after(60)) as session:
        assert session.stat(path.encode(), Deadline.after(5)).size == LARGE
        session.receive(path.encode(), sink, Deadline.after(60))
    assert sink.size == LARGE


class Zeros:
    """A source of so many zeros; a push takes the buffer as it is, which is zero already."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readinto(self, buffer: memoryview, /) -> int:
        count = min(self._left, len(buffer))
        self._left -= count
        return count


class Counted(io.RawIOBase):
    """A file that only counts what is written."""

    size = 0

    def write(self, piece: Any, /) -> int:
        self.size += len(piece)
        return len(piece)


@contextlib.contextmanager
def disturbed(disturb: Callable[[], object], after: float = 0.7) -> Iterator[None]:
    """Disturb the device while the body runs, which has to end by its deadline plus 1 s."""
    started = time.monotonic()
    timer = threading.Timer(after, disturb)
    timer.start()
    try:
        yield
        assert time.monotonic() - started < SECONDS + 1
    finally:
        timer.join()


def names(device: TestDevice) -> list[str]:
    """All files in the device's root, hidden ones too."""
    return sorted(path.name for path in (device.tmp / "bokehbench").iterdir())


def free_bytes(device: TestDevice) -> int:
    state = os.statvfs(device.tmp)
    return state.f_bavail * state.f_frsize


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
