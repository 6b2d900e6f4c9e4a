"""Build hook: compile the native runner with zig and ship it inside the wheel."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
RUNNERS = "harness/bokehbench/_runners"
KERNELS = "harness/bokehbench/_kernels"
RULES = "harness/bokehbench/model/rules"


class CustomBuildHook(BuildHookInterface[Any]):
    """Builds what the wheel holds and git ignores, in the source tree, where an editable install
    finds it: `bokehbench/_runners/<target>/runner` for every target, beside it
    `libbokehbench_app.so` for those of Android, and `bokehbench/_kernels/<target>/fidelity.so` for
    those that Python runs on. And `parsed.json` beside the rules, which are TOML.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        sys.path[:0] = [str(ROOT), str(ROOT / "harness")]
        from android_app import build, build_fidelity
        from bokehbench.model.rulefiles import PARSED, write_parsed

        parsed = ROOT / RULES / PARSED
        write_parsed(sorted(parsed.parent.glob("*.toml")), parsed)
        made = [*build.build_all(ROOT / RUNNERS), *build_fidelity.build_all(ROOT / KERNELS), parsed]
        for path in made:
            build_data["artifacts"].append(f"/{path.relative_to(ROOT).as_posix()}")
        # The tag stays py3-none-any. The programs are data for devices, the same bytes whatever
        # machine built the wheel, and the kernels make scoring faster where they fit. What this
        # machine might run itself is for both architectures that Linux hosts have; any other host
        # drives phones all the same, and a tag that named one platform would refuse it.
