"""The real artifacts: TensorFlow Lite from Maven, LiteRT from pip, into a depot and checked.

Each is fetched from a registry by this machine's own settings. Where none is reached the tests
fail in CI and are skipped elsewhere.
"""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from bokehbench.engines import Engine, MavenWays, Routes, ensure, find_engine
from bokehbench.engines.catalog import catalog
from bokehbench.engines.depot import Depot
from bokehbench.engines.elf import read_elf
from bokehbench.engines.inventory import examine, installed_entries
from bokehbench.errors import EngineError
from tests.engines.elves import c_api

_T = TypeVar("_T")

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}


def reached(work: Callable[[], _T]) -> _T:
    """What needs a registry."""
    try:
        return work()
    except EngineError as error:
        if os.environ.get("CI") or "can't be resolved" not in str(error):
            raise
        pytest.skip(f"no Maven repository is reached from here: {error}")


def maven(tmp_path: Path, way: str) -> Routes:
    """Through jgo or mvn, with a local repository of the test's own: nothing is there before."""
    mvn = shutil.which("mvn") if way == "mvn" else None
    if way == "mvn" and mvn is None:
        if os.environ.get("CI"):
            pytest.fail("mvn is missing: apt-get install maven")
        pytest.skip("mvn is missing; apt-get install maven")
    return Routes(MavenWays(Path(mvn) if mvn else None, None, tmp_path / "repository"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Maven fetched, shared by the tests of this module."""
    return tmp_path_factory.mktemp("maven")


@pytest.mark.real("Maven Central")
@pytest.mark.parametrize("way", ["jgo", "mvn"])
def test_tflite_for_phones_from_maven(tmp_path: Path, repository: Path, way: str) -> None:
    routes = maven(repository / way, way)
    root = tmp_path / "engines"
    for abi in ("arm64-v8a", "x86_64"):
        engine = reached(
            lambda abi=abi: ensure(  # type: ignore[misc]
                "tflite", "android", abi, gpu=True, root=root, routes=routes
            )
        )
        assert isinstance(engine, Engine)
        assert engine.version == "2.16.1"
        pins = catalog().pins["tflite/android/2.16.1"]
        [accelerator] = engine.accelerators
        assert engine.facts.library_sha256 == pins[f"{abi}/{engine.library.name}"].sha256
        assert engine.facts.accelerators[accelerator.name] == (
            pins[f"{abi}/{accelerator.name}"].sha256
        )
        _exports_what_the_runner_calls(engine.library, accelerator)
    assert [examine(entry) for entry in installed_entries(Depot(root))] == [[], []]


def _exports_what_the_runner_calls(library: Path, accelerator: Path) -> None:
    """What docs/engines.md says of the chosen version, read off the files themselves."""
    main = read_elf(library, library.name)
    gpu = read_elf(accelerator, accelerator.name)
    assert main.functions >= {*c_api("tflite-c-api"), *c_api("tflite-xnnpack")}
    assert gpu.functions >= set(c_api("tflite-gpu-v2"))
    # Android 7.0 (API 24) loads what was built for API 21.
    assert (main.android_api, gpu.android_api) == (21, 21)
    assert set(main.needed) == {"libc.so", "libm.so", "libdl.so", "liblog.so"}
    assert set(gpu.needed) == set(main.needed) | {"libEGL.so", "libGLESv3.so"}


@pytest.mark.real("PyPI")
def test_litert_for_linux_on_the_other_architecture_from_pip(tmp_path: Path) -> None:
    abi = OTHER[platform.machine()]
    try:
        engine = ensure("litert", "linux", abi, gpu=True, root=tmp_path / "engines")
    except EngineError as error:
        if os.environ.get("CI") or "pip did not fetch it" not in str(error):
            raise
        pytest.skip(f"no Python package index is reached from here: {error}")
    assert read_elf(engine.library, "lib").functions >= set(c_api("litert-c-api"))
    assert [path.name for path in engine.accelerators] == ["libLiteRtWebGpuAccelerator.so"]
    own = find_engine("litert", "linux", platform.machine(), gpu=True, root=tmp_path / "engines")
    assert own.version == engine.version, "of the version that this machine runs"
    assert "site-packages" in own.library.parts


@pytest.mark.real("PyPI")
def test_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    from bokehbench.engines.effort import Effort
    from bokehbench.engines.install import Wanted, install

    wanted = Wanted("litert", "linux", "aarch64", "0.0.1")
    with pytest.raises(EngineError, match=r"pip did not fetch it: .*0\.0\.1.*--from FILE"):
        install(wanted, Depot(tmp_path / "engines"), Routes(), Effort.of(120))


@pytest.mark.real("Maven Central")
def test_an_artifact_that_is_not_there(tmp_path: Path) -> None:
    from bokehbench.engines.effort import Effort
    from bokehbench.engines.maven import Artifact, fetch_artifact

    # This version is an empty POM that names another artifact, in another repository.
    moved = Artifact("org.tensorflow", "tensorflow-lite", "2.17.0")
    ways = MavenWays(None, None, tmp_path / "repository")
    with pytest.raises(EngineError, match=r"tensorflow-lite:2.17.0:aar: can't be"):
        fetch_artifact(moved, "0" * 64, tmp_path, ways, Effort.of(120))
