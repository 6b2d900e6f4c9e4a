"""Builds the stand-in for TFLite's libraries whose GPU delegate behaves as it is told."""

import functools
import tempfile
from pathlib import Path

from android_app.build import TARGETS, host_target, zig_cc

SOURCE = Path(__file__).with_suffix(".c")
LIBRARY = "libtensorflowlite_jni.so"
GPU_LIBRARY = "libtensorflowlite_gpu_jni.so"
FLAGS = (
    "-std=c11",
    "-D_GNU_SOURCE",
    "-O1",
    "-fno-sanitize=all",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-s",
)


def build_fake_tflite(
    folder: Path, behaviour: str = "ok", *, target: str | None = None
) -> tuple[Path, Path]:
    """Put the engine's library and the GPU delegate's into `folder`.

    Args:
        behaviour: a word of fake_tflite.c. Each is a library with a hash of its own.
        target: a Linux target of android_app/build.py; this machine by default.

    Returns:
        The two paths, the engine's first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = target or host_target().name
    for file, data in _built(behaviour, name).items():
        (folder / file).write_bytes(data)
    return folder / LIBRARY, folder / GPU_LIBRARY


def with_behaviour(model: bytes, behaviour: str) -> bytes:
    """A model that tells the libraries what to do: the same .tflite with a word after its end."""
    return model + f"fake-tflite:{behaviour}.".encode()


@functools.cache
def _built(behaviour: str, target: str) -> dict[str, bytes]:
    word = f'-DBEHAVIOUR="{behaviour}"'
    old = ["-DOLD"] if behaviour == "old" else []
    kinds = {LIBRARY: ["-DENGINE", word, *old], GPU_LIBRARY: []}
    built = {}
    with tempfile.TemporaryDirectory(prefix="bokehbench-fake-") as folder:
        for file, flags in kinds.items():
            path = Path(folder) / file
            command = [*FLAGS, *flags, str(SOURCE), "-o", str(path), f"-Wl,-soname,{file}", "-ldl"]
            if problem := zig_cc(TARGETS[target], command):
                raise RuntimeError(f"{file} did not build:\n{problem}")
            built[file] = path.read_bytes()
    return built
