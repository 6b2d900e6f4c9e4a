"""No stranger's model is loaded by an engine in this process."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "harness" / "bokehbench"

ENGINES = ("ai_edge_litert", "tensorflow", "tflite_runtime", "onnxruntime")
OWN_MODELS = {
    # The network of LPIPS, made from weights whose hash is known.
    "fidelity/lpips.py",
    "fidelity/lpips_model.py",
    # Models of one operator that the probe makes itself, in children.
    "probe/child.py",
    "probe/single.py",
}
OWN_ROOMS = ("zoo/",)
"""They build models from sources here, and run in children what they have just exported."""
OWN_LIBRARIES = {
    # Sums over images, built from sources here, and their arguments.
    "fidelity/lpips.py",
    "fidelity/native.py",
}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_engines_are_imported_for_models_of_our_own_only() -> None:
    modules = {str(path.relative_to(PACKAGE)): _imports(path) for path in PACKAGE.rglob("*.py")}
    importers = {
        name
        for name, found in modules.items()
        if found & set(ENGINES) and not name.startswith(OWN_ROOMS)
    }
    assert importers <= OWN_MODELS, "run strangers' models in the runner, under limits"
    assert {name for name, found in modules.items() if "ctypes" in found} <= OWN_LIBRARIES
