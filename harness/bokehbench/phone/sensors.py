"""A profile's sensor files: how the device is asked for them, and what their lines mean; pure."""

from collections.abc import Iterable, Mapping, Sequence

from bokehbench.phone.dumpsys import number, plausible
from bokehbench.profile import Sensor

TEMPERATURE = "temperature:"

HZ_FROM = 10_000_000
KHZ_FROM = 10_000
"""GPU clocks lie between 50 MHz and 3 GHz, so that a number tells its unit by its size."""


def key_of(sensor: Sensor) -> str:
    """What a sensor shows, and whose: `gpu_clock`, `temperature:skin`."""
    if sensor.quantity == "temperature":
        return f"{TEMPERATURE}{sensor.name or 'sensor'}"
    return sensor.quantity


def specs(sensors: Iterable[Sensor]) -> str:
    """`KEY=PATH` words for the device's shell; neither has a blank or a quote (the schema)."""
    return " ".join(f"{key_of(sensor)}={sensor.path}" for sensor in sensors)


def sensor_of(sensors: Sequence[Sensor], key: str, path: str) -> Sensor | None:
    """The sensor that a device read under a key at a path, by the pattern that fits."""
    fitting = [s for s in sensors if key_of(s) == key and _fits(s.path, path)]
    return fitting[0] if fitting else None


def value_of(sensor: Sensor, line: str) -> float | None:
    """What one line says in kHz, percent or degrees Celsius; None where it says nothing."""
    words = line.split()
    if sensor.unit == "busy_total":
        busy, total = ([number(word) for word in words[:2]] + [None, None])[:2]
        # `0 0` is a GPU that is off since the last look: no load was measured.
        return None if busy is None or not total else min(100.0, 100 * busy / total)
    if len(words) < sensor.field:
        return None
    value = number(words[sensor.field - 1].rstrip("%"))
    if value is None or (value < 0 and sensor.unit != "celsius"):
        return None
    if sensor.unit == "percent":
        return value if value <= 100 else None
    if sensor.unit == "celsius":
        return degrees(value)
    return _khz(value, sensor.unit)


def degrees(value: float) -> float | None:
    """A thermometer's number in degrees Celsius, or None where it can't be one.

    The kernel's own unit is a thousandth (Documentation/ABI/testing/sysfs-class-thermal); some
    vendors' drivers count in tenths or whole degrees, which the number's size tells.
    """
    size = abs(value)
    celsius = value if size < 200 else value / 10 if size < 2000 else value / 1000
    return celsius if plausible(celsius) else None


def series_values(sensor: Sensor, lines: Sequence[str]) -> tuple[float | None, ...]:
    """One value for each line."""
    return tuple(value_of(sensor, line) for line in lines)


def gpu_readings(
    sensors: Sequence[Sensor], read: Mapping[str, tuple[str, str]]
) -> tuple[dict[str, float], list[str]]:
    """Values by key from `KEY -> (path, line)`, and the keys that gave none.

    Args:
        read: what the device read; a path is empty where it could not.
    """
    values: dict[str, float] = {}
    missing: list[str] = []
    for key in dict.fromkeys(map(key_of, sensors)):
        path, line = read.get(key, ("", ""))
        sensor = sensor_of(sensors, key, path) if path else None
        value = value_of(sensor, line) if sensor is not None else None
        if value is None:
            missing.append(key)
        else:
            values[key] = value
    return values, missing


def _khz(value: float, unit: str) -> float | None:
    if unit == "clock":
        unit = "hz" if value >= HZ_FROM else "khz" if value >= KHZ_FROM else "mhz"
    return value / 1000 if unit == "hz" else value if unit == "khz" else value * 1000


def _fits(pattern: str, path: str) -> bool:
    """Whether the shell may have made `path` from `pattern`; `*` does not cross a slash."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(map(_same, parts, names))


def _same(part: str, name: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(name, part)
