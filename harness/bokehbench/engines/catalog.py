"""What can be installed, from where, and the hashes of what is known: catalog.toml as data."""

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from bokehbench.errors import EngineError

Role = Literal["library", "accelerator", "program"]


class KnownFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of an item. `artifact` is group:name of the Maven artifact that holds it.

    `functions` and `wanted` name lists of the catalog's `exports`: what the file has to
    export, and what one backend more needs.
    """

    name: str
    role: Role
    artifact: str = ""
    functions: str = ""
    wanted: str = ""


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where release files are: a path below an address, with {version}, {folder}, {file}."""

    address: str
    path: str
    folders: dict[str, str]


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engine or a tool for one platform.

    `version` is what is installed where no other is asked for. `channels` are names of
    versions whose files change from day to day; `moved` says which of them are elsewhere.
    """

    name: str
    title: str
    platform: str
    abis: list[str]
    source: Literal["maven", "release", "wheel", "file"]
    files: list[KnownFile]
    version: str = ""
    package: str = ""
    channels: list[str] = []
    release: Place | None = None
    moved: dict[str, Place] = {}

    @property
    def main(self) -> KnownFile:
        """The file without which there is nothing: the library, or the program."""
        return next(known for known in self.files if known.role != "accelerator")

    @property
    def is_tool(self) -> bool:
        """Whether this is a program and no inference engine."""
        return self.main.role == "program"

    def place(self, version: str) -> Place | None:
        """Where the release files of a version or channel are."""
        return self.moved.get(version, self.release)


class Pin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bytes that a file has to have."""

    sha256: str
    size_bytes: int


class Catalog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known before anything is installed."""

    addresses: dict[str, str]
    exports: dict[str, list[str]]
    items: list[Item]
    pins: dict[str, dict[str, Pin]]

    def pin(self, name: str, platform: str, version: str, file: str) -> Pin | None:
        """The bytes of a file of a version; files that differ between ABIs are `abi/file`."""
        return self.pins.get(f"{name}/{platform}/{version}", {}).get(file)

    def pinned_versions(self, item: Item) -> list[str]:
        """Versions of an item whose bytes are known here."""
        start = f"{item.name}/{item.platform}/"
        return [key.removeprefix(start) for key in self.pins if key.startswith(start)]


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """The catalog of this installation."""
    text = Path(__file__).with_name("catalog.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalog)


def find_item(name: str, platform: str, abi: str) -> Item:
    """The item of that name for a platform and ABI.

    Raises:
        EngineError: there is none; the message says what there is.
    """
    named = [item for item in catalog().items if item.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(item.name for item in catalog().items))
        raise EngineError(f"{name}: no engine or tool of that name; known are: {known}")
    for item in named:
        if item.platform == platform and abi in item.abis:
            return item
    known = "; ".join(f"{item.platform} {', '.join(item.abis)}" for item in named)
    raise EngineError(f"{name}: no build for {platform} {abi}; there are builds for {known}")


def install_command(name: str, platform: str, abi: str, version: str = "") -> str:
    """What to type to install an item."""
    words = ["bokehbench engines install", name]
    if platform != "android":
        words.append(f"--platform {platform}")
    words.append(f"--abi {abi}")
    if version:
        words.append(f"--version {version}")
    return " ".join(words)
