"""Lines of sysfs files as kHz, percent and degrees."""

import pytest

from bokehbench.phone.sensors import gpu_readings, sensor_of, specs, value_of
from bokehbench.profile import Sensor


def sensor(unit: str, path: str = "/sys/x", field: int = 1, quantity: str = "gpu_clock") -> Sensor:
    return Sensor(quantity=quantity, path=path, unit=unit, field=field)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("unit", "field", "line", "value"),
    [
        ("hz", 1, "760000000", 760_000.0),
        ("khz", 1, "848000", 848_000.0),
        ("mhz", 1, "305", 305_000.0),
        ("clock", 1, "858000", 858_000.0),
        ("clock", 1, "858000000", 858_000.0),
        ("clock", 1, "858", 858_000.0),
        ("clock", 1, "0", 0.0),
        ("khz", 2, "31 299000", 299_000.0),
        ("khz", 2, "299000", None),
        ("percent", 1, "99 %", 99.0),
        ("percent", 1, "12% ", 12.0),
        ("percent", 1, "37 4 59", 37.0),
        ("percent", 1, "250", None),
        ("percent", 1, "-1", None),
        ("busy_total", 1, " 250000 1000000", 25.0),
        ("busy_total", 1, "0 0", None),
        ("busy_total", 1, "5 4", 100.0),
        ("busy_total", 1, "5", None),
        ("celsius", 1, "31000", 31.0),
        ("celsius", 1, "310", 31.0),
        ("celsius", 1, "31", 31.0),
        ("celsius", 1, "-5000", -5.0),
        ("celsius", 1, "0", None),
        ("celsius", 1, "-99900", None),
        ("hz", 1, "cat: Permission denied", None),
        ("hz", 1, "nan", None),
        ("hz", 1, "", None),
    ],
)
def test_a_line_by_its_unit(unit: str, field: int, line: str, value: float | None) -> None:
    assert value_of(sensor(unit, field=field), line) == value


def test_the_first_file_that_answers_counts_with_its_own_unit() -> None:
    both = [sensor("hz", "/sys/class/a/cur"), sensor("khz", "/sys/devices/*.mali/cur_freq")]
    read = {"gpu_clock": ("/sys/devices/1c500000.mali/cur_freq", "848000")}
    values, missing = gpu_readings(both, read)
    assert values == {"gpu_clock": 848_000.0}
    assert missing == []
    assert gpu_readings(both, {}) == ({}, ["gpu_clock"])


@pytest.mark.parametrize(
    ("path", "fits"),
    [("/sys/a/b.mali/f", True), ("/sys/a/b.mali/c/f", False), ("/sys/a/x/b.mali/f", False)],
)
def test_a_star_is_one_name(path: str, fits: bool) -> None:
    one = sensor("hz", "/sys/a/*.mali/f")
    assert (sensor_of([one], "gpu_clock", path) is one) == fits


def test_what_the_device_is_asked_for_needs_no_quoting() -> None:
    skin = Sensor(quantity="temperature", name="skin", path="/sys/t/temp", unit="celsius")
    assert specs([sensor("hz"), skin]) == "gpu_clock=/sys/x temperature:skin=/sys/t/temp"
