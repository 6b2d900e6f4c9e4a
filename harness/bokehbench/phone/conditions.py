"""Conditions: observe heat, battery, clocks and load; settle before a run."""

import time
from collections.abc import Callable
from typing import Literal

from bokehbench.errors import DeviceError
from bokehbench.facts import Conditions
from bokehbench.phone.device import SHORT_SECONDS, Device, read_text
from bokehbench.phone.readings import CONDITIONS_SCRIPT, Readings, parse_conditions
from bokehbench.phone.transport import Deadline
from bokehbench.profile import SettleTargets

POLL_SECONDS = 2.0


def observe(device: Device, when: Literal["before", "after"], now: str) -> Conditions:
    """The state of the device at this moment; `now` is its time stamp.

    A device that does not answer gives Conditions in which everything is unknown: the
    trial that follows will tell what happened to it.
    """
    try:
        return _conditions(_read(device), when, now)
    except DeviceError:
        return Conditions(when=when, at=now, unknown=("all",))


def settle(
    device: Device,
    targets: SettleTargets,
    now: str,
    *,
    on_wait: Callable[[float, str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Conditions:
    """Wait until the device meets its profile's targets, at most `targets.max_seconds`.

    The result's `settled` is None where the profile sets no target, False when the
    cap came first or a needed reading is missing (unknown is never fine).
    """
    started = time.monotonic()
    while True:
        readings = _read(device)
        why = unmet(readings, targets)
        waited = time.monotonic() - started
        left = targets.max_seconds - waited
        if not why or left <= 0:
            settled = None if targets.is_empty else not why
            return _conditions(readings, "before", now, settled, waited)
        if on_wait is not None:
            on_wait(left, why)
        sleep(min(POLL_SECONDS, left))


def unmet(readings: Readings, targets: SettleTargets) -> str:
    """What keeps the device from being settled, or an empty text."""
    if targets.max_celsius is not None:
        sensor = targets.sensor
        values = [
            value
            for name, value in readings.temperatures_celsius.items()
            if sensor is None or name == sensor
        ]
        if not values:
            return f"no reading of {sensor or 'any temperature'}"
        if max(values) > targets.max_celsius:
            return f"{max(values):.1f} °C is above {targets.max_celsius:.1f} °C"
    if targets.max_load is not None:
        if readings.load_1m is None:
            return "no reading of the load"
        if readings.load_1m > targets.max_load:
            return f"load {readings.load_1m:.2f} is above {targets.max_load:.2f}"
    return ""


def _read(device: Device) -> Readings:
    return parse_conditions(
        read_text(device.transport, CONDITIONS_SCRIPT, Deadline.after(SHORT_SECONDS))
    )


def _conditions(
    readings: Readings,
    when: Literal["before", "after"],
    now: str,
    settled: bool | None = None,
    settle_seconds: float | None = None,
) -> Conditions:
    return Conditions(
        when=when,
        at=now,
        load_1m=readings.load_1m,
        memory_available_bytes=readings.memory_available_bytes,
        temperatures_celsius=readings.temperatures_celsius,
        cpu_khz=readings.cpu_khz,
        battery_percent=readings.battery_percent,
        battery_celsius=readings.battery_celsius,
        plugged=readings.plugged,
        settled=settled,
        settle_seconds=settle_seconds,
        unknown=readings.unknown,
    )
