"""A key, libraries of both ABIs, and the APKs that they make."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bokehbench.apk import ApkFile, SigningKey, build_apk, create_key
from bokehbench.facts.app import ABIS, LIBRARY_FILE
from tests.support.apk import write_library


@dataclass(frozen=True)
class Parts:
    """What an APK of one ABI is made of."""

    abi: str
    app: Path
    engines: tuple[Path, ...]

    def build(self, out: Path, key: SigningKey) -> ApkFile:
        """The APK of these parts."""
        return build_apk(
            out, abi=self.abi, app_library=self.app, engine_libraries=self.engines, key=key
        )


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """A new key."""
    return create_key(tmp_path_factory.mktemp("key") / "key.pem")


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """Another one."""
    return create_key(tmp_path_factory.mktemp("other") / "key.pem")


@pytest.fixture(scope="session", params=ABIS)
def parts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Libraries of each ABI; the second engine library is larger than a digest's chunk."""
    folder = tmp_path_factory.mktemp(request.param)
    big = write_library(folder / "libengine_gpu.so", request.param)
    big.write_bytes(big.read_bytes() + bytes(range(256)) * 6000)
    engine = write_library(folder / "libengine.so", request.param, page_bytes=4096)
    app = write_library(folder / LIBRARY_FILE, request.param)
    return Parts(request.param, app, (big, engine))


@pytest.fixture(scope="session")
def apk(parts: Parts, key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> ApkFile:
    """The APK of each ABI."""
    return parts.build(tmp_path_factory.mktemp("apk") / "app.apk", key)
