"""Changes on a device are put back: at the end, after an error, and without their host."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bokehbench.errors import DeviceError
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.restore import watch
from bokehbench.phone.restore_scripts import LOOK_SECONDS, LOOKS_WITHOUT_LEASE
from bokehbench.profile import ClockLock
from tests.phone.android import FAST, LOCK, SLOW, STAY, clock, folders, make_android, setting
from tests.rig import AdbServer, TestDevice, require_rig

PATIENCE = LOOK_SECONDS * (LOOKS_WITHOUT_LEASE + 1) + 15
LOCKS = [ClockLock(path=LOCK, source="scaling_max_freq")]
FILE = "/sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq"


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A rooted Android phone that sleeps."""
    require_rig()
    with TestDevice(linker64=True) as device:
        make_android(device, rooted=True)
        yield device


@pytest.fixture
def link(phone: TestDevice, tmp_path: Path) -> Iterator[Device]:
    """The phone as a run knows it."""
    transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    yield Device.connect(transport)
    transport.close()


def until(seen: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if seen():
            return True
        time.sleep(0.1)
    return seen()


def ours(phone: TestDevice) -> list[tuple[str, ...]]:
    """Processes on the phone that belong to changes."""
    words = ("watcher", "lease")
    return [argv for _, argv in phone.processes() if any(word in argv for word in words)]


def test_everything_is_changed_named_and_put_back(phone: TestDevice, link: Device) -> None:
    with watch(link, LOCKS) as changes:
        assert changes.names == ("screen", STAY, FILE)
        assert changes.clocks_locked
        assert changes.refused == ()
        assert (setting(phone), clock(phone)) == ("15", FAST)
        assert len(folders(phone)) == 1
    assert (setting(phone), clock(phone)) == (None, SLOW)
    assert (phone.tmp / "keys").read_text(encoding="ascii") == "keyevent 224\nkeyevent 223\n"
    assert folders(phone) == []
    assert until(lambda: ours(phone) == [], 1)


def test_what_was_set_before_comes_back_as_it_was(phone: TestDevice, link: Device) -> None:
    phone.shell(f"settings put global {STAY} 2")
    with watch(link):
        assert setting(phone) == "15"
    assert setting(phone) == "2"


def test_an_error_or_ctrl_c_in_the_run_puts_it_back(phone: TestDevice, link: Device) -> None:
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), watch(link, LOCKS):
            raise error
        assert (setting(phone), clock(phone), folders(phone)) == (None, SLOW, [])


def test_clocks_stay_where_nobody_asked(phone: TestDevice, link: Device) -> None:
    with watch(link) as changes:
        assert clock(phone) == SLOW
        assert not changes.clocks_locked


HOST = """
import sys, time
from pathlib import Path
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.restore import watch
from bokehbench.phone.server import ServerTransport
from bokehbench.profile import ClockLock
if sys.argv[4:]:
    link = ServerTransport(sys.argv[1].removeprefix("tcp:"), port=int(sys.argv[4]))
else:
    link = DirectTransport(sys.argv[1], key=Path(sys.argv[2]))
device = Device.connect(link)
with watch(device, [ClockLock(path=sys.argv[3], source="scaling_max_freq")]):
    print("changed", flush=True)
    time.sleep(600)
"""


def start_host(phone: TestDevice, folder: Path, *more: str) -> "subprocess.Popen[str]":
    words = [f"tcp:{phone.address}", str(folder / "hostkey"), LOCK, *more]
    host = subprocess.Popen([sys.executable, "-c", HOST, *words], stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    assert host.stdout.readline() == "changed\n"
    return host


def test_a_host_that_was_killed_leaves_nothing_changed(phone: TestDevice, tmp_path: Path) -> None:
    with start_host(phone, tmp_path) as host:
        assert (setting(phone), clock(phone)) == ("15", FAST)
        os.kill(host.pid, signal.SIGKILL)
    assert until(lambda: (setting(phone), clock(phone)) == (None, SLOW))
    assert until(lambda: folders(phone) == [] and ours(phone) == [])


def test_a_killed_host_behind_an_adb_server_leaves_nothing_changed(
    phone: TestDevice, tmp_path: Path
) -> None:
    with AdbServer() as server:
        server.connect(phone)
        with start_host(phone, tmp_path, str(server.port)) as host:
            assert (setting(phone), clock(phone)) == ("15", FAST)
            os.kill(host.pid, signal.SIGKILL)
        assert until(lambda: (setting(phone), clock(phone)) == (None, SLOW))
        assert until(lambda: folders(phone) == [] and ours(phone) == [])


def test_a_next_run_puts_back_what_a_dead_device_kept(
    phone: TestDevice, link: Device, tmp_path: Path
) -> None:
    with start_host(phone, tmp_path) as host:
        # A pulled battery: watcher and lease die with the device, its files stay.
        phone.power_off()
        host.kill()
    phone.start()
    assert (setting(phone), clock(phone)) == ("15", FAST)
    with watch(link, LOCKS) as changes:
        assert changes.restored_earlier == 1
    assert (setting(phone), clock(phone), folders(phone)) == (None, SLOW, [])


def test_a_device_that_comes_back_is_changed_again(phone: TestDevice, link: Device) -> None:
    with watch(link, LOCKS) as changes:
        phone.power_off()
        phone.start()
        assert until(lambda: not changes.stand)
        changes.again()
        assert (setting(phone), clock(phone)) == ("15", FAST)
        changes.again()
        assert len(folders(phone)) == 1
    assert (setting(phone), clock(phone), folders(phone)) == (None, SLOW, [])


def test_a_device_that_is_gone_at_the_end_is_no_second_error(
    phone: TestDevice, link: Device
) -> None:
    with watch(link):
        phone.power_off()


def test_two_runs_do_not_share_a_device(phone: TestDevice, link: Device, tmp_path: Path) -> None:
    with start_host(phone, tmp_path) as host:
        with pytest.raises(DeviceError, match="another run is on this device"), watch(link):
            pass
        assert setting(phone) == "15"
        host.kill()
    assert until(lambda: setting(phone) is None)


def test_clocks_of_a_device_without_root_are_refused_and_nothing_stays(
    tmp_path: Path,
) -> None:
    require_rig()
    with TestDevice(linker64=True) as phone:
        make_android(phone)
        transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
        device = Device.connect(transport)
        assert device.facts.rooted is False
        refused = pytest.raises(DeviceError, match="--lock-clocks needs a rooted device")
        with refused, watch(device, LOCKS):
            pass
        assert (setting(phone), folders(phone), ours(phone)) == (None, [], [])
        transport.close()


def test_what_the_device_will_not_change_is_named(phone: TestDevice, link: Device) -> None:
    (phone.sys / "devices/system/cpu/cpufreq/policy0/scaling_min_freq").chmod(0o444)
    phone.add_command("svc", "#!/system/bin/sh\n")
    phone.add_command("settings", '#!/system/bin/sh\n[ "$1" = get ] && echo 0\n')
    with watch(link, LOCKS) as changes:
        assert set(changes.refused) == {STAY, FILE}
        assert not changes.clocks_locked
        assert changes.names == ("screen",)


def test_nothing_is_sent_where_nothing_is_to_be_changed(tmp_path: Path) -> None:
    device = Device.connect(LocalTransport(tmp_path / "local"))
    with watch(device) as changes:
        assert changes.names == ()
    assert not (tmp_path / "local" / "changes").exists()


def test_this_machine_is_not_its_own_victim(tmp_path: Path) -> None:
    """The lease of this machine is the host's own process, which the end must not kill."""
    folder = tmp_path / "policy0"
    folder.mkdir()
    (folder / "min").write_text("1\n", encoding="ascii")
    (folder / "max").write_text("9\n", encoding="ascii")
    device = Device.connect(LocalTransport(tmp_path / "local"))
    lock = ClockLock(path=f"{tmp_path}/policy*/min", source="max")
    if device.facts.uid != 0:
        with pytest.raises(DeviceError, match="rooted"), watch(device, [lock]):
            pass
        return
    with watch(device, [lock]):
        assert (folder / "min").read_text(encoding="ascii") == "9\n"
    assert (folder / "min").read_text(encoding="ascii") == "1\n"
    assert list((tmp_path / "local" / "changes").iterdir()) == []
