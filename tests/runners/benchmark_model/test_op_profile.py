"""Tables of operators in the forms in which logs reach us: tabs, spaces, prefixes, pages."""

import msgspec
import pytest

from bokehbench.runners.benchmark_model import parse_log
from bokehbench.runners.benchmark_model.op_profile import OpProfile
from tests.runners.benchmark_model.corpus import log

PROFILED = ("007_android_profiled.txt", "025_x86_ssd_profiled.txt")


def profile(data: bytes) -> OpProfile:
    found = parse_log(data, exit_code=0).last.profile
    assert found is not None
    return msgspec.structs.replace(found, line=None)


@pytest.mark.parametrize("name", PROFILED)
@pytest.mark.parametrize("width", [8, 2])
def test_tabs_that_became_spaces(name: str, width: int) -> None:
    data = log(name)
    assert profile(data.expandtabs(width)) == profile(data)
    assert len(profile(data).ops) in (4, 64)


@pytest.mark.parametrize("name", PROFILED)
def test_spaces_behind_a_prefix(name: str) -> None:
    data = log(name)
    lines = data.expandtabs(8).split(b"\n")
    prefix = b"05-30 15:16:44.857  3380  3380 I tflite  : "
    assert profile(b"\n".join(prefix + line for line in lines)) == profile(data)


def test_types_of_several_words_between_spaces() -> None:
    rows = """STARTING!
Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
    [node type]   [first]  [avg ms]   [%]   [times called]  [Name]
    Convolution (NHWC, F32) IGEMM   1.0  1.5  60.0%  1  Delegate/Convolution (NHWC, F32) IGEMM:0
    ADD  0.5  1.0  40.0%  2  [a name 1 2 3]:7
    no numbers at all 5%  here
"""
    ops = profile(rows.encode()).ops
    assert [(op.type, op.avg_us, op.calls, op.node) for op in ops] == [
        ("Convolution (NHWC, F32) IGEMM", 1500.0, 1, 0),
        ("ADD", 1000.0, 2, 7),
    ]
    assert ops[1].name == "[a name 1 2 3]:7"
