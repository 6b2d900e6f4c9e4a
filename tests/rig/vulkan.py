"""Vulkan: Mesa's lavapipe, a GPU in software, for this machine and for test devices."""

import functools
import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rig.packages import SUITE, RigMissing, host_arch, unpacked

PACKAGES = ("mesa-vulkan-drivers", "libvulkan1")
DRIVER = "libvulkan_lvp.so"
ICD = "lvp_icd.json"

OLD_MESA = {"bookworm"}
"""Releases whose own Mesa is too old for LiteRT's WebGPU accelerator: backports have a newer."""

FROM_THE_HOST = (
    *("libc.so*", "libm.so*", "ld-linux*", "libpthread.so*", "libdl.so*", "librt.so*"),
    *("libmvec.so*", "libresolv.so*", "libutil.so*", "libanl.so*", "libnsl.so*", "libnss_*"),
    *("libthread_db.so*", "libBrokenLocale.so*", "libc_malloc_debug.so*", "libmemusage.so*"),
    *("libpcprofile.so*", "*.py", "libVkLayer_*"),
)
"""A process has one C library, that of its loader."""


@dataclass(frozen=True)
class SoftwareGpu:
    """A folder with the Vulkan loader, lavapipe and what it needs."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find it, and no other GPU."""
        icd = str(self.folder / ICD)
        # The second name is what loaders before 1.3.207 read.
        return {
            "LD_LIBRARY_PATH": str(self.folder),
            "VK_DRIVER_FILES": icd,
            "VK_ICD_FILENAMES": icd,
        }


@functools.cache
def software_gpu() -> SoftwareGpu:
    """Lavapipe for programs of this machine, fetched and unpacked once.

    Raises:
        RigMissing: it can't be had here.
    """
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    if release.get("ID") != "debian" or not codename:
        raise RigMissing(
            "lavapipe is fetched for Debian alone", "apt-get install mesa-vulkan-drivers"
        )
    suites = (codename, f"{codename}-backports") if codename in OLD_MESA else (codename,)
    return _unpacked(suites)


@functools.cache
def device_gpu(arch: str) -> SoftwareGpu:
    """Lavapipe for test devices, whose system is of the rig's own suite.

    Raises:
        RigMissing: it can't be had here.
    """
    if arch != host_arch():
        raise RigMissing(f"no software GPU for {arch}")
    return _unpacked((SUITE,))


def _unpacked(suites: tuple[str, ...]) -> SoftwareGpu:
    def finish(folder: Path) -> None:
        _flatten(folder)

    recipe = Path(__file__).read_text(encoding="utf-8")
    return SoftwareGpu(
        unpacked(PACKAGES, arch=host_arch(), recipe=recipe, finish=finish, suites=suites)
    )


def _flatten(folder: Path) -> None:
    """Leave only libraries, all in one folder, and a driver list that names lavapipe alone."""
    wanted = [
        path
        for path in sorted(folder.rglob("*.so*"))
        if path.parent.name.endswith("-linux-gnu")
        and not any(path.match(pattern) for pattern in FROM_THE_HOST)
        and (path.name == DRIVER or not path.name.startswith("libvulkan_"))
    ]
    keep = folder / "keep"
    keep.mkdir()
    for path in wanted:
        path.rename(keep / path.name)
    for path in folder.iterdir():
        if path != keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in keep.iterdir():
        path.rename(folder / path.name)
    keep.rmdir()
    # A path without a slash is looked for as any library is.
    driver = {
        "file_format_version": "1.0.0",
        "ICD": {"library_path": DRIVER, "api_version": "1.3.0"},
    }
    (folder / ICD).write_text(json.dumps(driver), encoding="utf-8")


def require_software_gpu(*, device: bool = False) -> SoftwareGpu:
    """Skip the test where lavapipe can't be had, for this machine or for test devices.

    In CI fail it instead.
    """
    try:
        return device_gpu(host_arch()) if device else software_gpu()
    except RigMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"no software GPU: {missing}")
        pytest.skip(f"no software GPU: {missing}")
