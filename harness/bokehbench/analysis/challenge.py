"""The score of the Mobile AI 2022 bokeh challenge, and how its table prints it.

Source: "Realistic Bokeh Effect Rendering on Mobile GPUs, Mobile AI & AIM 2022 challenge:
Report", table 1. The report leaves C unsaid; every C in [2.410033e10, 2.437440e10] reproduces the
printed column, and 2^34.5 = 2.42960e10 is the round number inside.
"""

import math

from bokehbench.errors import UsageError

CHALLENGE_C = 2**34.5


def final_score(psnr_db: float, runtime_ms: float, c: float = CHALLENGE_C) -> float:
    """2^(2 PSNR) / (C runtime), with PSNR in dB and the GPU's runtime in milliseconds.

    Raises:
        UsageError: a value is not finite, the runtime or C not above zero, or the score beyond
            what a float holds.
    """
    for name, value in (("PSNR", psnr_db), ("runtime", runtime_ms), ("C", c)):
        if not math.isfinite(value):
            raise UsageError(f"the score needs a finite {name}, not {value}")
    if runtime_ms <= 0:
        raise UsageError(f"the score needs a runtime above 0 ms, not {runtime_ms}")
    if c <= 0:
        raise UsageError(f"the score needs a C above 0, not {c}")
    try:
        # Logarithms, because 2^(2 PSNR) may overflow where the quotient does not.
        return math.exp2(2 * psnr_db - math.log2(c) - math.log2(runtime_ms))
    except OverflowError:
        raise UsageError(
            f"the score of a PSNR of {psnr_db} dB, a runtime of {runtime_ms} ms and C = {c} is "
            "beyond what a float holds; check the three"
        ) from None


def format_score(score: float) -> str:
    """As the table prints it: integers from 10 up, one decimal below; tiny ones as `<0.1`."""
    if score < 0.05:
        return "<0.1"
    text = f"{score:.1f}"
    return f"{score:.0f}" if float(text) >= 10 else text
