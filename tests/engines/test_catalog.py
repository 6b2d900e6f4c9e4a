"""The catalog holds together, and fits the runner that loads what it names."""

import re
from pathlib import Path

import pytest

from bokehbench.engines.catalog import catalog, find_item, install_command
from bokehbench.engines.elf import MACHINES
from bokehbench.engines.find import find_engine, find_tool
from bokehbench.engines.inventory import offers
from bokehbench.errors import EngineError, EngineMissing

RUNNER = Path(__file__).parents[2] / "android_app" / "runner"


def test_items_are_whole() -> None:
    for item in catalog().items:
        assert set(item.abis) <= set(MACHINES)
        assert len([known for known in item.files if known.role != "accelerator"]) == 1
        for known in item.files:
            assert not known.functions or catalog().exports[known.functions]
            assert not known.wanted or catalog().exports[known.wanted]
            assert (item.source == "maven") == bool(known.artifact)
        assert (item.source == "release") == (item.release is not None)
        for place in [*item.moved.values(), *([item.release] if item.release else [])]:
            assert place.address in catalog().addresses
            assert set(place.folders) <= set(item.abis)
        assert set(item.moved) <= set(item.channels)


def test_pins_cover_every_file_of_every_abi() -> None:
    for key, pins in catalog().pins.items():
        name, platform, version = key.split("/")
        item = next(i for i in catalog().items if (i.name, i.platform) == (name, platform))
        wanted = {f"{abi}/{known.name}" for abi in item.abis for known in item.files}
        if item.source == "maven":
            wanted |= {f"{k.artifact.partition(':')[2]}-{version}.aar" for k in item.files}
        assert set(pins) == wanted
        for pin in pins.values():
            assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
            assert pin.size_bytes > 100_000


def test_addresses_are_safe() -> None:
    assert all(url.startswith("https://") for url in catalog().addresses.values())


def required(header: str, macro: str, prefix: str) -> set[str]:
    """The functions that the runner's header lists as those it can't do without."""
    text = (RUNNER / header).read_text(encoding="utf-8")
    found = re.search(rf"#define {macro}\(X\)(.*?)\n\n", text, re.DOTALL)
    assert found, macro
    return {prefix + name for name in re.findall(r"X\((\w+),", found[1])}


def test_a_library_is_asked_for_what_the_runner_binds() -> None:
    exports = {name: set(functions) for name, functions in catalog().exports.items()}
    assert exports["tflite-c-api"] == required("tflite_abi.h", "TFLITE_REQUIRED", "TfLite")
    # Bound apart from the others: its arguments changed.
    litert = required("litert_abi.h", "LITERT_REQUIRED", "LiteRt") | {"LiteRtCreateModelFromFile"}
    assert exports["litert-c-api"] == litert
    text = "".join(path.read_text(encoding="utf-8") for path in RUNNER.glob("tflite_*.[ch]"))
    assert exports["tflite-xnnpack"] <= {
        *required("tflite_abi.h", "TFLITE_OPTIONAL", "TfLite"),
    }
    assert all(f'"{function}"' in text for function in exports["tflite-gpu-v2"])


@pytest.mark.parametrize(
    ("name", "platform", "abi", "complaint"),
    [
        ("nosuch", "android", "arm64-v8a", "no engine or tool of that name; known are: tflite, li"),
        ("tflite", "android", "x86", "tflite: no build for android x86; there are builds for"),
        ("tflite", "android", "riscv64", "no build for android riscv64"),
        ("benchmark_model", "android", "arm64-v8a", "a tool and no engine"),
    ],
)
def test_what_there_is_not(
    tmp_path: Path, name: str, platform: str, abi: str, complaint: str
) -> None:
    with pytest.raises(EngineError, match=complaint):
        find_engine(name, platform, abi, gpu=False, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "platform", "abi", "command"),
    [
        ("tflite", "android", "arm64-v8a", "install tflite --abi arm64-v8a`"),
        ("litert", "android", "x86_64", "install litert --abi x86_64`"),
        ("tflite", "linux", "aarch64", "--platform linux --abi aarch64 --from libtensorflowlite_c"),
    ],
)
def test_what_is_missing_says_what_to_type(
    tmp_path: Path, name: str, platform: str, abi: str, command: str
) -> None:
    with pytest.raises(EngineMissing) as caught:
        find_engine(name, platform, abi, gpu=False, root=tmp_path)
    assert f"not installed for {platform} {abi}; run `bokehbench engines " in str(caught.value)
    assert command in str(caught.value)


def test_a_missing_tool_and_an_engine_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="install benchmark_model --abi arm64-v8a`"):
        find_tool("benchmark_model", "android", "arm64-v8a", root=tmp_path)
    with pytest.raises(EngineError, match="tflite: an engine and no tool"):
        find_tool("tflite", "android", "arm64-v8a", root=tmp_path)


def test_every_offer_is_a_command_for_its_item() -> None:
    for offer in offers():
        assert offer.command.startswith(install_command(offer.name, offer.platform, offer.abi))
        assert (offer.source == "file") == ("--from" in offer.command)
        assert find_item(offer.name, offer.platform, offer.abi).title == offer.title
