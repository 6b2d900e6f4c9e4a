"""Folders of profiles -> profiles by name; a later folder overrides an earlier one."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bokehbench.errors import ProfileError
from bokehbench.profile.reading import load_profile
from bokehbench.profile.schema import DeviceProfile


@dataclass(frozen=True)
class Loaded:
    """A profile, its file, and the file that it replaced."""

    profile: DeviceProfile
    path: Path
    replaces: Path | None = None


def builtin_folder() -> Path:
    """Where the shipped profiles are: inside the wheel, or beside a checkout's harness/."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_device_profiles"
    return shipped if shipped.is_dir() else package.parents[1] / "device_profiles"


def load_folders(folders: Iterable[Path]) -> dict[str, Loaded]:
    """All profiles by name, with their files.

    Raises:
        ProfileError: a file is wrong, or two files of one folder have the same name in them.
    """
    found: dict[str, Loaded] = {}
    for folder in folders:
        here: dict[str, Loaded] = {}
        for path in sorted(folder.glob("*.toml")):
            profile = load_profile(path)
            if profile.name in here:
                other = here[profile.name].path
                raise ProfileError(
                    f"{path}: its name {profile.name} is also that of {other}; rename one of them"
                )
            earlier = found.get(profile.name)
            here[profile.name] = Loaded(profile, path, earlier.path if earlier else None)
        found |= here
    return found


def load_profiles(folders: Iterable[Path]) -> dict[str, DeviceProfile]:
    """All profiles by name; a later folder's profile replaces an earlier one of its name.

    Raises:
        ProfileError: as `load_folders`.
    """
    return {name: loaded.profile for name, loaded in load_folders(folders).items()}
