"""The host's side of the runner protocol: argv, manifest, and streams that can't be believed."""

import hashlib
import json
from typing import Any

import pytest
from msgspec.structs import replace

from bokehbench.facts import InputSpec, IoSpec, OutputSpec, TensorFacts, TrialSpec
from bokehbench.runners.outcome import failure_of
from bokehbench.runners.protocol import (
    ManifestItem,
    RunnerPaths,
    manifest_of,
    parse_events,
    runner_argv,
)
from tests.support.evidence import make_model

SPEC = TrialSpec(
    record_id="r",
    index=0,
    mode="time",
    backend="xnnpack",
    precision="default",
    threads=2,
    core_mask=0xF0,
    warmups=3,
    runs=4,
    min_runs=2,
    max_seconds=1.5,
    deadline_seconds=10,
    input_shapes=((1, 8, 8, 3),),
    seed=7,
)


def stream(*events: dict[str, Any]) -> bytes:
    body = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    done = {
        "event": "done",
        "events": len(events),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return body + json.dumps(done).encode() + b"\n"


HELLO = {
    "event": "hello",
    "protocol": 2,
    "build": "b",
    "engine": "litert",
    "engine_abi": "2.3",
    "abi": "x86_64",
    "pid": 1,
    "manifest_sha256": "m",
}
SAMPLES = {
    "event": "samples",
    "region": "lock_write+run+lock_read",
    "warmup_ns": [9],
    "invoke_ns": [5, 6, 7, 8],
    "input_ns": 1,
    "output_ns": 1,
    "capped": False,
}
BACKEND: dict[str, Any] = {
    "event": "backend",
    "name": "xnnpack",
    "delegate": None,
    "load_ns": 1,
    "cache": "none",
    "fully_accelerated": True,
    "delegated_nodes": None,
    "total_nodes": None,
    "partitions": None,
    "gpu_api": None,
    "adapter": None,
    "delegates": [],
    "unsupported": [],
    "log": [],
    "threads": 1,
    "inputs": [],
    "outputs": [],
}
OUTPUT: dict[str, Any] = {
    "event": "output",
    "index": 4,
    "path": "4.out",
    "sha256": "s",
    "size_bytes": 192,
    "shape": [1, 8, 8, 3],
    "dtype": "u8",
    "input_ns": 1,
    "invoke_ns": 1,
    "output_ns": 1,
    "nonfinite": 0,
    "low": 0.0,
    "high": 1.0,
}
ERROR = {"event": "error", "code": "op_unsupported", "message": "no GELU", "status": 504}
WHOLE = stream(HELLO, BACKEND, SAMPLES)


def failure(data: bytes, exit_code: int = 0, timed_out: bool = False, log: bytes = b"") -> Any:
    return failure_of(SPEC, parse_events(data), exit_code=exit_code, timed_out=timed_out, log=log)


def test_a_whole_stream_is_a_result() -> None:
    parsed = parse_events(WHOLE)
    assert parsed.problem is None
    assert parsed.samples is not None
    assert parsed.samples.invoke_ns == (5, 6, 7, 8)
    assert failure(WHOLE) is None


def test_no_prefix_of_a_stream_is_a_result() -> None:
    for end in range(len(WHOLE)):
        assert parse_events(WHOLE[:end]).problem is not None, WHOLE[:end]


def test_no_flipped_bit_is_a_result() -> None:
    for position in range(len(WHOLE)):
        for bit in (0, 3, 6):
            altered = bytearray(WHOLE)
            altered[position] ^= 1 << bit
            parsed = parse_events(bytes(altered))
            assert parsed.problem is not None or parsed == parse_events(WHOLE)


def test_text_after_the_closing_line_is_refused() -> None:
    assert parse_events(WHOLE + b"x\n").problem == "text after the closing line"


def test_another_protocol_is_refused() -> None:
    assert "protocol 1" in (parse_events(stream(HELLO | {"protocol": 1})).problem or "")


@pytest.mark.parametrize(
    ("data", "exit_code", "log", "kind"),
    [
        (stream(HELLO, ERROR), 69, b"", "op_unsupported"),
        (stream(HELLO, SAMPLES), 1, b"", "internal"),
        (stream(HELLO), 0, b"", "protocol"),
        (WHOLE[:-20], 0, b"", "protocol"),
        (b"", 128 + 11, b"", "crash"),
        (b"", 128 + 6, b"terminate: std::bad_alloc", "out_of_memory"),
        (b"", 128 + 9, b"", "killed"),
        (b"", 124, b"", "timeout"),
        (b"", 126, b"sh: runner: Permission denied", "io_error"),
        (b"", 127, b"sh: runner: not found", "io_error"),
        (stream(HELLO, BACKEND, SAMPLES | {"invoke_ns": []}), 0, b"", "protocol"),
        (stream(HELLO, BACKEND, SAMPLES | {"invoke_ns": [5, 0, 5, 5]}), 0, b"", "protocol"),
    ],
)
def test_how_a_process_ended_says_which_failure(
    data: bytes, exit_code: int, log: bytes, kind: str
) -> None:
    assert failure(data, exit_code, log=log).kind == kind


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((BACKEND, SAMPLES), "do not say what ran"),
        ((HELLO, SAMPLES), "do not say what ran"),
        ((HELLO, BACKEND, SAMPLES | {"invoke_ns": [5, 6]}), "2 samples of 4 runs"),
        ((HELLO, BACKEND, SAMPLES | {"invoke_ns": [5] * 5, "capped": True}), "5 samples of 4"),
        ((HELLO, BACKEND, SAMPLES | {"warmup_ns": [-1]}), "clock jumped"),
    ],
)
def test_a_whole_stream_that_is_no_answer_is_no_result(
    events: tuple[dict[str, Any], ...], told: str
) -> None:
    found = failure(stream(*events))
    assert found.kind == "protocol"
    assert told in found.message
    capped = SAMPLES | {"invoke_ns": [5, 6], "capped": True}
    assert failure(stream(HELLO, BACKEND, capped)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"index": 5, "path": "5.out"},
        {"index": -1, "path": "-1.out"},
        {"path": "/etc/hostname"},
        {"path": None},
        {"size_bytes": 100},
        {"shape": [1, 0, 8, 3], "size_bytes": 0},
        {"dtype": "f64"},
        {"invoke_ns": -5},
    ],
)
def test_outputs_that_were_not_asked_for_are_no_result(change: dict[str, Any]) -> None:
    spec = replace(SPEC, mode="images", items=(4, 9))
    other = OUTPUT | {"index": 9, "path": "9.out"}

    def found(*outputs: dict[str, Any]) -> Any:
        events = parse_events(stream(HELLO, BACKEND, *outputs))
        return failure_of(spec, events, exit_code=0, timed_out=False, log=b"")

    assert found(OUTPUT, other) is None
    assert found(other) is not None
    assert found(OUTPUT, OUTPUT, other) is not None
    assert found(OUTPUT | change, other).kind == "protocol"


def test_a_deadline_wins_over_whatever_came_before() -> None:
    assert failure(WHOLE, 137, timed_out=True).kind == "timeout"


def test_argv_sends_every_value() -> None:
    tensor = TensorFacts(name="in", shape=(1, 8, 8, 3), dtype="int8", scale=0.1, zero_point=-3)
    image = TensorFacts(name="out", shape=(1, 8, 8, 3), dtype="float32")
    model = make_model(inputs=(tensor,), outputs=(image,))
    io = IoSpec(inputs=(InputSpec(tensor=0, range=(-1, 1)),), output=OutputSpec(tensor=0))
    paths = RunnerPaths("/r", "/w/m", "/m", "/e/lib.so", "/e")
    argv = runner_argv(
        SPEC,
        model,
        io,
        paths,
        engine="litert",
        deadline_ms=10_000,
        rounding="half_even",
        output_format="u8",
    )
    assert argv[:2] == ["/r", "2"]
    values = dict(word.split("=", 1) for word in argv[2:])
    assert values["in0"] == "1x8x8x3:int8:-1.0:1.0:0.1:-3"
    assert values["out"] == "-:float32:0.0:1.0:0.0:0"
    assert values["core_mask"] == "f0"
    assert values["max_ms"] == "1500"


def test_a_manifest_holds_names_only() -> None:
    item = ManifestItem(index=3, inputs=("file:3.0.in", "seed:7"), output="3.out")
    expected = "bokehbench-manifest\t1\nitem\t3\tfile:3.out\tfile:3.0.in\tseed:7\n"
    assert manifest_of([item]).data.decode() == expected
    for name in ("../x", "a b", ".x", ""):
        with pytest.raises(ValueError, match="name"):
            manifest_of([ManifestItem(index=0, inputs=(f"file:{name}",))])
