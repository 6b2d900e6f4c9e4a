"""Conditions: observe heat, battery, clocks and load; settle before a run."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from bokehbench.errors import DeviceError
from bokehbench.facts import Conditions
from bokehbench.phone.device import SHORT_SECONDS, Device, read_text
from bokehbench.phone.readings import HAL, Readings, conditions_script, parse_conditions
from bokehbench.phone.transport import Deadline
from bokehbench.profile import Sensor, SettleTargets

POLL_SECONDS = 2.0

HOPELESS_LOOKS = 3
"""How often what no waiting mends is looked at again: one reading may have failed."""

_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
"""Android's names of thermal statuses 0 to 6 (PowerManager.THERMAL_STATUS_*)."""


def observe(
    device: Device,
    when: Literal["before", "after"],
    now: str,
    *,
    sensors: Sequence[Sensor] = (),
    changes: Sequence[str] = (),
) -> Conditions:
    """The state of the device at this moment; `now` is its time stamp.

    A device that does not answer gives Conditions in which everything is unknown: the
    trial that follows will tell what happened to it.

    Args:
        sensors: the profile's, which are read as well.
        changes: what is changed on the device now (`phone/restore.py`).
    """
    try:
        readings = _read(device, sensors)
    except DeviceError:
        return Conditions(when=when, at=now, unknown=("all",), changes=tuple(changes))
    return _conditions(readings, when, now, changes=tuple(changes))


def settle(
    device: Device,
    targets: SettleTargets,
    now: str,
    *,
    sensors: Sequence[Sensor] = (),
    on_wait: Callable[[float, str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    changes: Sequence[str] = (),
) -> Conditions:
    """Wait until the device meets its profile's targets, at most `targets.max_seconds`.

    The result's `settled` is None where the profile sets no target, False when the cap came
    first, or at once when a needed reading is missing (unknown is never fine) or can't come
    right by waiting; `unsettled` says why.
    """
    started = clock()
    hopeless = 0
    while True:
        readings = _read(device, sensors, busy=targets.max_cpu_busy is not None)
        why = unmet(readings, targets)
        waited = clock() - started
        left = targets.max_seconds - waited
        stuck = lasting(readings, targets)
        hopeless = hopeless + 1 if stuck else 0
        if not why or left <= 0 or hopeless >= HOPELESS_LOOKS:
            settled = None if targets.is_empty else not why
            return _conditions(
                readings,
                "before",
                now,
                settled=settled,
                settle_seconds=waited,
                unsettled=(stuck or why) or None,
                changes=tuple(changes),
            )
        if on_wait is not None:
            on_wait(left, why)
        sleep(min(POLL_SECONDS, left))


def unmet(readings: Readings, targets: SettleTargets) -> str:
    """What keeps the device from being settled, or an empty text."""
    return lasting(readings, targets) or _heat(readings, targets) or _work(readings, targets)


def lasting(readings: Readings, targets: SettleTargets) -> str:
    """What keeps the device from being settled and does not pass by waiting, or an empty text."""
    if targets.max_thermal_status is not None:
        if readings.thermal_override is True:
            return "the thermal status is overridden; `cmd thermalservice reset` on the device"
        if readings.thermal_status is None:
            return "no reading of the thermal status"
    if targets.max_celsius is not None and not _celsius(readings, targets.sensor):
        return f"no reading of {targets.sensor or 'any temperature'}"
    if targets.max_load is not None and readings.load_1m is None:
        return "no reading of the load"
    if targets.max_cpu_busy is not None and readings.cpu_busy is None:
        return "no reading of how busy the CPU is"
    if targets.min_battery_percent is not None:
        if readings.battery_percent is None:
            return "no reading of the battery"
        if readings.battery_percent < targets.min_battery_percent:
            return (
                f"battery at {readings.battery_percent} %, below {targets.min_battery_percent} %; "
                "charge the device"
            )
    return ""


def _heat(readings: Readings, targets: SettleTargets) -> str:
    status, limit = readings.thermal_status, targets.max_thermal_status
    if limit is not None and status is not None and status > limit:
        name = _STATUS[status] if 0 <= status < len(_STATUS) else "unknown"
        return f"thermal status {status} ({name}) is above {limit}"
    if targets.max_celsius is not None:
        hottest = max(_celsius(readings, targets.sensor))
        if hottest > targets.max_celsius:
            return f"{hottest:.1f} °C is above {targets.max_celsius:.1f} °C"
    return ""


def _work(readings: Readings, targets: SettleTargets) -> str:
    busy, load = readings.cpu_busy, readings.load_1m
    if targets.max_cpu_busy is not None and busy is not None and busy > targets.max_cpu_busy:
        return f"CPU {100 * busy:.0f} % busy, above {100 * targets.max_cpu_busy:.0f} %"
    if targets.max_load is not None and load is not None and load > targets.max_load:
        return f"load {load:.2f} is above {targets.max_load:.2f}"
    return ""


def _celsius(readings: Readings, sensor: str | None) -> list[float]:
    """The temperatures that a target is about."""
    if sensor == "battery":
        return [] if readings.battery_celsius is None else [readings.battery_celsius]
    if sensor == "skin":
        return [] if readings.skin_celsius is None else [readings.skin_celsius]
    return [
        value
        for name, value in readings.temperatures_celsius.items()
        if sensor is None or sensor in (name, name.removeprefix(HAL))
    ]


def _read(device: Device, sensors: Sequence[Sensor], *, busy: bool = False) -> Readings:
    script = conditions_script(sensors, busy=busy)
    text = read_text(device.transport, script, Deadline.after(SHORT_SECONDS))
    return parse_conditions(text, sensors)


def _conditions(
    readings: Readings,
    when: Literal["before", "after"],
    now: str,
    *,
    settled: bool | None = None,
    settle_seconds: float | None = None,
    unsettled: str | None = None,
    changes: tuple[str, ...] = (),
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
        cpu_busy=readings.cpu_busy,
        thermal_status=readings.thermal_status,
        thermal_override=readings.thermal_override,
        thermal_thresholds=readings.thermal_thresholds,
        thermal_headroom=readings.thermal_headroom,
        cooling_devices=readings.cooling_devices,
        gpu_khz=readings.gpu_khz,
        gpu_max_khz=readings.gpu_max_khz,
        gpu_load_percent=readings.gpu_load_percent,
        screen_on=readings.screen_on,
        low_power_mode=readings.low_power_mode,
        unsettled=unsettled,
        changes=changes,
        unparsed=readings.unparsed,
    )
