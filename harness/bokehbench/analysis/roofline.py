"""The least time that a GPU needs for a model: arithmetic or memory, whichever takes longer.

The roofline of Williams, Waterman and Patterson (2009), as a lower bound: every number is taken so
that nothing real can be faster. A multiply-accumulate is two operations; those of 3x3 convolutions
with stride 1 count a quarter, as Winograd's F(4x4, 3x3) needs 36 multiplications for 16 outputs
where the plain way needs 144 (Lavin and Gray, 2015). Inputs, outputs and weights are moved once, in
16 bits, activations never.
"""

OPERATIONS_PER_MAC = 2
WINOGRAD_GAIN = 4


def roofline_ms(
    macs: int,
    winograd_macs: int,
    moved_bytes: int,
    peak_gflops: float | None,
    gbytes_per_second: float | None,
) -> float | None:
    """A time in milliseconds that no run can beat; None where neither limit is known.

    Args:
        macs: multiply-accumulates of the operators that run on the GPU.
        winograd_macs: those of `macs` that Winograd's transform can make fewer.
        moved_bytes: bytes that have to be moved at least once.
        peak_gflops: 10^9 operations a second at best.
        gbytes_per_second: 10^9 bytes a second at best.
    """
    limits = []
    if peak_gflops:
        least = macs - winograd_macs + winograd_macs / WINOGRAD_GAIN
        limits.append(OPERATIONS_PER_MAC * least / (peak_gflops * 1e9))
    if gbytes_per_second:
        limits.append(moved_bytes / (gbytes_per_second * 1e9))
    return max(limits) * 1e3 if limits else None
