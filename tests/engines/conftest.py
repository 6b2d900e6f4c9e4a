"""Small ELF files, archives of them, a depot of the test's own and a server that fails."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.engines.depot import Depot
from tests.engines.elves import Elf, Workshop, c_api
from tests.engines.server import Site, serving


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Builds ELF files."""
    return Workshop(tmp_path_factory.mktemp("elves"))


@pytest.fixture(scope="session")
def tflite(workshop: Workshop) -> bytes:
    """An arm64 Android library with TFLite's C API and XNNPACK's functions."""
    functions = c_api("tflite-c-api") + c_api("tflite-xnnpack")
    return workshop.build(Elf(functions=functions, api=21))


@pytest.fixture(scope="session")
def tflite_gpu(workshop: Workshop) -> bytes:
    """An arm64 Android library with the GPU delegate's functions."""
    return workshop.build(Elf(functions=c_api("tflite-gpu-v2"), api=21))


@pytest.fixture(scope="session")
def litert(workshop: Workshop) -> bytes:
    """An arm64 Android library with LiteRT's C API."""
    return workshop.build(Elf(functions=c_api("litert-c-api")))


@pytest.fixture(scope="session")
def program(workshop: Workshop) -> bytes:
    """An arm64 Android program."""
    return workshop.build(Elf(interpreter="/system/bin/linker64"))


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """An empty depot."""
    return Depot(tmp_path / "engines")


@pytest.fixture
def site() -> Iterator[Site]:
    """A server on this machine."""
    with serving() as one:
        yield one


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    """An archive of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def everything_below(folder: Path) -> list[str]:
    """Files of a folder, the lock's own handle left out."""
    files = (str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    return sorted(name for name in files if name != ".busy")
