"""The loop beside a process: what it reads, what it costs, and that it ends."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.facts import DeviceFacts
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.sampler import Sampler, little_cores, parse_series
from bokehbench.phone.transport import CommandResult, Deadline
from bokehbench.profile import Sensor, builtin_folder, load_profile
from tests.rig import TestDevice, require_rig

CLOCK = Sensor(quantity="gpu_clock", path="/sys/gpu/cur", unit="hz")
LOAD = Sensor(quantity="gpu_load", path="/sys/gpu/load", unit="percent")

OUTPUT = """\
@begun 100.00
@mask f
@file cpu:0 /sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq
@file gpu_clock /sys/gpu/cur
@read
100.02 1 1 0 0;1800000;760000000
100.53 1 2 1 0;1900000;
101.04 1 2 1 1;;104000000
101.5"""


def test_what_the_loop_wrote() -> None:
    series = parse_series(OUTPUT, [CLOCK, LOAD], (0, 1, 2, 3))
    assert series is not None
    assert series.times_ns == (20_000_000, 530_000_000, 1_040_000_000)
    assert series.cpu_khz == {"0": (1_800_000, 1_900_000, None)}
    assert series.gpu_khz == (760_000, None, 104_000)
    assert series.gpu_load_percent == ()
    assert series.unreadable == ("gpu_load",)
    assert series.cores == (0, 1, 2, 3)
    assert series.cpu_seconds_used == 0.05
    assert series.sources["gpu_clock"] == "/sys/gpu/cur"


def test_a_mask_that_was_refused_pins_nothing() -> None:
    series = parse_series(OUTPUT.replace("@mask f", "@mask "), [CLOCK], (0, 1))
    assert series is not None
    assert series.cores == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@begun 1.0\n@read\n",
        "@begun \n@mask \n@read\n1.0 0 0 0 0\n",
        OUTPUT.split("@read")[0],
        "/system/bin/sh: syntax error",
    ],
)
def test_nothing_read_is_no_series(text: str) -> None:
    assert parse_series(text, [CLOCK], ()) is None


@pytest.mark.parametrize(
    ("clocks", "cores"),
    [
        ((2000, 2000, 3000, 3100), (0, 1)),
        ((3100, 2000, 2000, 3000), (1, 2)),
        ((2000, 2000), ()),
        ((2000, None), ()),
        ((), ()),
    ],
)
def test_the_little_cores(clocks: tuple[int | None, ...], cores: tuple[int, ...]) -> None:
    facts = DeviceFacts(address="x", device_id="x", platform="linux", abi="a", core_max_khz=clocks)
    assert little_cores(facts) == cores


def run(
    device: Device, sampler: Sampler, folder: str, script: str, seconds: float = 30
) -> CommandResult:
    argv = sampler.around(["sh", "-c", script], folder, seconds)
    return device.transport.run(argv, deadline=Deadline.after(seconds))


def loops() -> list[str]:
    """Command lines of sampling loops on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "sampler" in words[3:4]:
            found.append(" ".join(words))
    return found


def soon_over(seconds: float = 3) -> bool:
    """Whether no loop runs any more within so long; a killed one takes a moment to go."""
    end = time.monotonic() + seconds
    while loops() and time.monotonic() < end:
        time.sleep(0.02)
    return not loops()


@pytest.fixture
def local(tmp_path: Path) -> Device:
    """This machine."""
    return Device.connect(LocalTransport(tmp_path / "local"))


@pytest.fixture
def file_sensor(tmp_path: Path) -> Sensor:
    """A load that a test writes."""
    path = tmp_path / "load"
    path.write_text("42 %\n", encoding="ascii")
    return Sensor(quantity="gpu_load", path=str(path), unit="percent")


def test_the_process_is_none_the_wiser(local: Device, file_sensor: Sensor) -> None:
    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    with local.work_folder("w") as folder:
        script = "echo out; echo err >&2; sleep 1.2; exit 7"
        result = run(local, sampler, folder, script)
        assert (result.exit_code, result.stdout, result.stderr) == (7, b"out\n", b"err\n")
        assert result.wall_ns < 3e9
        series = sampler.collect(folder)
    assert series is not None
    assert set(series.gpu_load_percent) == {42.0}
    assert 2 <= len(series.times_ns) <= 4
    assert series.times_ns[0] < 0.5e9
    assert series.cpu_seconds_used is not None
    assert series.cpu_seconds_used < 0.2
    assert soon_over()


def test_the_process_keeps_its_process_id(local: Device, file_sensor: Sensor) -> None:
    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    with local.work_folder("w") as folder:
        argv = sampler.around(["sh", "-c", "echo $$; sleep 0.2"], folder, 5)
        wrapped = ["sh", "-c", 'echo $$; exec "$@"', "sh", *argv]
        result = local.transport.run(wrapped, deadline=Deadline.after(5))
    first, second = result.stdout.split()
    assert first == second


def test_it_ends_by_its_own_count(local: Device, file_sensor: Sensor) -> None:
    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    with local.work_folder("w") as folder:
        argv = sampler.around(["sh", "-c", "sleep 2.5"], folder, 0.9)
        local.transport.run(argv, deadline=Deadline.after(20))
        series = sampler.collect(folder)
    assert series is not None
    assert len(series.times_ns) == 2


def test_it_ends_with_a_process_that_nobody_groups(local: Device, file_sensor: Sensor) -> None:
    """Where nothing kills its group it sees for itself that the process is gone."""
    import subprocess

    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    with local.work_folder("w") as folder:
        argv = sampler.around(["sh", "-c", "sleep 0.2"], folder, 60)
        subprocess.run(argv, check=True, start_new_session=True)
        assert soon_over()


def test_a_deadline_ends_both(local: Device, file_sensor: Sensor) -> None:
    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    with local.work_folder("w") as folder:
        argv = sampler.around(["sh", "-c", "sleep 60"], folder, 60)
        result = local.transport.run(argv, deadline=Deadline.after(1.2))
        assert result.timed_out
        series = sampler.collect(folder)
    assert series is not None
    assert series.gpu_load_percent[0] == 42.0
    assert soon_over()


def test_nowhere_to_write_is_no_series_and_no_failure(
    local: Device, file_sensor: Sensor, tmp_path: Path
) -> None:
    sampler = Sampler.of(local, [file_sensor])
    assert sampler is not None
    result = run(local, sampler, str(tmp_path / "not there"), "echo out; sleep 0.2")
    assert (result.exit_code, result.stdout) == (0, b"out\n")
    assert sampler.collect(str(tmp_path / "not there")) is None


def test_a_device_that_shows_nothing_has_no_sampler(local: Device) -> None:
    from msgspec.structs import replace

    bare = Device(local.transport, replace(local.facts, core_max_khz=()))
    assert Sampler.of(bare, []) is None


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A Kirin 9000 with a slow and a fast core."""
    require_rig()
    with TestDevice() as device:
        for core, khz in ((0, 2045000), (1, 3130000)):
            path = device.sys / f"devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq"
            if path.exists():
                path.write_text(f"{khz}\n", encoding="ascii")
        for core in (0, 1):
            policy = device.sys / f"devices/system/cpu/cpufreq/policy{core}"
            policy.mkdir(parents=True)
            (policy / "scaling_cur_freq").write_text(f"{core + 1}000000\n", encoding="ascii")
        yield device


def test_a_phone_over_adb_with_the_sensors_of_its_profile(
    phone: TestDevice, tmp_path: Path
) -> None:
    transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    device = Device.connect(transport)
    sensors = load_profile(builtin_folder() / "kirin9000.toml").sensors
    sampler = Sampler.of(device, sensors)
    assert sampler is not None
    load = phone.sys / "class/devfreq/gpufreq/gpu_scene_aware/utilisation"
    load.chmod(0o000)
    with device.work_folder("w") as folder:
        result = run(device, sampler, folder, "sleep 1.7; exit 3")
        assert result.exit_code == 3
        series = sampler.collect(folder)
    transport.close()
    assert series is not None
    assert set(series.gpu_khz) == {104_000}
    assert series.cpu_khz["1"][0] == 2_000_000
    assert series.temperatures_celsius["shell_back"][0] == 31.0
    assert series.unreadable == ("gpu_load", "temperature:shell_frame")
    assert 3 <= len(series.times_ns) <= 5
    if os.cpu_count() and len(device.facts.core_max_khz) == 2:
        assert series.cores == (0,)
    assert not [argv for _, argv in phone.processes() if "sampler" in argv]


def test_a_cut_link_ends_it(phone: TestDevice, tmp_path: Path) -> None:
    import threading

    transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    device = Device.connect(transport)
    sampler = Sampler.of(device, [CLOCK])
    assert sampler is not None
    folder = f"{transport.root}/cut"
    device.check_shell("folder", 'mkdir -p "$1"', folder)
    argv = sampler.around(["sh", "-c", "sleep 60"], folder, 60)

    def lost() -> None:
        from bokehbench.errors import DeviceError

        with pytest.raises(DeviceError):
            transport.run(argv, deadline=Deadline.after(60))

    thread = threading.Thread(target=lost)
    thread.start()

    def sampling() -> bool:
        return any("sampler" in argv for _, argv in phone.processes())

    end = time.monotonic() + 20
    while not sampling() and time.monotonic() < end:
        time.sleep(0.05)
    assert sampling()
    # As a dead host does: the connection goes, nothing is said.
    phone.freeze()
    phone.thaw()
    transport.close()
    thread.join(30)
    end = time.monotonic() + 10
    while sampling() and time.monotonic() < end:
        time.sleep(0.05)
    assert not sampling()
