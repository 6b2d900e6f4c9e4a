"""Which runner a device gets: platform and ABI from what it says, and refusals."""

import pytest

from android_app.build import TARGETS
from bokehbench.errors import DeviceError
from bokehbench.phone.describe import parse_describe
from bokehbench.runners import SUPPORTED, require_supported

PHONE = "arm64-v8a,armeabi-v7a,armeabi"
BOTH = ("/system/bin/linker", "/system/bin/linker64")


def described(machine: str, linkers: tuple[str, ...], **props: str) -> tuple[str, str]:
    lines = ["@uname", "Linux", "4.14.116", machine, "localhost", "@getprop"]
    lines += [f"[{name.replace('_', '.')}]: [{value}]" for name, value in props.items()]
    lines += ["@linker", *linkers]
    facts = parse_describe("\n".join(lines) + "\n", "serial")
    return facts.platform, facts.abi


def test_what_is_supported_is_what_is_built() -> None:
    built = {f"{platform}-{abi}" for platform, abis in SUPPORTED.items() for abi in abis}
    assert built == set(TARGETS)


@pytest.mark.parametrize(
    ("machine", "linkers", "abilist", "abi"),
    [
        ("aarch64", BOTH, PHONE, "arm64-v8a"),
        ("aarch64", BOTH[1:], "arm64-v8a", "arm64-v8a"),
        ("armv8l", BOTH, PHONE, "arm64-v8a"),
        # An emulator or Chromebook that translates arm64 runs its own programs faster.
        ("x86_64", BOTH, "x86_64,x86,arm64-v8a,armeabi-v7a", "x86_64"),
        ("x86_64", BOTH, "arm64-v8a,x86_64", "x86_64"),
        # Properties of another machine: what really starts counts.
        ("x86_64", BOTH[1:], PHONE, "x86_64"),
        ("aarch64", BOTH[1:], "", "arm64-v8a"),
        # 64-bit kernels under 32-bit systems, and 32-bit phones.
        ("armv8l", BOTH[:1], "armeabi-v7a,armeabi", "armeabi-v7a"),
        ("aarch64", BOTH[:1], "armeabi-v7a,armeabi", "armeabi-v7a"),
        ("armv7l", BOTH[:1], "armeabi-v7a,armeabi", "armeabi-v7a"),
        ("i686", BOTH[:1], "x86", "x86"),
        ("riscv64", BOTH[1:], "riscv64", "riscv64"),
        ("mips64", BOTH, "mips64,mips", "mips64"),
    ],
)
def test_the_abi_of_an_android_device(
    machine: str, linkers: tuple[str, ...], abilist: str, abi: str
) -> None:
    assert described(machine, linkers, ro_product_cpu_abilist=abilist) == ("android", abi)


def test_old_systems_name_one_abi() -> None:
    props = {"ro_product_cpu_abi": "x86"}
    assert described("i686", BOTH[:1], **props) == ("android", "x86")


def test_properties_alone_are_no_android() -> None:
    assert described("x86_64", (), ro_product_cpu_abilist=PHONE) == ("linux", "x86_64")


def test_a_linker_alone_is_no_android() -> None:
    assert described("x86_64", BOTH) == ("linux", "x86_64")


@pytest.mark.parametrize(
    ("platform", "abi"),
    [
        ("android", "armeabi-v7a"),
        ("android", "32-bit armv7l"),
        ("android", "riscv64"),
        ("linux", "armv7"),
        ("darwin", "arm64"),
    ],
)
def test_an_unsupported_device_is_refused_with_what_is_supported(platform: str, abi: str) -> None:
    with pytest.raises(DeviceError) as caught:
        require_supported("serial", platform, abi)
    assert str(caught.value) == (
        f"serial: {platform} {abi} is not supported: the runner is built for "
        "android arm64-v8a, x86_64; linux x86_64, aarch64"
    )
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", list(TARGETS))
def test_what_is_built_is_not_refused(name: str) -> None:
    require_supported("serial", *name.split("-", 1))
