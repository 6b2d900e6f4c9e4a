"""Which scales and types of quantised operators XNNPACK takes: rules and the engine itself."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from bokehbench.model.conditions import parse
from bokehbench.model.describe import read_structure
from bokehbench.model.predict import forecast
from bokehbench.model.rules import Target
from bokehbench.probe.ask import ask_xnnpack
from tests.support.builder import Builder, Ops

_OPTIONS = {"ADD": schema.AddOptionsT, "SUB": schema.SubOptionsT, "MUL": schema.MulOptionsT}


def written(path: Path, name: str, dtypes: Sequence[str], scales: Sequence[float]) -> Path:
    """A model of one operator; the last type and scale are its output's."""
    made = Builder()
    ends = [
        made.tensor(f"t{place}", (1, 4, 4, 4), np.dtype(dtype), scale=scale)
        for place, (dtype, scale) in enumerate(zip(dtypes, scales, strict=True))
    ]
    options = _OPTIONS[name]() if name in _OPTIONS else None
    version = {"QUANTIZE": 2, "SUB": 2}.get(name, 1)
    made.op(getattr(Ops, name), ends[:-1], ends[-1:], options, version=version)
    made.ends(ends[:-1], ends[-1:])
    path.write_bytes(made.data())
    return path


CASES = [
    ("ADD", "int8", (2**-10, 1.0, 1.0), True),
    ("ADD", "int8", (1.0, 0.9 * 2**-10, 1.0), False),
    ("ADD", "int8", (1.0, 255.0, 1.0), True),
    ("ADD", "int8", (256.0, 1.0, 1.0), False),
    ("SUB", "int8", (1.0, 255.0, 1.0), True),
    ("SUB", "int8", (1.0, 256.0, 1.0), False),
    ("MUL", "int8", (2**-8, 2**-8, 1.0), True),
    ("MUL", "int8", (2**-8, 0.9 * 2**-8, 1.0), False),
    ("MUL", "int8", (15.0, 17.0, 1.0), True),
    ("MUL", "int8", (16.0, 16.0, 1.0), False),
    ("QUANTIZE", "int8", (2**-8, 1.0), True),
    ("QUANTIZE", "int8", (0.9 * 2**-8, 1.0), False),
    ("QUANTIZE", "int8", (128.0, 1.0), True),
    ("QUANTIZE", "int8", (129.0, 1.0), False),
    ("QUANTIZE", "uint8 int8", (1.0, 1.0), False),
    ("QUANTIZE", "int8 uint8", (1.0, 1.0), False),
]


@pytest.mark.parametrize(("name", "types", "scales", "taken"), CASES)
def test_rules_and_engine_agree(
    name: str, types: str, scales: tuple[float, ...], taken: bool, tmp_path: Path
) -> None:
    dtypes = types.split() if " " in types else [types] * len(scales)
    path = written(tmp_path / "one.tflite", name, dtypes, scales)
    told = forecast(read_structure(path), Target("xnnpack", "litert", "2.3.0")).prediction
    assert (told.delegated_low, told.delegated_high) == (int(taken), int(taken))
    assert ask_xnnpack(path).delegated == int(taken)


def test_no_ratio_without_scales(tmp_path: Path) -> None:
    path = written(tmp_path / "one.tflite", "ADD", ["float32"] * 3, (0.0, 0.0, 0.0))
    told = forecast(read_structure(path), Target("xnnpack", "litert", "2.3.0"))
    assert told.judged[0].rule.rule == "listed"
    assert parse("least_ratio < 1").subject == "least_ratio"
