"""What `bokehbench inspect` reads beside TensorFlow's Analyzer and interpreter: equal, or a miss.

    python -m venv PEERS && PEERS/bin/pip install tensorflow-cpu
    python benchmarks/analyzer.py --peers PEERS MODEL...

Compared are, for each subgraph, the operators in their order, every tensor's shape and type; for
the file its size, the number of parameters and their bytes by type, on TensorFlow's side made of
the Analyzer's list of constants, each buffer once. What is an int32 bias and no shape or axis is
told by the interpreter: it has scales. Ends with 1 when anything differs.
"""

import argparse
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from bokehbench.model.describe import read_structure
from bokehbench.model.structure import ModelStructure

CHILD = """
import contextlib, io, json, os, sys, tempfile
import tensorflow as tf
resolver = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
for path in sys.argv[1:]:
    sys.stdout.flush()
    with tempfile.TemporaryFile() as kept:
        out = os.dup(1)
        os.dup2(kept.fileno(), 1)
        tf.lite.experimental.Analyzer.analyze(model_path=path)
        sys.stdout.flush()
        os.dup2(out, 1)
        kept.seek(0)
        text = kept.read().decode("utf-8", "replace")
    engine = tf.lite.Interpreter(path, experimental_op_resolver_type=resolver)
    scaled = []
    for number in range(engine.num_subgraphs()):
        details = engine.get_tensor_details(subgraph_index=number)
        scaled.append([t["index"] for t in details if len(t["quantization_parameters"]["scales"])])
    print("\\n" + json.dumps({"path": path, "text": text, "scaled": scaled}), flush=True)
"""

GRAPH = re.compile(r"^(?:Tensors of )?Subgraph#(\d+)")
OPERATOR = re.compile(r"^  Op#\d+ (\w+)\(")
TENSOR = re.compile(
    r"^  T#(?:\d+_)?(\d+)\(.*\) shape(?:_signature)?:\[([-\d, ]*)\], type:(\w+)(?: RO (\d+) bytes)?"
    r"(?:, buffer: (\d+))?"
)
SIZE = re.compile(r"Model size:\s+(\d+) bytes")
TRAINED = ("float32", "float16", "int8", "uint8")

Facts = dict[str, Any]


def theirs(text: str, scaled: list[list[int]]) -> Facts:
    """The Analyzer's text as facts."""
    size = SIZE.search(text)
    graphs: dict[int, Facts] = {}
    shares: dict[str, list[int]] = {}
    seen: set[str] = set()
    number = 0
    for line in text.splitlines():
        if found := GRAPH.match(line):
            number = int(found[1])
            graphs.setdefault(number, {"operators": [], "tensors": []})
        elif found := OPERATOR.match(line):
            graphs[number]["operators"].append(found[1])
        elif found := TENSOR.match(line):
            shape = [int(side) for side in found[2].split(",") if side.strip()]
            dtype = found[3].lower()
            graphs[number]["tensors"].append([dtype, shape])
            trained = dtype in TRAINED or (dtype == "int32" and int(found[1]) in scaled[number])
            if found[4] and trained and found[5] not in seen:
                seen.add(found[5])
                share = shares.setdefault(dtype, [0, 0])
                share[0] += math.prod(shape)
                share[1] += int(found[4])
    return {
        "size": int(size[1]) if size else None,
        "graphs": [graphs[key] for key in sorted(graphs)],
        "weights": shares,
    }


def ours(structure: ModelStructure) -> Facts:
    """The same facts as this project reads them."""
    shares: dict[str, list[int]] = {}
    for kind, share in structure.weights.items():
        shares[kind] = [share.parameters, share.size_bytes]
    return {
        "size": structure.size_bytes,
        "graphs": [
            {
                "operators": [op.name.removeprefix("CUSTOM:") for op in graph.ops],
                "tensors": [[tensor.dtype, list(tensor.shape)] for tensor in graph.tensors],
            }
            for graph in structure.subgraphs
        ],
        "weights": shares,
    }


def main() -> int:
    """Print a line for each model; 1 when any differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--peers", type=Path, required=True, help="the virtual environment")
    words = parser.parse_args()
    command = [str(words.peers / "bin/python"), "-c", CHILD, *map(str, words.models)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in ended.stdout.splitlines() if line.startswith('{"path"')]
    if len(lines) != len(words.models):
        sys.exit(f"TensorFlow stopped after {len(lines)} models: {ended.stderr[-400:]}")
    equal = 0
    for path, line in zip(words.models, lines, strict=True):
        told = json.loads(line)
        structure = read_structure(path)
        here, there = ours(structure), theirs(told["text"], told["scaled"])
        if "sparse" in here["weights"]:
            # A kind of its own here, a type like others there: sums are compared.
            for side in (here, there):
                side["weights"] = [
                    sum(column) for column in zip(*side["weights"].values(), strict=True)
                ]
        wrong = [key for key in here if here[key] != there[key]]
        equal += not wrong
        operators = sum(len(graph["operators"]) for graph in here["graphs"])
        tensors = sum(len(graph["tensors"]) for graph in here["graphs"])
        print(
            f"{path.name}: {operators} operators, {tensors} tensors, {structure.parameters} "
            f"parameters, {structure.size_bytes} bytes: "
            + (f"DIFFER in {', '.join(wrong)}" if wrong else "equal")
        )
        for key in wrong:
            if key != "graphs":
                print(f"  {key}: {here[key]} here, {there[key]} there")
    print(f"{equal} of {len(words.models)} models equal")
    return int(equal != len(words.models))


if __name__ == "__main__":
    sys.exit(main())
