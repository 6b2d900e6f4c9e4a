"""This Python and LiteRT's wheel, copied to where a test device can run them."""

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("ai_edge_litert", "numpy", "ml_dtypes")
UNUSED = ("test", "idlelib", "ensurepip", "tkinter", "turtledemo", "site-packages", "config-*")
ON_DEVICE = """#!/bin/sh
here=/data/local/tmp/python
export PYTHONHOME=$here PYTHONPATH=$here/packages LD_LIBRARY_PATH=$here/libraries
exec $here/python -m ai_edge_litert.tools.benchmark_litert_model "$@"
"""
"""The tool as one file, for a device that this was carried to."""


def carry_python(folder: Path) -> None:
    """Copy the interpreter, its library and the packages that LiteRT's tool imports.

    Args:
        folder: /data/local/tmp/python of the device, as this machine sees it.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    standard = Path(sysconfig.get_path("stdlib"))
    _copy(standard, folder / "lib" / version, *UNUSED)
    interpreter = Path(sys.executable).resolve()
    shutil.copy(interpreter, folder / "python")
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin).parent
        _copy(origin, folder / "packages" / name, "tests", "vendors")
        if (beside := origin.with_name(f"{name}.libs")).is_dir():
            _copy(beside, folder / "packages" / beside.name)
    (folder / "libraries").mkdir()
    for library in _libraries([interpreter, *(standard / "lib-dynload").glob("*.so")]):
        shutil.copy(library, folder / "libraries")


def _copy(source: Path, target: Path, *unused: str) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", *unused))


def _libraries(files: Iterable[Path]) -> set[Path]:
    """What they are linked to, but for the C library, of which the device has its own."""
    found = set()
    for file in files:
        ended = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=False)
        for name, path in re.findall(r"^\s*(\S+) => (/\S+)", ended.stdout, re.MULTILINE):
            if not re.match(r"(libc|libm|libdl|libpthread|librt|libutil)\.so", name):
                found.add(Path(path))
    return found
