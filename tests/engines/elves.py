"""Small real ELF files: libraries and programs for other machines, made by zig's linker."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from android_app.build import zig_environment
from bokehbench.engines.catalog import catalog

TRIPLES = {
    "arm64-v8a": "aarch64-linux-none",
    "aarch64": "aarch64-linux-none",
    "armeabi-v7a": "arm-linux-eabi",
    "x86_64": "x86_64-linux-none",
}
NOTE = """
__attribute__((section(".note.android.ident"), used))
static const struct { int name, size, type; char text[8]; int api; } note =
    {8, 4, 1, "Android", %d};
"""


@dataclass(frozen=True)
class Elf:
    """What to build. `needs` is the C library's soname: libc.so is Android's, libc.so.6 glibc's."""

    abi: str = "arm64-v8a"
    functions: tuple[str, ...] = ()
    needs: str = "libc.so"
    interpreter: str = ""
    api: int | None = None


def c_api(name: str) -> tuple[str, ...]:
    """The functions of one of the catalog's lists."""
    return tuple(catalog().exports[name])


class Workshop:
    """Builds ELF files in a folder, each kind once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.build = lru_cache(maxsize=None)(self._build)

    def _build(self, elf: Elf) -> bytes:
        """The bytes of the linked file."""
        source = self._folder / "source.c"
        lines = [f"int {name}(void) {{ return 1; }}" for name in elf.functions]
        lines += ["int getpid(void);", "int asks(void) { return getpid(); }"]
        if elf.interpreter:
            lines.append("void _start(void) { for (;;) asks(); }")
        if elf.api is not None:
            lines.append(NOTE % elf.api)
        source.write_text("\n".join(lines), encoding="utf-8")
        libc = self._libc(elf)
        kind = ["-shared"]
        if elf.interpreter:
            kind = ["-pie", f"-Wl,--dynamic-linker={elf.interpreter}"]
        target = self._folder / "made"
        self._compile(elf.abi, [str(source), *kind, str(libc), "-o", str(target)])
        return target.read_bytes()

    def _libc(self, elf: Elf) -> Path:
        stub = self._folder / f"{elf.abi}-{elf.needs}"
        source = self._folder / "stub.c"
        source.write_text("int getpid(void) { return 1; }", encoding="utf-8")
        words = [str(source), "-shared", f"-Wl,-soname,{elf.needs}", "-o", str(stub)]
        self._compile(elf.abi, words)
        return stub

    def _compile(self, abi: str, words: Sequence[str]) -> None:
        command = [sys.executable, "-m", "ziglang", "cc", "-target", TRIPLES[abi]]
        command += ["-nostdlib", "-ffreestanding", "-fno-sanitize=all", "-fPIC", "-O1", *words]
        subprocess.run(command, env=zig_environment(), check=True, capture_output=True, text=True)
