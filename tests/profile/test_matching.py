"""Which profile a device gets, and why not another."""

from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.errors import ProfileError
from bokehbench.facts import DeviceFacts
from bokehbench.profile import (
    BackendChoice,
    DeviceProfile,
    Match,
    builtin_folder,
    explain,
    load_profiles,
    match_profile,
)
from tests.phone.phones import Phone

SHIPPED = load_profiles([builtin_folder()])

PHONE = DeviceFacts(
    address="x",
    device_id="SERIAL",
    platform="android",
    abi="arm64-v8a",
    abis=("arm64-v8a",),
    emulator=False,
)


def phone(**facts: Any) -> DeviceFacts:
    return replace(PHONE, **facts)


def profile(name: str, **match: Any) -> DeviceProfile:
    choice = BackendChoice(name="cpu", engine="litert", reason="r")
    return DeviceProfile(name=name, title=name, match=Match(**match), backends=[choice])


def chosen(facts: DeviceFacts, *more: DeviceProfile) -> str:
    return match_profile(SHIPPED | {p.name: p for p in more}, facts).name


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"board_platform": "kirin9000"}, "kirin9000"),
        ({"board_platform": "Kirin9000E"}, "kirin9000"),
        ({"board_platform": "kirin9000s"}, "android-arm64"),
        ({"cpu_hardware": "Hisilicon Kirin9000"}, "kirin9000"),
        ({"soc_model": "SM8450", "board_platform": "taro"}, "snapdragon-8-gen-1"),
        ({"soc_model": "SM8475", "board_platform": "taro"}, "android-arm64"),
        ({"soc_model": "SM7450", "board_platform": "taro"}, "android-arm64"),
        ({"soc_machine": "WAIPIO", "board_platform": "taro"}, "snapdragon-8-gen-1"),
        ({"soc_machine": "CAPE", "board_platform": "taro"}, "android-arm64"),
        ({"board_platform": "taro"}, "android-arm64"),
        ({"soc_model": "SM8550", "board_platform": "kalama"}, "snapdragon-8-gen-2"),
        ({"board_platform": "kalama"}, "snapdragon-8-gen-2"),
        ({"soc_model": "SM8650"}, "snapdragon-8-gen-3"),
        ({"soc_model": "Tensor", "board_platform": "gs101"}, "tensor-g1"),
        ({"soc_model": "GS201"}, "tensor-g2"),
        ({"soc_model": "Tensor G3", "board_platform": "zuma"}, "tensor-g3"),
        ({"soc_model": "Tensor G4", "board_platform": "zumapro"}, "android-arm64"),
        ({"board_platform": "zumapro"}, "android-arm64"),
        ({"soc_model": "MT6983", "board_platform": "mt6983"}, "dimensity-9000"),
        ({"board_platform": "exynos2100"}, "exynos-2100"),
        ({"board_platform": "universal9925"}, "exynos-2200"),
        ({"chipname": "s5e9925"}, "exynos-2200"),
        ({"emulator": True, "hardware": "ranchu"}, "android-emulator"),
        ({"emulator": True, "board_platform": "kirin9000"}, "android-emulator"),
        ({"abi": "x86_64"}, "android-x86_64"),
        ({}, "android-arm64"),
        ({"platform": "linux", "abi": "x86_64", "emulator": None}, "generic-linux"),
        (
            {
                "platform": "linux",
                "abi": "aarch64",
                "emulator": None,
                "model": "Raspberry Pi 5 Model B Rev 1.0",
            },
            "raspberry-pi-5",
        ),
        (
            {
                "platform": "linux",
                "abi": "aarch64",
                "emulator": None,
                "model": "Raspberry Pi 4 Model B",
            },
            "generic-linux",
        ),
    ],
)
def test_the_profile_of_a_device(facts: dict[str, Any], name: str) -> None:
    assert chosen(phone(**facts)) == name


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("nexus-6p-7", "android-arm64"),
        ("galaxy-s10e-9", "android-arm64"),
        ("mate-40-pro-10", "kirin9000"),
        ("mate-40-pro-harmony", "kirin9000"),
        ("pixel-6-12", "tensor-g1"),
        ("galaxy-s23-13", "snapdragon-8-gen-2"),
        ("xiaomi-14-14", "snapdragon-8-gen-3"),
        ("k70-15", "dimensity-9000"),
        ("qrd8450-12", "snapdragon-8-gen-1"),
    ],
)
def test_the_profile_of_a_phone_by_its_own_words(name: str, wanted: str) -> None:
    assert chosen(Phone(name).facts()) == wanted


def test_a_device_that_runs_32_bit_programs_only_is_refused() -> None:
    with pytest.raises(ProfileError, match="32-bit programs only"):
        chosen(Phone("arm32-9").facts())


def test_nothing_that_fits_says_what_to_do() -> None:
    with pytest.raises(ProfileError, match="--profile NAME"):
        chosen(phone(platform="fuchsia"))


def test_two_that_fit_equally_well_are_both_named_with_the_cure() -> None:
    twins = (profile("one", soc_model=["AB12"]), profile("two", soc_model=["AB12"]))
    with pytest.raises(ProfileError) as caught:
        chosen(phone(soc_model="AB12"), *twins)
    assert "one and two" in str(caught.value)
    assert "--profile NAME" in str(caught.value)


def test_the_longer_name_is_the_more_specific() -> None:
    both = (profile("a", board_platform=["xy"]), profile("b", board_platform=["xyz"]))
    assert chosen(phone(board_platform="xyz9"), *both) == "b"
    assert chosen(phone(board_platform="xy9"), *both) == "a"


def test_one_device_comes_before_its_model_and_that_before_its_soc() -> None:
    own = profile("own", device_id=["SERIAL"])
    model = profile("model", model=["NOH"])
    facts = phone(board_platform="kirin9000", model="NOH-NX9")
    assert chosen(facts, model) == "model"
    assert chosen(facts, model, own) == "own"
    assert chosen(replace(facts, device_id="other"), own) == "kirin9000"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"soc_model": "SM7450"}, "ro.soc.model is SM7450, not SM8450"),
        ({}, "does not say: ro.soc.model, soc0/machine"),
        ({"platform": "linux"}, "platform is linux, not android"),
        ({"emulator": True}, "the device is an emulator"),
    ],
)
def test_why_not(facts: dict[str, Any], said: str) -> None:
    fit = explain(SHIPPED["snapdragon-8-gen-1"], phone(**facts))
    assert not fit.matches
    assert said in fit.why


def test_why_not_another_devices_name() -> None:
    fit = explain(SHIPPED["kirin9000"], phone(board_platform="kirin9000s"))
    assert "another device" in fit.why
