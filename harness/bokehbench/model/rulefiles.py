"""Files of rules as documents: their TOML, or the same parsed when the package was built.

TOML is for those who write rules. Parsing 35 kB of it takes a tenth of the time that `lint` does,
so the build leaves what it parsed beside the files. That holds for these very bytes alone: a rule
that was edited since, or a file that is not shipped, is parsed as ever.
"""

import functools
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).with_name("rules")
PARSED: Final = "parsed.json"


def read_rules(path: Path) -> tuple[dict[str, Any], str]:
    """The document of a file, and 16 hex digits of its sha256.

    Raises:
        OSError: it can't be read.
        ValueError: it is no TOML.
    """
    data = path.read_bytes()
    known = _parsed().get(_key(data))
    if known is None:
        known = _parse(data)
    return known["document"], known["digest"]


def write_parsed(files: Iterable[Path], output: Path) -> None:
    """Parse files ahead; needs nothing but Python, so that a build can call it."""
    import json

    parsed = {}
    for path in files:
        data = path.read_bytes()
        parsed[_key(data)] = _parse(data)
    output.write_text(json.dumps(parsed), encoding="utf-8")


def _key(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def _parse(data: bytes) -> dict[str, Any]:
    import hashlib
    import tomllib

    return {
        "digest": hashlib.sha256(data).hexdigest()[:16],
        "document": tomllib.loads(data.decode()),
    }


@functools.cache
def _parsed() -> dict[str, Any]:
    from msgspec.json import decode

    try:
        found: dict[str, Any] = decode((FOLDER / PARSED).read_bytes())
    except (OSError, ValueError):
        return {}
    return found
