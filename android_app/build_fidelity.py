"""Build: compile the kernels of `fidelity/` for the machines that Python runs on, with zig."""

import hashlib
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from android_app.build import TARGETS, Target, zig_cc

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "fidelity"
LIBRARY = "fidelity.so"

# -ffp-contract=on: a fused multiply-add is more exact and twice as fast; a score may differ in
# its last digits between machines, far below what any table prints.
FLAGS = (
    *("-std=c11", "-Wall", "-Wextra", "-Werror", "-O3", "-ffp-contract=on", "-fno-math-errno"),
    *("-fPIC", "-shared", "-fvisibility=hidden", "-fno-sanitize=all", "-s"),
)


def host_targets() -> list[Target]:
    """The platforms that Python runs on: those with a whole C library."""
    return [target for target in TARGETS.values() if target.abi is None]


def build_kernels(target: Target, out_path: Path, *, extra_flags: Sequence[str] = ()) -> None:
    """Compile the kernels for `target`; the file appears whole or not at all.

    Raises:
        RuntimeError: the compiler failed; its words are the message.
    """
    out_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=out_path.parent) as folder:
        made = Path(folder) / LIBRARY
        words = [*FLAGS, str(SOURCES / "kernels.c"), "-o", str(made), *extra_flags]
        if problem := zig_cc(target, words):
            raise RuntimeError(f"the kernels for {target.name} did not build:\n{problem}")
        made.chmod(0o755)
        made.replace(out_path)


def build_all(folder: Path) -> list[Path]:
    """Build what is not up to date of `folder/<target>/fidelity.so`, for all host targets."""
    return [_build_if_stale(target, folder / target.name / LIBRARY) for target in host_targets()]


def _build_if_stale(target: Target, out: Path) -> Path:
    stamp = out.with_name("stamp")
    digest = hashlib.sha256(f"ziglang {metadata.version('ziglang')}, {target}\n".encode())
    for path in (Path(__file__), *sorted(SOURCES.glob("*.[ch]"))):
        digest.update(path.read_bytes())
    recipe = digest.hexdigest()
    if out.is_file() and stamp.is_file() and stamp.read_text() == _stamp(recipe, out):
        return out
    stamp.unlink(missing_ok=True)
    build_kernels(target, out)
    stamp.write_text(_stamp(recipe, out))
    return out


def _stamp(recipe: str, out: Path) -> str:
    """What was built from what: both have to be as they were."""
    return f"{recipe} {hashlib.sha256(out.read_bytes()).hexdigest()}\n"
