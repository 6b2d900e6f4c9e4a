"""The whole file against the schema: layouts, alignment, ends of strings, tables used twice."""

import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as generated

from bokehbench.errors import ModelError
from bokehbench.model import read_model
from bokehbench.model.layout import TABLES, UNIONS
from tests.fuzz.anatomy import dissect
from tests.support import drafts
from tests.support.builder import Builder, Ops

_WIDTHS = {
    **{"Bool": 1, "Int8": 1, "Uint8": 1, "Int16": 2, "Uint16": 2, "Int32": 4, "Uint32": 4},
    **{"Float32": 4, "Int64": 8, "Uint64": 8},
}


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_model(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _generated() -> dict[str, dict[int, tuple[str, int, str]]]:
    """Slots of LiteRT's own classes: kind, width and table, as `Field` has them."""
    found: dict[str, dict[int, tuple[str, int, str]]] = {}
    text = Path(str(generated.__file__)).read_text()
    parts = re.split(r"\nclass (\w+)\(object\):\n", text)
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if "_tab = flatbuffers.table.Table" not in body:
            continue
        slots: dict[int, tuple[str, int, str]] = {}
        for method in re.finditer(r"    def (\w+)\(self(?:, j)?\):\n((?:        .*\n)+)", body):
            slot = re.search(r"_tab\.Offset\((\d+)\)", method[2])
            told = _field(method[2]) if slot else None
            if slot and told and not method[1].endswith(("AsNumpy", "IsNone")):
                slots[(int(slot[1]) - 4) // 2] = told
        found[name] = slots
    return found


def _field(code: str) -> tuple[str, int, str] | None:
    """What an accessor's code reads; None for those that only count."""
    table = re.search(r"obj = (\w+)\(\)", code)
    number = re.search(r"Get\(flatbuffers\.number_types\.(\w+)Flags", code)
    if "VectorLen" in code:
        return None
    if "_tab.Vector(" in code:
        return ("tables", 4, table[1]) if table else ("vector", _WIDTHS[number[1]], "")  # type: ignore[index]
    if "_tab.Union(" in code:
        return "union", 0, ""
    if "_tab.String(" in code:
        return "string", 1, ""
    if table:
        return "table", 4, table[1]
    return ("number", _WIDTHS[number[1]], "") if number else None


def test_the_layout_is_that_of_the_schema() -> None:
    theirs = _generated()
    ours = {
        name: {
            field.slot: (field.kind, field.width, "" if field.kind == "union" else field.name)
            for field in fields
        }
        for name, fields in TABLES.items()
    }
    assert len(theirs) > 150
    assert {name: slots for name, slots in theirs.items() if slots} == ours
    for union, members in UNIONS.items():
        numbers = vars(getattr(generated, union))
        assert {name: numbers[name] for name in members} == {
            name: place for place, name in enumerate(members, 1)
        }
        # Python adds `__firstlineno__` from 3.13 on.
        theirs_too = {name for name in numbers if not name.startswith("_")}
        assert theirs_too == {"NONE", *members}


def _word(data: bytearray, place: int, value: int) -> None:
    struct.pack_into("<I", data, place, value)


def _offset(data: bytes, kind: str) -> int:
    return next(place for place, what in dissect(data).offsets if what == kind)


def test_a_table_that_is_not_aligned(tmp_path: Path) -> None:
    data = bytearray(drafts.conv_model().data())
    root = struct.unpack_from("<I", data, 0)[0]
    _word(data, 0, root + 1)
    assert "is not aligned" in refused(tmp_path / "a", bytes(data))


def test_a_vector_that_is_not_aligned(tmp_path: Path) -> None:
    data = bytearray(drafts.conv_model().data())
    place = _offset(bytes(data), "vector4")
    _word(data, place, struct.unpack_from("<I", data, place)[0] + 2)
    assert "points nowhere" in refused(tmp_path / "a", bytes(data))


def test_a_string_without_its_end(tmp_path: Path) -> None:
    data = bytearray(drafts.conv_model().data())
    place = data.index(b"made by hand")
    data[place + 12] = ord("!")
    assert f"the string at byte {place - 4} has no end" in refused(tmp_path / "a", bytes(data))


@pytest.mark.parametrize("kind", ["Tensor", "Operator"])
def test_a_table_in_two_places(tmp_path: Path, kind: str) -> None:
    """One operator or tensor that stands for many makes a small file describe a large model."""
    data = bytearray(drafts.long_model(3).data())
    places = [place for place, what in dissect(bytes(data)).offsets if what == kind]
    first, second = places[0], places[1]
    target = max(place + struct.unpack_from("<I", data, place)[0] for place in (first, second))
    for place in (first, second):
        _word(data, place, target - place)
    assert f"two places use the one {kind} at byte {target}" in refused(tmp_path / "a", bytes(data))


def test_buffers_and_quantisation_may_be_shared(tmp_path: Path) -> None:
    """Converters write one empty buffer for all tensors that have none."""
    made = drafts.long_model(2)
    made.model.buffers = [generated.BufferT() for _ in range(4)]
    for number, tensor in enumerate(made.graph.tensors[:4]):
        tensor.buffer = number
    data = bytearray(made.data())
    places = [place for place, what in dissect(bytes(data)).offsets if what == "Buffer"]
    target = max(place + struct.unpack_from("<I", data, place)[0] for place in places)
    for place in places:
        _word(data, place, target - place)
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    assert read_model(path).ops == {"ADD": 2, "GELU": 1}


def test_fields_that_no_reader_here_asks_for_are_checked_too(tmp_path: Path) -> None:
    """An engine reads the options of every operator; this reader does not."""
    made = Builder()
    source, target = made.tensor("image", (1, 4)), made.tensor("bokeh", (1, 4))
    options = generated.BucketizeOptionsT()
    options.boundaries = [1.0, 2.0]
    made.op(Ops.BUCKETIZE, [source], [target], options)
    made.ends([source], [target])
    data = bytearray(made.data())
    assert read_written(tmp_path / "net.tflite", bytes(data))
    anatomy = dissect(bytes(data))
    at = anatomy.things["BucketizeOptions"][0]
    vector = next(p for p, what in anatomy.offsets if p > at and what == "vector4" and p < at + 12)
    _word(data, vector + struct.unpack_from("<I", data, vector)[0], 1 << 30)
    assert "a vector of 1073741824 elements" in refused(tmp_path / "a", bytes(data))


def read_written(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    return read_model(path).size_bytes == len(data)


def _bare(slot: int, count: int) -> bytes:
    """A root whose vector `slot` lists `count` tables of 4 bytes that share one vtable."""
    body = bytearray(b"\0\0\0\0TFL3")
    fields = [0] * 10
    fields[0], fields[slot] = 4, 8
    body += struct.pack("<12H", 24, 12, *fields)
    root = len(body)
    body += struct.pack("<iII", 24, 3, 4) + struct.pack("<I", count)
    entries = len(body)
    vtable = entries + 4 * count
    first = vtable + 4
    places = np.arange(count, dtype="<u4") * 4
    body += (first + places - (entries + places)).astype("<u4").tobytes()
    body += struct.pack("<HH", 4, 4)
    body += (first + places.astype("<i4") - vtable).astype("<i4").tobytes()
    struct.pack_into("<I", body, 0, root)
    return bytes(body)


@pytest.mark.parametrize("slot", [1, 2, 4, 6, 7, 8, 9])
@pytest.mark.parametrize("count", [90_000, 1_000_000])
def test_millions_of_tables_end_early(tmp_path: Path, slot: int, count: int) -> None:
    data = _bare(slot, count)
    started = time.process_time()
    refused(tmp_path / "net.tflite", data)
    # Ten times what it takes, so that a slow machine passes and a quadratic walk does not.
    assert time.process_time() - started < 10.0


def test_one_operator_of_many_operands_ends_early(tmp_path: Path) -> None:
    made = Builder()
    source = made.tensor("image", (1, 4))
    outputs = [made.tensor("o", (1, 4)) for _ in range(8000)]
    made.op(Ops.CUSTOM, [source] * 200_000, outputs, custom="Wide")
    made.ends([source], outputs[:1])
    data = made.data()
    started = time.process_time()
    assert read_written(tmp_path / "net.tflite", data)
    assert time.process_time() - started < 10.0
