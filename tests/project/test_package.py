"""The wheel: what is in it, which machines it fits, and what stays out."""

import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from android_app.build import TARGETS, Target, build_id
from android_app.build_fidelity import host_targets
from bokehbench.facts.app import LIBRARY_FILE
from bokehbench.fidelity.protocols import PROTOCOL_NAMES

ROOT = Path(__file__).parents[2]

MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "arm64-v8a": "EM_AARCH64"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*words, "--wheel-dir", str(folder), str(ROOT)], check=True)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def runners(wheel: Path) -> dict[str, bytes]:
    """The executables inside, by target."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name.split("/")[-2]: archive.read(name)
            for name in archive.namelist()
            if "/_runners/" in name and name.endswith("/runner")
        }


def test_the_tag_names_no_platform_and_no_python_version(wheel: Path) -> None:
    assert re.fullmatch(r"bokehbench-[\d.]+-py3-none-any\.whl", wheel.name)


def test_runners_profiles_and_types_are_inside_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        members = archive.infolist()
    native = [info for info in members if "/_runners/" in info.filename]
    for info in native:
        if info.filename.endswith("/runner"):
            assert (info.external_attr >> 16) & 0o111, f"{info.filename} can't be executed"
    runners = {f"bokehbench/_runners/{target}/runner" for target in TARGETS}
    apps = {
        f"bokehbench/_runners/{target.name}/{LIBRARY_FILE}"
        for target in TARGETS.values()
        if target.abi
    }
    assert {info.filename for info in native} == runners | apps
    assert "bokehbench/_device_profiles/generic-linux.toml" in names
    assert "bokehbench/engines/catalog.toml" in names
    assert "bokehbench/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bokehbench"}
    data = (".npz", ".png")  # weights of LPIPS and images with known scores
    code = [info.compress_size for info in members if not info.filename.endswith(data)]
    assert sum(code) < 3_000_000


def test_kernels_weights_and_known_answers_are_inside(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        notice = archive.read("bokehbench/fidelity/weights/NOTICE").decode()
    assert {f"bokehbench/_kernels/{target.name}/fidelity.so" for target in host_targets()} <= names
    assert not [name for name in names if name.endswith("/stamp")]
    assert {f"bokehbench/fidelity/protocol_files/{name}.toml" for name in PROTOCOL_NAMES} <= names
    assert "bokehbench/fidelity/weights/lpips_alex_v0.1_fp32.npz" in names
    assert "bokehbench/fidelity/golden/expected.json" in names
    for holder in ("Richard Zhang", "Soumith Chintala"):
        assert holder in notice
    assert wheel.stat().st_size < 14_000_000


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_each_runner_is_for_its_platform_and_of_these_sources(
    runners: dict[str, bytes], target: Target
) -> None:
    data = runners[target.name]
    elf = ELFFile(io.BytesIO(data))
    assert elf.header["e_machine"] == MACHINES[target.name.split("-", 1)[1]]
    assert elf.header["e_type"] == "ET_DYN"
    assert build_id(target).encode() in data


@pytest.mark.parametrize("target", ["linux-x86_64", "linux-aarch64"])
def test_linux_runners_ask_for_no_newer_glibc_than_2_27(
    runners: dict[str, bytes], target: str
) -> None:
    versions = re.findall(rb"GLIBC_([\d.]+)", runners[target])
    wanted = {tuple(map(int, version.split(b"."))) for version in versions}
    assert wanted
    assert max(wanted) <= (2, 27)
