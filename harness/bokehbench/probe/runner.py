"""The same question to TensorFlow Lite's C library, by the project's own runner."""

import json
import platform
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bokehbench.errors import BokehbenchError
from bokehbench.facts import InputSpec, IoSpec, OutputSpec, TrialSpec
from bokehbench.model.reader import read_model
from bokehbench.probe.ask import SECONDS, Told
from bokehbench.runners import bundled_runner
from bokehbench.runners.protocol import ManifestItem, RunnerPaths, manifest_of, runner_argv

IMAGES = ("float32", "uint8", "int8")
"""Types of inputs and outputs that the runner can fill and read."""


def ask_tflite(model: Path, library: Path) -> Told | None:
    """XNNPACK in TensorFlow Lite's C library; None where the runner can't run such a model."""
    try:
        facts = read_model(model)
    except BokehbenchError as error:
        return Told(None, why=str(error))
    if not facts.inputs or any(t.dtype not in IMAGES for t in (*facts.inputs, *facts.outputs)):
        return None
    if any(t.dtype == "int8" and t.scale == 0 for t in (*facts.inputs, *facts.outputs)):
        return None
    io = IoSpec(
        inputs=tuple(InputSpec(tensor=number) for number in range(len(facts.inputs))),
        output=OutputSpec(tensor=0),
    )
    spec = TrialSpec(
        record_id="probe",
        index=0,
        mode="time",
        backend="xnnpack",
        precision="fp32",
        threads=1,
        core_mask=0,
        warmups=0,
        runs=1,
        min_runs=1,
        max_seconds=10.0,
        deadline_seconds=SECONDS,
        # A free side is 1, as where an interpreter is not told otherwise.
        input_shapes=tuple(tuple(max(side, 1) for side in entry.shape) for entry in facts.inputs),
        seed=1,
    )
    manifest = manifest_of([ManifestItem(index=0, inputs=tuple("seed:1" for _ in facts.inputs))])
    with tempfile.TemporaryDirectory(prefix="bokehbench-probe-") as folder:
        listed = Path(folder) / manifest.name
        listed.write_bytes(manifest.data)
        paths = RunnerPaths(
            runner=str(bundled_runner("linux", platform.machine())[1]),
            manifest=str(listed),
            model=str(model),
            engine_library=str(library),
            engine_folder=str(library.parent),
        )
        argv = runner_argv(
            spec,
            facts,
            io,
            paths,
            engine="tflite",
            deadline_ms=int(SECONDS * 1000),
            rounding="half_even",
            output_format="u8",
        )
        ended = subprocess.run(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS + 5,
            check=False,
        )
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith(b"{")]
    for event in events:
        if event["event"] == "backend":
            counts = event["delegated_nodes"], event["total_nodes"]
            return Told(counts[0], counts[1], _kernels(event))
    for event in events:
        if event["event"] == "error":
            # The runner's way of saying that the delegate took nothing.
            if event["code"] == "backend_unavailable":
                return Told(0, 1, why=event["message"])
            failed = event["code"] == "delegate_failed"
            return Told(None, why=event["message"], failed=failed)
    return Told(None, why=f"exit code {ended.returncode}", failed=ended.returncode < 0)


def _kernels(event: dict[str, Any]) -> int | None:
    """How many parts the delegate that was asked for runs."""
    for delegate in event["delegates"]:
        return int(delegate["kernels"]) if delegate["kernels"] is not None else None
    return None
