"""The profiles that are shipped: complete, marked, and of no use to anyone with bad intent."""

from pathlib import Path

import pytest

from bokehbench.profile import builtin_folder, facts_of, load_profile

PATHS = sorted(builtin_folder().glob("*.toml"))
PHONES = [
    "kirin9000",
    "snapdragon-8-gen-1",
    "snapdragon-8-gen-2",
    "snapdragon-8-gen-3",
    "tensor-g1",
    "tensor-g2",
    "tensor-g3",
    "dimensity-9000",
    "exynos-2100",
    "exynos-2200",
]
OTHERS = [
    "android-arm64",
    "android-emulator",
    "android-x86_64",
    "generic-linux",
    "raspberry-pi-5",
]


def test_all_are_there_under_their_own_names() -> None:
    assert [path.stem for path in PATHS] == sorted([*PHONES, *OTHERS])
    assert all(load_profile(path).name == path.stem for path in PATHS)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_no_fact_lacks_a_mark_and_no_source_is_idle(path: Path) -> None:
    facts = facts_of(path.read_text(encoding="utf-8"), path.name)
    assert [fact.path for fact in facts if fact.mark is None] == []
    idle = set(load_profile(path).sources) - {fact.source for fact in facts}
    assert not idle
    assert facts


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_what_nobody_read_is_not_called_verified(path: Path) -> None:
    for fact in facts_of(path.read_text(encoding="utf-8"), path.name):
        if fact.source == "general":
            assert fact.mark == "unverified", fact.path
        assert fact.source_text
        assert len(fact.source_text) > 10


@pytest.mark.parametrize("name", PHONES)
def test_a_phone_has_what_a_run_needs(name: str) -> None:
    profile = load_profile(builtin_folder() / f"{name}.toml")
    cores = sum(cluster.cores for cluster in profile.cpu.clusters)
    assert cores == (9 if name == "tensor-g3" else 8)
    assert profile.gpu.name
    assert [(b.name, b.engine) for b in profile.backends] == [
        ("gpu", "tflite"),
        ("gpu", "litert"),
        ("xnnpack", "tflite"),
    ]
    assert {"gpu_clock", "gpu_load"} <= {sensor.quantity for sensor in profile.sensors}
    assert not profile.settle.is_empty
    assert profile.settle.max_thermal_status == 0
    assert profile.troubles
    assert profile.lock
    clocks = [cluster.max_khz for cluster in profile.cpu.clusters if cluster.max_khz]
    assert clocks == sorted(clocks), "little cores first"


def test_the_challenges_phone_is_complete() -> None:
    profile = load_profile(builtin_folder() / "kirin9000.toml")
    assert profile.gpu.peak_fp16_gflops == 4600
    assert profile.memory.bandwidth_gbytes_per_second == 44
    assert [cluster.max_khz for cluster in profile.cpu.clusters] == [2050000, 2540000, 3130000]
    quantities = [sensor.quantity for sensor in profile.sensors]
    assert quantities.count("temperature") == 2
    assert "gpu_max_clock" in quantities
    assert len(profile.troubles) >= 4


def test_an_emulators_gpu_is_not_tried_unasked() -> None:
    profile = load_profile(builtin_folder() / "android-emulator.toml")
    assert "gpu" not in [choice.name for choice in profile.backends]
