"""One shell for many commands: none is run twice, none meets another, none stays behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bokehbench.errors import DeviceLost
from bokehbench.phone import adb_shared
from bokehbench.phone.adb_command import COMMAND_LIMIT
from bokehbench.phone.adb_shared import IDLE_SECONDS, IdleShells, SharedShell
from bokehbench.phone.adb_transport import AdbTransport
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.transport import CommandResult, Deadline
from tests.contract.conftest import adb_transport, settled
from tests.rig import TestDevice, leash, require_rig
from tests.rig.faults import AtPayload, Cut, Fault, Stall, Way
from tests.rig.proxy import FaultProxy
from tests.rig.server import AdbServer

ONCE = 'echo x >> "$1"; echo $PPID'
"""Leaves a line for each time that it ran, and tells which shell ran it."""


@pytest.fixture
def device() -> Iterator[TestDevice]:
    require_rig()
    with TestDevice() as made:
        yield made


@pytest.fixture
def phone(
    link: str, device: TestDevice, adb_server: AdbServer, tmp_path: Path
) -> Iterator[AdbTransport]:
    """A transport with an idle shell on the device."""
    made = adb_transport(link, device, adb_server, tmp_path / "adbkey")
    assert sh(made, "true").exit_code == 0
    yield made
    made.close()
    adb_server.disconnect(device.address)


def sh(phone: AdbTransport, script: str, *args: str, seconds: float = 20) -> CommandResult:
    return phone.run(["sh", "-c", script, "sh", *args], deadline=Deadline.after(seconds))


def run_once(phone: AdbTransport) -> int:
    """Run ONCE; the pid of the shell that ran it, as the device counts."""
    result = sh(phone, ONCE, f"{phone.root}/ran")
    assert result.exit_code == 0
    return int(result.stdout)


def times_run(device: TestDevice) -> int:
    path = device.tmp / "bokehbench/ran"
    return path.read_text().count("x\n") if path.exists() else 0


def idle_pids(device: TestDevice) -> list[int]:
    """The host's pids of the shells that wait on the device."""
    return [pid for pid, _ in device.processes()]


def test_commands_share_a_shell_which_is_all_that_waits(
    phone: AdbTransport, device: TestDevice
) -> None:
    before = idle_pids(device)
    assert len(before) == 1
    assert len({run_once(phone) for _ in range(5)}) == 1
    assert idle_pids(device) == before


def test_a_command_knows_nothing_of_the_one_before(phone: AdbTransport) -> None:
    shell = run_once(phone)
    assert sh(phone, "cd /; umask 0; export LEFT=1; exec 7</dev/null; ulimit -n 20").exit_code == 0
    text = 'pwd; umask; echo "$LEFT"; ulimit -n; [ -e /proc/self/fd/7 ] || echo none'
    shared, alone = (
        phone.run(["sh", "-c", text], deadline=Deadline.after(5), alone=alone).stdout
        for alone in (False, True)
    )
    assert shared == alone
    assert shared.endswith(b"none\n")
    assert run_once(phone) != shell  # for alone means alone


def test_a_shell_that_died_is_replaced(phone: AdbTransport, device: TestDevice) -> None:
    shell = run_once(phone)
    [pid] = idle_pids(device)
    leash.send(pid, signal.SIGKILL)
    assert settled(device) == []
    assert run_once(phone) != shell
    assert times_run(device) == 2


def test_a_shell_that_dies_before_it_takes_the_command_gives_it_to_another(
    phone: AdbTransport, device: TestDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = IdleShells.take

    def take_and_kill(self: IdleShells, on_broken: Callable[[], None]) -> SharedShell | None:
        shell = take(self, on_broken)
        for pid in idle_pids(device):
            leash.send(pid, signal.SIGKILL)
        return shell

    monkeypatch.setattr(IdleShells, "take", take_and_kill)
    run_once(phone)
    assert times_run(device) == 1


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_a_restart_in_between_is_not_even_seen(
    phone: AdbTransport, device: TestDevice, pause: float
) -> None:
    run_once(phone)
    device.power_off()
    device.start()
    # The server needs a while to see that a device is back; its link is made anew at once.
    time.sleep(pause)
    run_once(phone)
    assert times_run(device) == 2


def test_a_command_whose_link_is_cut_is_never_run_twice(device: TestDevice, tmp_path: Path) -> None:
    for way, needle in ((Way.TO_TARGET, b"echo x"), (Way.TO_CLIENT, b" e0\n")):
        before = times_run(device)
        with (
            FaultProxy(device.address) as proxy,
            contextlib.closing(
                DirectTransport(f"tcp:{proxy.address}", key=tmp_path / "adbkey")
            ) as phone,
        ):
            shell = run_once(phone)
            proxy.add(Fault(AtPayload(way, needle), Cut(reset=True)))
            with pytest.raises(DeviceLost):
                run_once(phone)
            assert run_once(phone) != shell
        # What travels to the device is lost before it arrives; what comes back, after it ran.
        assert times_run(device) - before == (2 if way is Way.TO_TARGET else 3)


def test_a_frozen_device_with_an_idle_shell_is_lost_in_time(
    phone: AdbTransport, device: TestDevice
) -> None:
    device.freeze()
    started = time.monotonic()
    with pytest.raises(DeviceLost):
        sh(phone, ONCE, f"{phone.root}/ran", seconds=0.5)
    assert time.monotonic() - started < 1.5
    device.thaw()
    run_once(phone)
    assert times_run(device) <= 2


def test_what_a_shared_shell_runs_ends_on_a_device_that_nobody_reaches(
    device: TestDevice, tmp_path: Path
) -> None:
    with (
        FaultProxy(device.address) as proxy,
        contextlib.closing(
            DirectTransport(f"tcp:{proxy.address}", key=tmp_path / "adbkey")
        ) as phone,
    ):
        assert sh(phone, "true").exit_code == 0
        proxy.add(Fault(AtPayload(Way.TO_CLIENT, b"@bokehbench-"), Stall()))
        with pytest.raises(DeviceLost):
            sh(phone, "sleep 60 & sleep 60", seconds=1)
        # The command and its shell end by the guard, 1 s after the deadline.
        assert settled(device, 2) == []


def test_an_idle_shell_ends_on_a_device_that_nobody_reaches(
    device: TestDevice, tmp_path: Path
) -> None:
    with (
        FaultProxy(device.address) as proxy,
        contextlib.closing(
            DirectTransport(f"tcp:{proxy.address}", key=tmp_path / "adbkey")
        ) as phone,
    ):
        assert sh(phone, "true").exit_code == 0
        proxy.stall()
        assert len(idle_pids(device)) == 1
        assert settled(device, IDLE_SECONDS + 2) == []


def test_a_shell_that_waited_for_long_is_not_used(
    phone: AdbTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = run_once(phone)
    monkeypatch.setattr(adb_shared, "TAKEN_SECONDS", 0.0)
    assert run_once(phone) != shell


def test_a_closed_transport_leaves_no_shell(phone: AdbTransport, device: TestDevice) -> None:
    assert len(idle_pids(device)) == 1
    phone.close()
    assert settled(device) == []
    run_once(phone)


def test_a_transport_that_is_closed_in_the_middle_keeps_no_shell(
    phone: AdbTransport, device: TestDevice
) -> None:
    slow = threading.Thread(target=sh, args=(phone, "sleep 0.5"))
    slow.start()
    time.sleep(0.2)
    phone._idle.close()
    slow.join()
    assert settled(device) == []


def test_a_forgotten_transport_leaves_no_shell(
    device: TestDevice, adb_server: AdbServer, tmp_path: Path
) -> None:
    forgotten = adb_transport("server", device, adb_server, tmp_path / "adbkey")
    assert sh(forgotten, "true").exit_code == 0
    assert len(idle_pids(device)) == 1
    del forgotten
    assert settled(device) == []
    adb_server.disconnect(device.address)


def test_a_host_that_was_killed_leaves_no_shell(
    link: str, device: TestDevice, adb_server: AdbServer, tmp_path: Path
) -> None:
    serial = device.address
    made = (
        f"DirectTransport('tcp:{serial}', key=Path({str(tmp_path / 'adbkey')!r}))"
        if link == "direct"
        else f"ServerTransport({serial!r}, port={adb_server.port})"
    )
    program = (
        "import threading, time\n"
        "from pathlib import Path\n"
        "from bokehbench.phone.direct import DirectTransport\n"
        "from bokehbench.phone.server import ServerTransport\n"
        "from bokehbench.phone.transport import Deadline\n"
        f"phone = {made}\n"
        "phone.run(['true'], deadline=Deadline.after(10))\n"
        "words = ['sh', '-c', 'sleep 60 & sleep 60']\n"
        "run = lambda: phone.run(words, deadline=Deadline.after(60))\n"
        "threading.Thread(target=run, daemon=True).start()\n"
        "time.sleep(0.5)\n"
        "phone.run(['true'], deadline=Deadline.after(10))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    host = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert host.stdout is not None
    with host:
        assert host.stdout.readline() == b"ready\n"
        # An idle shell; another one with its guard, its command and two children of that.
        assert len(idle_pids(device)) == 6
        os.kill(host.pid, signal.SIGKILL)
    assert settled(device) == []
    adb_server.disconnect(device.address)


def test_a_command_alone_has_no_shell_of_ours_beside_it(
    phone: AdbTransport, device: TestDevice
) -> None:
    seen: list[list[tuple[str, ...]]] = []

    def look(_: bytes) -> None:
        seen.append([argv for _, argv in device.processes()])

    script = "sleep 0.3; echo now; sleep 0.3"
    result = phone.run(["sh", "-c", script], deadline=Deadline.after(5), on_stdout=look, alone=True)
    assert result.exit_code == 0
    assert not [argv for argv in seen[0] if "KSH_VERSION" in " ".join(argv)]
    assert settled(device) == []


def test_what_a_command_leaves_behind_is_killed_and_ends_its_shell(
    phone: AdbTransport, device: TestDevice
) -> None:
    for script in (
        "sleep 60 & echo $PPID",
        "sleep 60 >/dev/null 2>&1 </dev/null 5>&- & echo $PPID",
    ):
        shell = int(sh(phone, script).stdout)
        assert settled(device) == []
        assert run_once(phone) != shell


def test_what_left_its_group_never_speaks_into_another_command(phone: AdbTransport) -> None:
    script = "setsid sh -c 'sleep 1; echo late; echo late >&2' & echo mine"
    assert sh(phone, script).stdout == b"mine\n"
    result = sh(phone, "sleep 1; echo mine; echo mine >&2")
    assert (result.stdout, result.stderr) == (b"mine\n", b"mine\n")


def test_a_command_at_the_limit_of_length_and_one_beyond(phone: AdbTransport) -> None:
    word = "w" * (COMMAND_LIMIT - 100)
    assert sh(phone, 'printf %s "$1"', word).stdout == word.encode()
    result = sh(phone, 'printf %s "$1"', word + "w" * 100)
    assert result.exit_code == 126
    assert b"argument list too long" in result.stderr


def test_a_word_like_a_mark_is_output_as_any_other(phone: AdbTransport) -> None:
    text = "@bokehbench-0123456789abcdef e0\n@bokehbench-"
    for _ in range(2):
        result = sh(phone, 'printf %s "$1"; printf %s "$1" >&2; exit 3', text)
        assert (result.exit_code, result.stdout, result.stderr) == (3, text.encode(), text.encode())


def test_eight_threads_have_a_shell_each(phone: AdbTransport, device: TestDevice) -> None:
    def work(number: int) -> bool:
        words = [f"{number}.{step}" for step in range(20)]
        script = 'printf %s "$1"; printf %s "$1" >&2'
        results = [sh(phone, script, word) for word in words]
        return [(r.stdout, r.stderr) for r in results] == [(w.encode(),) * 2 for w in words]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert 1 <= len(idle_pids(device)) <= adb_shared.IDLE_SHELLS


def test_a_shell_of_another_kind_is_told_and_never_asked_again(
    link: str,
    device: TestDevice,
    adb_server: AdbServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adb_shared, "SCRIPT", adb_shared.SCRIPT.replace("MIRBSD", "OTHER"))
    phone = adb_transport(link, device, adb_server, tmp_path / "adbkey")
    for count in (1, 2):
        run_once(phone)
        assert times_run(device) == count
        assert settled(device) == []
        monkeypatch.setattr(adb_shared, "script", None)  # not even built again
    phone.push(b"x", f"{phone.root}/f", mode=0o600, deadline=Deadline.after(5))
    phone.close()
    adb_server.disconnect(device.address)


def test_an_altered_block_is_not_run(phone: AdbTransport, device: TestDevice) -> None:
    for block in (b"%-6d %-6d " % (20, 9) + b"x" * 20, b"2x     9      " + b"x" * 20):
        shell = phone._idle.take(lambda: None)
        assert shell is not None
        length = len(block).to_bytes(4, "little")
        shell.stream.send(b"\0" + length + block, Deadline.after(5))
        # It ends by itself, before it could have waited for more.
        assert settled(device) == []
        shell.stream.close()
        run_once(phone)
