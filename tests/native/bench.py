"""A bench for the real runner: words, manifest and model in, exit code and events out."""

import hashlib
import importlib.util
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def engine_folder() -> Path:
    """Where the installed ai_edge_litert keeps its shared libraries."""
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@dataclass(frozen=True)
class Outcome:
    """What one process left: its exit code, its events, its standard error."""

    code: int
    output: bytes
    errors: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events, after the count and the digest of `done` were checked."""
        lines = self.output.splitlines(keepends=True)
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert events
        assert events[-1]["event"] == "done"
        assert events[-1]["events"] == len(events) - 1
        assert events[-1]["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
        assert all(line.endswith(b"\n") for line in lines)
        return events

    def named(self, name: str) -> list[dict[str, Any]]:
        """All events of one name."""
        return [event for event in self.events if event["event"] == name]

    def one(self, name: str) -> dict[str, Any]:
        """The only event of that name."""
        (event,) = self.named(name)
        return event


@dataclass
class Bench:
    """Writes model and manifest into a work folder and spells the arguments out."""

    runner: Path
    folder: Path

    def prepare(
        self, model: bytes, inputs: list[str], out: str, items: list[str], /, **changes: object
    ) -> list[str]:
        """The words of a command that runs `items` (manifest lines without their first field)."""
        path = self.folder / "model.tflite"
        path.write_bytes(model)
        text = "bokehbench-manifest\t1\n" + "".join(f"item\t{item}\n" for item in items)
        manifest = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.manifest"
        manifest.write_text(text)
        library = engine_folder() / "libLiteRt.so"
        arguments: dict[str, object] = {
            "manifest": manifest,
            "deadline_ms": 60_000,
            "engine": "litert",
            "engine_library": library,
            "engine_folder": library.parent,
            "model": path,
            "signature": 0,
            "backend": "xnnpack",
            "threads": 1,
            "precision": "fp32",
            "core_mask": "0",
            "mode": "time",
            "warmups": 1,
            "runs": 3,
            "min_runs": 1,
            "max_ms": 30_000,
            "inputs": len(inputs),
            **{f"in{place}": text for place, text in enumerate(inputs)},
            "outputs": 1,
            "image_output": 0,
            "out": out,
            "rounding": "half_even",
            "output_format": "u8",
            "gpu_backend": "auto",
            "gpu_preference": "fast_single_answer",
            "max_partitions": 1,
            "cache": "none",
            "cache_dir": "-",
            "cache_token": "-",
            **changes,
        }
        words = [f"{key}={value}" for key, value in arguments.items() if value is not None]
        return [str(self.runner), "2", *words]

    def command(self, words: list[str]) -> Outcome:
        """Run the words to their end."""
        result = subprocess.run(
            words, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False
        )
        return Outcome(result.returncode, result.stdout, result.stderr.decode(errors="replace"))

    def run(
        self, model: bytes, inputs: list[str], out: str, items: list[str], /, **changes: object
    ) -> Outcome:
        """Prepare and run."""
        return self.command(self.prepare(model, inputs, out, items, **changes))
