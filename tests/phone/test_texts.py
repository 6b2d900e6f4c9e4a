"""What phones of seven Android versions and six vendors say, and what is made of it."""

from typing import Any

import pytest

from bokehbench.phone.dumpsys import headroom, parse_battery, parse_thermal, screen_on
from bokehbench.phone.identity import gles_line, gpu_name, vulkan_device
from bokehbench.phone.readings import UNPARSED_CHARACTERS, UNPARSED_LINES
from tests.phone.phones import PHONES, Phone

IDENTITIES: dict[str, dict[str, Any]] = {
    "nexus-6p-7": {
        "sdk": 25,
        "gpu": "Adreno (TM) 430",
        "soc_model": None,
        "board_platform": "msm8994",
        "rooted": False,
        "build_type": "user",
        "abi": "arm64-v8a",
    },
    "galaxy-s10e-9": {
        "sdk": 28,
        "gpu": "Mali-G76",
        "chipname": "exynos9820",
        "model": "SM-G970F",
        "abis": ("arm64-v8a", "armeabi-v7a", "armeabi"),
    },
    "mate-40-pro-10": {
        "board_platform": "kirin9000",
        "gpu": "Mali-G78",
        "os_name": "Android",
        "os_version": "10",
        "cpu_hardware": "Vendor Chip",
        "emulator": False,
    },
    "mate-40-pro-harmony": {
        "os_name": "HarmonyOS",
        "os_version": "4.2.0",
        "harmony_version": "4.2.0",
        "sdk": 31,
        "platform": "android",
    },
    "pixel-6-12": {
        "soc_model": "Tensor",
        "soc_manufacturer": "Google",
        "gpu": "Mali-G78",
        "vulkan": "Mali-G78, driver 134221824",
    },
    "galaxy-s23-13": {"soc_model": "SM8550", "gpu": "Adreno (TM) 740", "abis": ("arm64-v8a",)},
    "xiaomi-14-14": {"soc_model": "SM8650", "board_platform": "pineapple", "debuggable": False},
    "k70-15": {"gles": None, "gpu": "Mali-G710", "soc_manufacturer": "Mediatek"},
    "qrd8450-12": {
        "soc_model": None,
        "soc_machine": "WAIPIO",
        "build_type": "eng",
        "debuggable": True,
        "rooted": True,
        "uid": 0,
    },
    "arm32-9": {"abi": "armeabi-v7a", "abis": ("armeabi-v7a", "armeabi"), "gpu": None},
}

STATES: dict[str, dict[str, Any]] = {
    "nexus-6p-7": {
        "battery_percent": 81,
        "battery_celsius": 27.1,
        "plugged": True,
        "thermal_status": None,
        "thermal_override": None,
        "screen_on": False,
        "unparsed": ("Can't find service: thermalservice",),
        "cpu_busy": 0.2,
    },
    "galaxy-s10e-9": {
        "battery_percent": 43,
        "battery_celsius": 31.8,
        "screen_on": True,
        "thermal_status": None,
    },
    "mate-40-pro-10": {
        "thermal_status": 0,
        "thermal_override": False,
        "thermal_thresholds": None,
        "skin_celsius": 31.0,
        "battery_celsius": 29.8,
        "cooling_devices": {},
        "unparsed": ("hw_charge_mode: 1",),
    },
    "mate-40-pro-harmony": {
        "battery_percent": 100,
        "plugged": True,
        "thermal_status": None,
        "screen_on": False,
    },
    "pixel-6-12": {
        "thermal_status": 0,
        "thermal_thresholds": 2,
        "skin_celsius": 30.401001,
        "plugged": True,
        "unparsed": (),
    },
    "galaxy-s23-13": {
        "battery_percent": 75,
        "battery_celsius": 35.7,
        "thermal_status": 0,
        "thermal_thresholds": 0,
        "skin_celsius": 33.2,
    },
    "xiaomi-14-14": {
        "thermal_status": 2,
        "thermal_thresholds": 1,
        "thermal_headroom": 0.97,
        "cooling_devices": {"cpufreq-cpu7": 3.0, "gpu": 4.0},
        "plugged": False,
        "low_power_mode": True,
        "unparsed": ("MIUI quick charge: false", "MIUI thermal level: 6"),
    },
    "k70-15": {
        "thermal_override": True,
        "battery_percent": None,
        "battery_celsius": None,
        "plugged": None,
        "screen_on": False,
        "low_power_mode": False,
    },
    "qrd8450-12": {"thermal_status": None, "battery_percent": 50, "battery_celsius": None},
    "arm32-9": {
        "battery_percent": None,
        "thermal_status": None,
        "screen_on": None,
        "load_1m": 3.1,
    },
}


def test_at_least_five_versions_and_six_vendors_are_here() -> None:
    facts = [phone.facts() for phone in PHONES]
    assert len({f.sdk for f in facts}) >= 7
    assert len({(f.manufacturer or "").lower() for f in facts}) >= 6


@pytest.mark.parametrize("phone", PHONES, ids=lambda p: p.name)
def test_what_a_phone_is(phone: Phone) -> None:
    facts = phone.facts()
    wanted = IDENTITIES[phone.name]
    assert {key: getattr(facts, key) for key in wanted} == wanted
    assert facts.platform == "android"
    assert facts.fingerprint


@pytest.mark.parametrize("phone", PHONES, ids=lambda p: p.name)
def test_what_state_a_phone_is_in(phone: Phone) -> None:
    readings = phone.readings()
    wanted = STATES[phone.name]
    assert {key: getattr(readings, key) for key in wanted} == wanted


@pytest.mark.parametrize("phone", PHONES, ids=lambda p: p.name)
def test_what_is_missing_is_named_and_what_is_named_is_missing(phone: Phone) -> None:
    readings = phone.readings()
    for name in ("thermal_status", "thermal_override", "screen_on", "battery_celsius", "cpu_busy"):
        assert (name in readings.unknown) == (getattr(readings, name) is None), name
    assert ("battery" in readings.unknown) == (readings.battery_percent is None)


def test_readings_of_this_moment_come_before_what_is_remembered() -> None:
    temperatures = Phone("mate-40-pro-10").readings().temperatures_celsius
    assert temperatures["hal:gpu"] == 33.9
    remembered = Phone("k70-15").readings()
    assert remembered.temperatures_celsius["hal:ap_ntc"] == 38.4
    assert "temperatures of this moment" in remembered.unknown


def test_dead_thermometers_are_unknown_and_never_cool() -> None:
    readings = Phone("galaxy-s23-13").readings()
    assert "hal:PA" not in readings.temperatures_celsius
    assert "hal:SUBBAT" not in readings.temperatures_celsius
    assert {"temperature hal:PA", "temperature hal:SUBBAT"} <= set(readings.unknown)
    assert "modem" not in readings.temperatures_celsius


def test_a_status_that_cannot_rise_is_doubted() -> None:
    assert "thermal_thresholds" in Phone("galaxy-s23-13").readings().unknown
    assert "thermal_thresholds" not in Phone("pixel-6-12").readings().unknown


def test_what_follows_the_battery_is_evidence_and_not_the_battery() -> None:
    readings = Phone("galaxy-s23-13").readings()
    assert readings.battery_percent == 75
    assert "[EventLogBuffer]" in readings.unparsed
    assert "level: 12" in readings.unparsed


def test_evidence_is_bounded() -> None:
    lines = ["Current Battery Service state:", *(f"  vendor {n}: {'x' * 999}" for n in range(500))]
    assert len(parse_battery(lines).unparsed) == 500
    text = "@android\n@dumpsys battery\n" + "\n".join(lines)
    from bokehbench.phone.readings import parse_conditions

    kept = parse_conditions(text).unparsed
    assert len(kept) == UNPARSED_LINES
    assert max(map(len, kept)) == UNPARSED_CHARACTERS


def test_a_name_may_hold_commas_and_braces() -> None:
    line = "\tTemperature{mValue=31.5, mType=3, mName=skin, front {a}, mStatus=0}"
    thermal = parse_thermal(["Thermal Status: 1", "Current temperatures from HAL:", line])
    assert thermal.temperatures_celsius == {"skin, front {a}": 31.5}
    assert (thermal.status, thermal.skin_celsius) == (1, 31.5)


@pytest.mark.parametrize(
    ("line", "on"),
    [
        ("  mWakefulness=Awake", True),
        ("  mWakefulness=Dreaming", False),
        ("Display Power: state=ON", True),
        ("Display Power: state=DOZE_SUSPEND", False),
        ("  mScreenState=OFF", False),
        ("  mGlobalDisplayState=ON", True),
        ("  mWakefulnessChanging=false", None),
        ("Can't find service: power", None),
    ],
)
def test_the_screen(line: str, on: bool | None) -> None:
    assert screen_on([line]) is on


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("0.8333333", 0.8333333),
        ("Headroom in 10 seconds: 0.75", 0.75),
        ("NaN", None),
        ("Unknown command: headroom", None),
        ("cmd: Can't find service: thermalservice", None),
        ("", None),
    ],
)
def test_headroom(line: str, value: float | None) -> None:
    assert headroom([line]) == value


def test_the_display_itself_counts_before_wakefulness() -> None:
    assert screen_on(["  mWakefulness=Awake", "Display Power: state=OFF"]) is False


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("GLES: ARM, Mali-G57 MC2, OpenGL ES 3.2 v1.r38p1", "Mali-G57 MC2"),
        (
            "GLES: Google (Intel), Android Emulator OpenGL ES Translator (Mesa, Iris), "
            "OpenGL ES 3.1 (4.6)",
            "Android Emulator OpenGL ES Translator (Mesa, Iris)",
        ),
        ("GLES: Google Inc. (Google), ANGLE (Google, Vulkan 1.1.0 (SwiftShader)), OpenGL ES 3.1",
         "ANGLE (Google, Vulkan 1.1.0 (SwiftShader))"),
        ("GLES: Other GPU", "Other GPU"),
        ("------RE GLES (Ganesh)------", None),
    ],
)  # fmt: skip
def test_the_gpu_by_its_driver(line: str, name: str | None) -> None:
    assert gpu_name(gles_line([line]), None) == name


def test_vulkan_speaks_where_opengl_does_not() -> None:
    said = vulkan_device(['  "deviceName" : "Adreno (TM) 740",', '  "driverVersion" : 2150875136,'])
    assert said == "Adreno (TM) 740, driver 2150875136"
    assert gpu_name(None, said) == "Adreno (TM) 740"
    assert vulkan_device(["cmd: Can't find service: gpu"]) is None
