"""Imports go from a lower room to nothing above it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "harness" / "bokehbench"

TIERS = [
    {"decoding", "errors", "text"},
    {"facts", "files"},
    {"runners", "engines", "model", "fidelity", "analysis", "profile", "apk"},
    {"phone", "store"},
    {"derive", "report"},
    {"schedule", "session"},
    {"fleet"},
    {"probe", "zoo", "dataset"},
    {"cli"},
]
ALLOWED_WITHIN_TIER = {
    # report shows what derive computed; session runs what schedule plans.
    ("report", "derive"),
    ("session", "schedule"),
    # An APK's libraries are checked as those of an engine are.
    ("apk", "engines"),
}
TIER_OF = {room: number for number, rooms in enumerate(TIERS) for room in rooms}


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem in TIER_OF)


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "bokehbench":
            names = [f"bokehbench.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "bokehbench" and len(parts) > 1 and not parts[1].startswith("__"):
                found.add(parts[1])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_nothing_above_it(path: Path) -> None:
    room = room_of(path)
    for other in imported_rooms(path) - {room}:
        below = TIER_OF[other] < TIER_OF[room]
        assert below or (room, other) in ALLOWED_WITHIN_TIER, f"{room} imports {other}"


def test_every_room_has_a_tier() -> None:
    rooms = {room_of(p) for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE}
    assert rooms <= set(TIER_OF)


def test_only_cli_reads_the_environment_or_prints() -> None:
    for path in modules():
        if room_of(path) == "cli":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = ast.unparse(node) if isinstance(node, ast.Call | ast.Attribute) else ""
            assert not text.startswith("print("), f"{path}: {text}"
            assert text not in ("os.environ", "sys.exit"), f"{path}: {text}"
