"""What the rules say of a record before its first process starts."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bokehbench.analysis.roofline import roofline_ms
from bokehbench.errors import BokehbenchError
from bokehbench.facts import Prediction
from bokehbench.facts.trial import Backend, GpuOptions, Precision
from bokehbench.model.describe import read_structure
from bokehbench.model.predict import Forecast, forecast, target_of
from bokehbench.model.structure import ModelStructure
from bokehbench.model.work import work_of
from bokehbench.profile import DeviceProfile


def foresee(
    model: Path,
    input_shapes: Sequence[tuple[int, ...]],
    engine: str,
    version: str,
    backend: Backend,
    gpu: GpuOptions,
    profile: DeviceProfile,
    precision: Precision,
) -> Prediction | None:
    """The prediction for one record; None where no rules are about its backend.

    It never stands in the way of a run: a model that can't be predicted is run without.
    """
    target = target_of(engine, backend, version)
    if target is None:
        return None
    try:
        structure = read_structure(model, input_shapes)
    except BokehbenchError:
        return None
    told = forecast(
        structure, target, max_partitions=gpu.max_partitions if engine == "tflite" else None
    )
    if backend != "gpu":
        return told.prediction
    return msgspec.structs.replace(
        told.prediction, roofline_ms=bound_ms(structure, told, profile, precision)
    )


def bound_ms(
    structure: ModelStructure, told: Forecast, profile: DeviceProfile, precision: Precision
) -> float | None:
    """The least milliseconds of the part that the GPU takes, if the profile knows enough."""
    gpu = profile.gpu
    peak = gpu.peak_fp32_gflops if precision == "fp32" else None
    work = work_of(structure, [one.place for one in told.judged if one.taken])
    return roofline_ms(
        work.macs,
        work.winograd_macs,
        work.moved_bytes,
        peak or gpu.peak_fp16_gflops,
        profile.memory.bandwidth_gbytes_per_second,
    )
