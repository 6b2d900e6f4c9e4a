"""How often the statistics are right; see statistics_study.py.

python benchmarks/statistics.py [--pairs 2000] [--real 30] [--seed 1]
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

if __name__ == "statistics":
    # Another benchmark, run as a script, has this folder first in its path and wants Python's own
    # module of this name.
    import importlib.util
    import sysconfig

    spec = importlib.util.spec_from_file_location(
        "statistics", Path(sysconfig.get_path("stdlib")) / "statistics.py"
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["statistics"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["statistics"])
elif __name__ == "__main__":
    sys.path[0] = str(HERE.parent)
    from benchmarks.statistics_study import main

    sys.exit(main())
