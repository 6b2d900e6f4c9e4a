"""Measurement protocols: shipped ones by name, users' own as TOML files."""

import tomllib
from pathlib import Path

import msgspec

from bokehbench.errors import UsageError
from bokehbench.facts import MeasurementProtocol, ReferenceWorkload
from bokehbench.files import read_text

DEFAULT = "challenge"

LIMIT_BYTES = 64 << 10
"""No protocol is this long; what is, is something else."""

FIELDS = {
    "name": "what tables call it; the shipped names are taken",
    "processes": "fresh processes a record, 1 to 1000",
    "warmups": "runs before the timed ones, 0 to 100000",
    "runs": "timed runs a process, 1 to 100000",
    "min_runs": "timed runs that `max_seconds` can't take away, 1 to `runs`",
    "max_seconds": "cap on warm-up and timed runs of a process, above 0 to 86400",
    "order": "`shuffled` (a new order each round) or `abba`",
    "max_settle_seconds": "cap on settling, below the profile's own",
    "rest_seconds": "pause after each process",
    "verify_files": "whether what is on the device already is hashed again",
    "ranked": "whether results may be ranked",
    "reference": "table with `processes`, `warmups`, `runs` of the reference workload",
}

LIMITS: dict[str, tuple[float, float]] = {
    "processes": (1, 1000),
    "warmups": (0, 100_000),
    "runs": (1, 100_000),
    "min_runs": (1, 100_000),
    "max_seconds": (0.001, 86_400),
    "max_settle_seconds": (0, 86_400),
    "rest_seconds": (0, 3600),
}
REFERENCE_LIMITS: dict[str, tuple[float, float]] = {
    "processes": (0, 1000),
    "warmups": (0, 100_000),
    "runs": (1, 100_000),
}


def shipped() -> dict[str, MeasurementProtocol]:
    """The protocols that the package holds, by name."""
    folder = Path(__file__).parent
    found = (load(path) for path in sorted(folder.glob("*.toml")))
    return {protocol.name: protocol for protocol in found}


def find(word: str) -> MeasurementProtocol:
    """A protocol by its shipped name, or from a TOML file.

    Raises:
        UsageError: there is neither, or the file is wrong; the message says where.
    """
    known = shipped()
    if word in known:
        return known[word]
    path = Path(word)
    if path.suffix != ".toml" and not path.exists():
        names = ", ".join(sorted(known))
        raise UsageError(f"--protocol {word}: unknown; there are {names}, or name a TOML file")
    protocol = load(path, f"--protocol {path}")
    if protocol.name in known:
        raise UsageError(
            f"--protocol {path}: name = {protocol.name!r} is a shipped protocol's; choose another"
        )
    return protocol


def load(path: Path, where: str | None = None) -> MeasurementProtocol:
    """Read and check one file.

    Args:
        where: what messages begin with.  [default: the path]

    Raises:
        UsageError: no file, not TOML, an unknown key, or a value of the wrong kind or out of
            range.
    """
    where = where or str(path)
    try:
        table = tomllib.loads(read_text(path, LIMIT_BYTES, "a protocol", where=where))
    # Of brackets in brackets the parser makes a RecursionError.
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where}: not TOML: {error}; correct that line") from error
    for key in table:
        if key not in FIELDS:
            raise UsageError(f"{where}: unknown key {key}; there are {', '.join(FIELDS)}")
    reference = table.get("reference", {})
    if isinstance(reference, dict):
        for key in reference:
            if key not in REFERENCE_LIMITS:
                known = ", ".join(REFERENCE_LIMITS)
                raise UsageError(f"{where}: unknown key reference.{key}; there are {known}")
    for field in msgspec.structs.fields(MeasurementProtocol):
        if field.required and field.name not in table:
            raise UsageError(f"{where}: no {field.name}; add it: {FIELDS[field.name]}")
    try:
        protocol = msgspec.convert(table, MeasurementProtocol, strict=True)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {error}") from error
    check(protocol, f"{where}: ")
    return protocol


def check(protocol: MeasurementProtocol, where: str) -> None:
    """See that all numbers are within their limits.

    Raises:
        UsageError: one is not; the message begins with `where`.
    """
    _within(protocol, LIMITS, where)
    _within(protocol.reference, REFERENCE_LIMITS, f"{where}reference.")
    if protocol.min_runs > protocol.runs:
        raise UsageError(
            f"{where}min_runs {protocol.min_runs} is above runs {protocol.runs}; lower min_runs "
            "(--min-runs), or raise runs (--runs)"
        )
    if not protocol.name.strip():
        raise UsageError(f"{where}name is empty")


def _within(
    part: MeasurementProtocol | ReferenceWorkload,
    limits: dict[str, tuple[float, float]],
    where: str,
) -> None:
    for key, (low, high) in limits.items():
        value = getattr(part, key)
        # A comparison with NaN is false, so NaN is refused too.
        if value is not None and not low <= value <= high:
            raise UsageError(f"{where}{key} = {value}: not within {low:g} to {high:g}")
