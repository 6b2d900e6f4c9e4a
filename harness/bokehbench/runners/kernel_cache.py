"""Which compiled GPU kernels may be used again: one key for all that they were compiled for."""

import hashlib

from bokehbench.facts import DeviceFacts, EngineFacts, ModelFacts, TrialSpec, canonical_json

NO_CACHE = "-"
"""Stands for folder and token where no kernels are kept."""

TOKEN_LENGTH = 32


def cache_key(spec: TrialSpec, model: ModelFacts, device: DeviceFacts, engine: EngineFacts) -> str:
    """A name in hexadecimal that changes with model, shapes, settings, engine, system and driver.

    On Android the build fingerprint stands for system and driver; the rest is what other systems
    say of themselves.
    """
    parts = {
        "model": model.sha256,
        "shapes": spec.input_shapes,
        "precision": spec.precision,
        "gpu": [spec.gpu.backend, spec.gpu.preference, spec.gpu.max_partitions],
        "engine": engine,
        "system": [device.platform, device.abi, device.fingerprint, device.kernel],
        "driver": [device.gpu, device.gles, device.vulkan, device.os_version],
    }
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
