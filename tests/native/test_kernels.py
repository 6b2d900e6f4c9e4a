"""The kernels behind the metrics: under sanitizers, on another processor, and as shipped."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from android_app.build import TARGETS, Target, host_target, zig_cc
from android_app.build_fidelity import SOURCES, build_all, build_kernels, host_targets
from bokehbench.fidelity import native
from tests.native.test_libcs import lacking
from tests.rig import require_rig
from tests.rig.emulate import emulator

SOURCE = SOURCES / "tests" / "test_kernels.c"
WARNINGS = ("-std=c11", "-g", "-Wall", "-Wextra", "-Werror")


def ended_well(*command: object) -> None:
    """Run the C tests; they say what failed."""
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    assert re.fullmatch(r"kernels: levels 0 to \d, 0 failures\n", ended.stdout)


def test_under_the_undefined_behaviour_sanitizer(tmp_path: Path) -> None:
    words = ["-O2", "-ffp-contract=on", "-fsanitize=undefined", "-fno-sanitize-trap=undefined"]
    program = tmp_path / "test"
    words += [str(SOURCE), "-o", str(program), "-lm"]
    assert zig_cc(host_target(), [*WARNINGS, *words]) == ""
    ended_well(program)


@pytest.mark.real("gcc")
def test_under_the_address_sanitizer(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        lacking("gcc is not on this machine; try: apt-get install gcc libc6-dev")
    program = tmp_path / "test"
    # gcc knows no clang pragmas: all levels are then the plain one.
    words = ["-O1", "-Wno-unknown-pragmas", "-Wno-psabi", "-fno-sanitize-recover=all"]
    words += ["-fsanitize=address,undefined", str(SOURCE), "-o", str(program), "-lm"]
    subprocess.run(["gcc", *WARNINGS, *words], check=True)
    ended_well(program)


@pytest.mark.real("emulator")
def test_on_arm64(tmp_path: Path) -> None:
    require_rig("arm64")
    program = tmp_path / "test"
    target = Target("arm64", "aarch64-linux-musl")
    words = ["-O2", "-ffp-contract=on", "-static", str(SOURCE), "-o", str(program)]
    assert zig_cc(target, [*WARNINGS, *words]) == ""
    prefix = [] if host_target().name == "linux-aarch64" else [emulator()]
    ended_well(*prefix, program)


@pytest.mark.parametrize("target", host_targets(), ids=lambda target: target.name)
def test_the_library_asks_for_little_and_shows_only_its_own(tmp_path: Path, target: Target) -> None:
    path = tmp_path / "fidelity.so"
    build_kernels(target, path)
    versions = re.findall(rb"GLIBC_([\d.]+)", path.read_bytes())
    assert max(tuple(map(int, version.split(b"."))) for version in versions) <= (2, 27)
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".dynsym")
        shown = {s.name for s in symbols.iter_symbols() if s["st_shndx"] != "SHN_UNDEF"}
    assert {name for name in shown if name} == {
        f"fidelity_{name}"
        for name in (
            *("interface", "level", "squared_u8", "squared_f64", "ssim", "ssim_scratch"),
            *("lpips_layer", "lpips_input"),
        )
    }


def test_what_is_up_to_date_is_not_built_again(tmp_path: Path) -> None:
    first = build_all(tmp_path)
    assert [path.parent.name for path in first] == [target.name for target in host_targets()]
    times = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in build_all(tmp_path)] == times
    first[0].write_bytes(b"something else")
    again = build_all(tmp_path)
    assert again[0].read_bytes() != b"something else"
    assert again[1].stat().st_mtime_ns == times[1]


def test_a_compiler_error_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not build:\n.*no-such-option"):
        build_kernels(host_target(), tmp_path / "x.so", extra_flags=["--no-such-option"])
    assert not (tmp_path / "x.so").exists()


def test_a_library_of_another_interface_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / host_target().name / "fidelity.so"
    build_kernels(TARGETS[host_target().name], path)
    monkeypatch.setattr(native, "_FOLDER", tmp_path)
    load = native.load.__wrapped__
    assert load() is not None
    monkeypatch.setattr(native, "INTERFACE", native.INTERFACE + 1)
    assert load() is None
    # Not written over: the library is still mapped.
    path.unlink()
    assert load() is None
    path.write_bytes(b"no library")
    assert load() is None
