"""What an ELF file is for: machine, platform, what it exports, needs and was built for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bokehbench.engines.catalog import Role
from bokehbench.errors import EngineError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MACHINES = {
    "arm64-v8a": ("EM_AARCH64", 64),
    "aarch64": ("EM_AARCH64", 64),
    "armeabi-v7a": ("EM_ARM", 32),
    "x86_64": ("EM_X86_64", 64),
}
"""ABI -> machine and width of its ELF files."""

MACHINE_NAMES = {
    "EM_AARCH64": "64-bit ARM",
    "EM_ARM": "32-bit ARM",
    "EM_X86_64": "x86-64",
    "EM_386": "32-bit x86",
    "EM_RISCV": "RISC-V",
}


@dataclass(frozen=True)
class ElfFacts:
    """An ELF file as it describes itself.

    `platform` is None where nothing tells (a static program). `android_api` is the API level
    that Android's own note names; `align_bytes` the alignment of its segments, which a
    device's page size must not exceed.
    """

    machine: str
    bits: int
    is_library: bool
    platform: str | None
    needed: tuple[str, ...]
    functions: frozenset[str]
    android_api: int | None
    align_bytes: int

    @property
    def machine_name(self) -> str:
        """The machine in words."""
        return MACHINE_NAMES.get(self.machine, f"{self.machine} ({self.bits} bits)")


def read_elf(path: Path, name: str) -> ElfFacts:
    """Read an ELF file's header, segments and dynamic symbols.

    Raises:
        EngineError: it is no ELF file, or a broken one; `name` is what it is called.
    """
    from elftools.elf.elffile import ELFFile

    with open(path, "rb") as stream:
        start = stream.read(4)
        if start != b"\x7fELF":
            raise EngineError(f"{name}: not an ELF file, it begins with {start!r}")
        try:
            return _facts(ELFFile(stream), path.stat().st_size)
        # A broken file makes the reader fail in any way: struct, construct, index, value.
        except Exception as error:
            raise EngineError(f"{name}: a broken ELF file: {_reason(error)}") from error


def check_elf(
    path: Path, name: str, *, platform: str, abi: str, role: Role, functions: list[str]
) -> ElfFacts:
    """Facts of a file that fits a platform and ABI, does a role and exports these functions.

    Raises:
        EngineError: it does not; the message says what it is, or what it lacks.
    """
    facts = read_elf(path, name)
    if (facts.machine, facts.bits) != MACHINES[abi]:
        raise EngineError(
            f"{name}: built for {facts.machine_name}, which {platform} {abi} can't load; "
            "take the file of the right ABI"
        )
    if facts.platform not in (None, platform):
        raise EngineError(f"{name}: built for {facts.platform}, not for {platform}")
    if role == "program":
        if facts.is_library:
            raise EngineError(f"{name}: a shared library, where a program is needed")
        return facts
    if not facts.is_library:
        raise EngineError(f"{name}: a program, where a shared library is needed")
    missing = [function for function in functions if function not in facts.functions]
    if missing:
        raise EngineError(f"{name}: lacks {_some(missing)}; take a build with the C API")
    return facts


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 6} more functions" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


def _reason(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:120] if text else type(error).__name__


def _facts(elf: "ELFFile", size_bytes: int) -> ElfFacts:
    interpreter = next((s.get_interp_name() for s in elf.iter_segments("PT_INTERP")), None)
    loads = list(elf.iter_segments("PT_LOAD"))
    # The table of sections is the file's end; the loader does not miss it, but it shows a cut.
    ends = [load["p_offset"] + load["p_filesz"] for load in loads]
    ends.append(elf["e_shoff"] + elf["e_shnum"] * elf["e_shentsize"])
    if max(ends) > size_bytes:
        raise EngineError(f"cut short, {size_bytes} of {max(ends)} bytes are left")
    dynamic: Any = next(iter(elf.iter_segments("PT_DYNAMIC")), None)
    needed: tuple[str, ...] = ()
    functions: frozenset[str] = frozenset()
    if dynamic is not None:
        needed = tuple(tag.needed for tag in dynamic.iter_tags("DT_NEEDED"))
        # More symbols than bytes would keep the reader busy for hours.
        if dynamic.num_symbols() > size_bytes // 16:
            raise EngineError("more symbols than the file can hold")
        functions = frozenset(
            symbol.name
            for symbol in dynamic.iter_symbols()
            if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] != "STB_LOCAL"
        )
    api = _android_api(elf)
    return ElfFacts(
        machine=str(elf["e_machine"]),
        bits=int(elf.elfclass),
        # A program of today is position-independent too: the interpreter tells them apart.
        is_library=elf["e_type"] == "ET_DYN" and interpreter is None,
        platform=_platform(interpreter, needed, api),
        needed=needed,
        functions=functions,
        android_api=api,
        align_bytes=min((int(load["p_align"]) for load in loads), default=0),
    )


def _platform(interpreter: str | None, needed: tuple[str, ...], api: int | None) -> str | None:
    if api is not None or "libc.so" in needed:
        return "android"
    if interpreter is not None:
        return "android" if interpreter.startswith("/system/bin/linker") else "linux"
    if any(name.startswith(("libc.so.", "ld-linux")) for name in needed):
        return "linux"
    return None


def _android_api(elf: "ELFFile") -> int | None:
    """The API level of Android's ELF note (ndk/sources/crt/crtbrand.S): its first 4 bytes."""
    for segment in elf.iter_segments("PT_NOTE"):
        for note in segment.iter_notes():
            if note["n_name"] == "Android":
                data = note["n_descdata"]
                return int.from_bytes(data[:4], "little") if len(data) >= 4 else None
    return None
