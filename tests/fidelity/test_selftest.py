"""Known answers, and that a wrong one is seen."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bokehbench.errors import UsageError
from bokehbench.fidelity import selftest
from bokehbench.fidelity.selftest import Check, run_checks


def test_all_are_met_and_every_metric_is_there() -> None:
    checks = list(run_checks())
    assert all(check.is_met for check in checks)
    assert {check.metric for check in checks} == {"psnr", "ssim", "ms_ssim", "lpips"}
    assert {check.protocol for check in checks} == {"mai22", "val294", "pynet"}
    assert len(checks) >= 24


def test_a_wrong_answer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bokehbench.fidelity.metrics._means",
        lambda *_: np.full(6, 0.774815671),
    )
    wrong = [check for check in run_checks() if not check.is_met]
    assert {check.metric for check in wrong} == {"ssim", "ms_ssim"}


@pytest.mark.parametrize(
    ("expected", "found", "met"),
    [
        (1.0, 1.0 + 9e-10, True),
        (1.0, 1.0 + 2e-9, False),
        (math.inf, math.inf, True),
        (math.inf, 100.0, False),
        (1.0, math.nan, False),
    ],
)
def test_when_an_answer_is_met(expected: float, found: float, met: bool) -> None:
    assert Check("pair", "mai22", "psnr", expected, found, 1e-9).is_met is met


def test_the_example_pairs_of_lpips_are_the_users_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"has no ex_ref\.png, ex_p0\.png, ex_p1\.png"):
        list(run_checks(tmp_path))
    rng = np.random.default_rng(0)
    for name in ("ex_ref", "ex_p0", "ex_p1"):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(selftest, "_golden", lambda: iter(()))
    monkeypatch.setattr(selftest, "_by_formula", lambda: iter(()))
    checks = list(run_checks(tmp_path))
    assert [check.pair for check in checks] == ["ex_ref, ex_p0", "ex_ref, ex_p1"]
    assert [check.expected for check in checks] == [0.721881, 0.137566]
    # Noise is not what the answers are for.
    assert not any(check.is_met for check in checks)
