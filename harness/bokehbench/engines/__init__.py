"""Inference libraries: which for which platform and ABI, from where, and their checksums."""

from bokehbench.engines.effort import Progress
from bokehbench.engines.files import file_sha256
from bokehbench.engines.find import (
    Engine,
    Tool,
    ensure,
    ensure_tool,
    find_engine,
    find_tool,
)
from bokehbench.engines.gather import Routes
from bokehbench.engines.maven import MavenWays

__all__ = [
    "Engine",
    "MavenWays",
    "Progress",
    "Routes",
    "Tool",
    "ensure",
    "ensure_tool",
    "file_sha256",
    "find_engine",
    "find_tool",
]
