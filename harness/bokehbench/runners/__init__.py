"""What can run a model on a device: pure text and argv, and where our runner's builds are."""

from pathlib import Path

from bokehbench.errors import EngineError


def bundled_runner(platform: str, abi: str) -> tuple[str, Path]:
    """Target name and path of the runner built for a platform and ABI.

    Raises:
        EngineError: this installation holds no runner for it.
    """
    target = f"{platform}-{abi}"
    folder = Path(__file__).resolve().parent.parent / "_runners"
    path = folder / target / "runner"
    if not path.is_file():
        have = ", ".join(sorted(p.parent.name for p in folder.glob("*/runner"))) or "none"
        raise EngineError(
            f"no native runner for {target} in this installation (built: {have}); "
            "reinstall with `pip install .`, which compiles it"
        )
    return target, path
