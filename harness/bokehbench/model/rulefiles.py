"""Files of rules as documents: their TOML, or the same parsed when the package was built.

TOML is for those who write rules. Parsing 35 kB of it takes a tenth of the time that `lint` does,
so the build leaves what it parsed beside the files. That holds for these very bytes alone: a rule
that was edited since, or a file that is not shipped, is parsed as ever.
"""

import functools
import hashlib
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
    digest = hashlib.sha256(data).hexdigest()
    known = _parsed().get(digest)
    return (_parse(data) if known is None else known), digest[:16]


def write_parsed(files: Iterable[Path], output: Path) -> None:
    """Parse files ahead; needs nothing but Python, so that a build can call it."""
    import json

    parsed = {}
    for path in files:
        data = path.read_bytes()
        parsed[hashlib.sha256(data).hexdigest()] = _parse(data)
    output.write_text(json.dumps(parsed), encoding="utf-8")


def _parse(data: bytes) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(data.decode())


@functools.cache
def _parsed() -> dict[str, dict[str, Any]]:
    """Documents by the sha256 of their TOML."""
    from msgspec.json import decode

    try:
        return decode((FOLDER / PARSED).read_bytes(), type=dict[str, dict[str, Any]])
    except (OSError, ValueError):
        return {}
