"""Settling: what is waited for, what is given up, and what the record says then."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bokehbench.facts import Conditions
from bokehbench.phone import conditions
from bokehbench.phone.conditions import HOPELESS_LOOKS, lasting, observe, settle, unmet
from bokehbench.phone.device import Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.readings import Readings
from bokehbench.profile import Sensor, SettleTargets, builtin_folder, load_profile
from tests.phone.android import make_android
from tests.rig import TestDevice, require_rig

COOL = Readings(
    load_1m=0.5,
    memory_available_bytes=10**9,
    temperatures_celsius={"cpu": 40.0, "hal:skin": 30.0},
    cpu_khz=(1,),
    battery_percent=80,
    battery_celsius=30.0,
    plugged=True,
    cpu_busy=0.1,
    thermal_status=0,
    thermal_override=False,
    skin_celsius=31.0,
)
TARGETS = SettleTargets(
    max_celsius=35,
    sensor="battery",
    max_thermal_status=0,
    max_load=4,
    max_cpu_busy=0.25,
    min_battery_percent=25,
    max_seconds=100,
)


def settled_by(
    monkeypatch: pytest.MonkeyPatch,
    local: Device,
    looks: Iterator[Readings],
    targets: SettleTargets = TARGETS,
) -> tuple[Conditions, list[str]]:
    """What comes of these looks, on a clock that only sleeping moves."""
    now = [0.0]
    reasons: list[str] = []
    monkeypatch.setattr(conditions, "_read", lambda *_, **__: next(looks))
    result = settle(
        local,
        targets,
        "now",
        on_wait=lambda _, why: reasons.append(why),
        sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
        clock=lambda: now[0],
    )
    return result, reasons


@pytest.fixture
def local(tmp_path: Path) -> Device:
    """This machine."""
    return Device.connect(LocalTransport(tmp_path / "local"))


def forever(readings: Readings) -> Iterator[Readings]:
    while True:
        yield readings


def test_a_cool_phone_settles_at_once(monkeypatch: pytest.MonkeyPatch, local: Device) -> None:
    result, reasons = settled_by(monkeypatch, local, iter([COOL]))
    assert (result.settled, result.settle_seconds, result.unsettled) == (True, 0.0, None)
    assert reasons == []


def test_a_warm_phone_is_waited_for(monkeypatch: pytest.MonkeyPatch, local: Device) -> None:
    looks = [replace(COOL, battery_celsius=c) for c in (40.0, 37.5, 34.9)]
    result, reasons = settled_by(monkeypatch, local, iter(looks))
    assert result.settled is True
    assert result.battery_celsius == 34.9
    assert reasons == ["40.0 °C is above 35.0 °C", "37.5 °C is above 35.0 °C"]


def test_a_phone_that_overheats_and_never_settles_ends_at_the_cap_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, local: Device
) -> None:
    hot = replace(COOL, battery_celsius=44.0, thermal_status=3)
    result, reasons = settled_by(monkeypatch, local, forever(hot))
    assert result.settled is False
    assert result.unsettled == "thermal status 3 (severe) is above 0"
    assert result.settle_seconds == pytest.approx(TARGETS.max_seconds)
    assert len(reasons) == 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"battery_celsius": None}, "no reading of battery"),
        ({"thermal_status": None}, "no reading of the thermal status"),
        ({"thermal_override": True}, "overridden"),
        ({"load_1m": None}, "no reading of the load"),
        ({"cpu_busy": None}, "no reading of how busy"),
        ({"battery_percent": None}, "no reading of the battery"),
        ({"battery_percent": 24}, "battery at 24 %, below 25 %; charge the device"),
    ],
)
def test_what_waiting_does_not_mend_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch, local: Device, change: dict[str, object], said: str
) -> None:
    bad = replace(COOL, **change)  # type: ignore[arg-type]
    result, reasons = settled_by(monkeypatch, local, forever(bad))
    assert result.settled is False
    assert said in (result.unsettled or "")
    assert len(reasons) == HOPELESS_LOOKS - 1


def test_one_reading_that_failed_is_no_reason_to_give_up(
    monkeypatch: pytest.MonkeyPatch, local: Device
) -> None:
    looks = [replace(COOL, thermal_status=None)] * (HOPELESS_LOOKS - 1) + [COOL]
    result, _ = settled_by(monkeypatch, local, iter(looks))
    assert result.settled is True


def test_without_targets_nothing_is_settled_or_not(
    monkeypatch: pytest.MonkeyPatch, local: Device
) -> None:
    result, _ = settled_by(monkeypatch, local, iter([COOL]), SettleTargets())
    assert (result.settled, result.unsettled) == (None, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cpu_busy": 0.5}, "CPU 50 % busy, above 25 %"),
        ({"load_1m": 5.0}, "load 5.00 is above 4.00"),
        ({"thermal_status": 1}, "thermal status 1 (light) is above 0"),
        ({"thermal_status": 9}, "thermal status 9 (unknown) is above 0"),
    ],
)
def test_what_passes_by_waiting(change: dict[str, object], said: str) -> None:
    readings = replace(COOL, **change)  # type: ignore[arg-type]
    assert unmet(readings, TARGETS) == said
    assert lasting(readings, TARGETS) == ""


@pytest.mark.parametrize(
    ("sensor", "hottest"),
    [(None, 40.0), ("skin", 31.0), ("hal:skin", 30.0), ("cpu", 40.0), ("battery", 30.0)],
)
def test_whose_temperature_a_target_is_about(sensor: str | None, hottest: float) -> None:
    below = SettleTargets(max_celsius=hottest - 0.1, sensor=sensor)
    assert unmet(COOL, below) == f"{hottest:.1f} °C is above {hottest - 0.1:.1f} °C"
    assert unmet(COOL, SettleTargets(max_celsius=hottest, sensor=sensor)) == ""


def test_a_name_that_no_sensor_has_is_unknown_and_not_cool() -> None:
    targets = SettleTargets(max_celsius=90, sensor="nose")
    assert unmet(COOL, targets) == "no reading of nose"


def test_this_machine_says_how_busy_it_is_where_that_is_asked_for(local: Device) -> None:
    targets = SettleTargets(max_cpu_busy=1, max_seconds=0)
    asked = settle(local, targets, "now", changes=("x",))
    assert asked.cpu_busy is not None
    assert 0 <= asked.cpu_busy <= 1
    assert asked.settled is True
    assert asked.changes == ("x",)
    seen = observe(local, "after", "now", changes=("x",))
    assert seen.cpu_busy is None
    assert "cpu_busy" not in seen.unknown
    assert "thermal_status" not in seen.unknown
    assert seen.changes == ("x",)


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A Kirin 9000 that says it is Android."""
    require_rig()
    with TestDevice(linker64=True) as device:
        make_android(device)
        device.set_dumpsys("SurfaceFlinger", "GLES: ARM, Mali-G78, OpenGL ES 3.2 v1.r23p0\n")
        yield device


def test_a_phone_over_adb_with_the_sensors_of_its_profile(
    phone: TestDevice, tmp_path: Path
) -> None:
    transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    device = Device.connect(transport)
    profile = load_profile(builtin_folder() / "kirin9000.toml")
    (phone.sys / "class/devfreq/gpufreq/gpu_scene_aware/utilisation").chmod(0o000)
    seen = observe(device, "before", "now", sensors=profile.sensors)
    transport.close()
    assert device.facts.gpu == "Mali-G78"
    assert seen.gpu_khz == 104_000
    assert seen.gpu_max_khz == 760_000
    assert seen.gpu_load_percent is None
    assert {"gpu_load", "temperature:shell_frame"} <= set(seen.unknown)
    assert seen.temperatures_celsius["shell_back"] == 31.0
    assert seen.temperatures_celsius["hal:cluster0"] == 34.2
    assert (seen.battery_percent, seen.battery_celsius) == (86, 29.8)
    assert (seen.thermal_status, seen.screen_on, seen.low_power_mode) == (0, False, False)
    assert unmet_of(seen, profile.settle) == ""


def unmet_of(seen: Conditions, targets: SettleTargets) -> str:
    """What a profile's targets say of these conditions, load left aside."""
    readings = replace(
        COOL,
        battery_celsius=seen.battery_celsius,
        battery_percent=seen.battery_percent,
        thermal_status=seen.thermal_status,
        thermal_override=seen.thermal_override,
    )
    return unmet(readings, targets)


def test_a_device_that_does_not_answer_is_all_unknown(phone: TestDevice, tmp_path: Path) -> None:
    transport = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
    device = Device.connect(transport)
    phone.power_off()
    sensor = Sensor(quantity="gpu_clock", path="/sys/x", unit="hz")
    assert observe(device, "after", "now", sensors=[sensor]).unknown == ("all",)
    transport.close()
