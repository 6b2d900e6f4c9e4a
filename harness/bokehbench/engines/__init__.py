"""Inference libraries: which for which platform and ABI, from where, and their checksums."""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

from bokehbench.errors import EngineError
from bokehbench.facts import EngineFacts

LITERT_PACKAGE = "ai-edge-litert"
LITERT_MODULE = "ai_edge_litert"
LITERT_LIBRARY = "libLiteRt.so"
LITERT_ACCELERATORS = ("libLiteRtWebGpuAccelerator.so",)


@dataclass(frozen=True)
class Engine:
    """An inference library on this host, for one platform and ABI."""

    name: str
    version: str
    library: Path
    accelerators: tuple[Path, ...]

    @cached_property
    def facts(self) -> EngineFacts:
        """Version and hashes of the files as they are now."""
        return EngineFacts(
            name=self.name,
            version=self.version,
            library_sha256=file_sha256(self.library),
            accelerators={path.name: file_sha256(path) for path in self.accelerators},
        )


def find_engine(name: str, platform: str, abi: str, *, gpu: bool) -> Engine:
    """The engine of that name for a device.

    The GPU's accelerator library is looked for, and hashed, only where `gpu` asks for it.

    Raises:
        EngineError: there is none here; the message says how to get it.
    """
    if name != "litert":
        raise EngineError(f"engine {name}: not available; litert is")
    spec = importlib.util.find_spec(LITERT_MODULE)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    library = folder / LITERT_LIBRARY if folder else None
    if platform != "linux" or abi != _host_abi():
        raise EngineError(
            f"engine litert: no library for {platform} {abi}; the installed "
            f"{LITERT_PACKAGE} package serves linux {_host_abi()}"
        )
    if folder is None or library is None or not library.is_file():
        raise EngineError(
            f"engine litert: {LITERT_LIBRARY} not found; install it with "
            f"`pip install {LITERT_PACKAGE}`"
        )
    accelerators = tuple(
        path for file in LITERT_ACCELERATORS if gpu and (path := folder / file).is_file()
    )
    return Engine(name, metadata.version(LITERT_PACKAGE), library, accelerators)


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _host_abi() -> str:
    import platform

    return platform.machine()
