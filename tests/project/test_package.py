"""The wheel: what is in it, which machines it fits, and what stays out."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*words, "--wheel-dir", str(folder), str(ROOT)], check=True)
    [path] = folder.glob("*.whl")
    return path


def test_the_tag_names_platform_and_no_python_version(wheel: Path) -> None:
    assert re.fullmatch(r"bokehbench-[\d.]+-py3-none-manylinux_2_27_\w+\.whl", wheel.name)


def test_runner_profiles_and_types_are_inside_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [runner] = [info for info in archive.infolist() if info.filename.endswith("/runner")]
    assert (runner.external_attr >> 16) & 0o111, "the runner can't be executed"
    assert "bokehbench/_device_profiles/generic-linux.toml" in names
    assert "bokehbench/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bokehbench"}
    assert wheel.stat().st_size < 3_000_000


def test_the_runner_asks_for_no_newer_glibc_than_the_tag_says(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/runner")]
        data = Path(archive.extract(name, tmp_path)).read_bytes()
    wanted = {tuple(map(int, v.split(b"."))) for v in re.findall(rb"GLIBC_([\d.]+)", data)}
    assert wanted
    assert max(wanted) <= (2, 27)
