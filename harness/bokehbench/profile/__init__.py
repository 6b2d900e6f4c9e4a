"""device_profiles/*.toml -> DeviceProfile: what is known about a device before it runs."""

from bokehbench.profile.folders import Loaded, builtin_folder, load_folders, load_profiles
from bokehbench.profile.marks import Fact
from bokehbench.profile.matching import Fit, explain, explain_all, match_profile
from bokehbench.profile.reading import facts_of, load_profile, parse_profile
from bokehbench.profile.schema import (
    BackendChoice,
    ClockLock,
    Cluster,
    Cpu,
    DeviceProfile,
    Gpu,
    Match,
    Memory,
    Section,
    Sensor,
    SettleTargets,
    Trouble,
)

__all__ = [
    "BackendChoice",
    "ClockLock",
    "Cluster",
    "Cpu",
    "DeviceProfile",
    "Fact",
    "Fit",
    "Gpu",
    "Loaded",
    "Match",
    "Memory",
    "Section",
    "Sensor",
    "SettleTargets",
    "Trouble",
    "builtin_folder",
    "explain",
    "explain_all",
    "facts_of",
    "load_folders",
    "load_profile",
    "load_profiles",
    "match_profile",
    "parse_profile",
]
