"""The Android runners as files: what Android's linker and old devices ask of an executable."""

import io
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from android_app import build
from android_app.build import BIONIC, MIN_API, SOURCES, TARGETS, Target, bionic_symbols

ANDROID = [target for target in TARGETS.values() if target.abi is not None]
PAGE = 16384

ARRAYS = {"DT_INIT", "DT_FINI", "DT_INIT_ARRAY", "DT_FINI_ARRAY", "DT_PREINIT_ARRAY"}
PATHS = {"DT_RPATH", "DT_RUNPATH"}
PACKED = {"DT_RELR", "DT_ANDROID_REL", "DT_ANDROID_RELA", "DT_ANDROID_RELR", "DT_TEXTREL"}


@pytest.fixture(scope="session", params=ANDROID, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    chosen: Target = request.param
    return chosen


@pytest.fixture(scope="session")
def elf(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp(target.name) / "runner"
    build.build_runner(target, path)
    return ELFFile(io.BytesIO(path.read_bytes()))


def tags(elf: Any) -> list[Any]:
    return list(elf.get_section_by_name(".dynamic").iter_tags())


def segments(elf: Any, kind: str) -> list[Any]:
    return [segment for segment in elf.iter_segments() if segment["p_type"] == kind]


def test_it_is_a_position_independent_executable_of_its_abi(elf: Any, target: Target) -> None:
    machine = {"arm64-v8a": "EM_AARCH64", "x86_64": "EM_X86_64"}[target.abi or ""]
    assert (elf.elfclass, elf.little_endian) == (64, True)
    assert elf.header["e_machine"] == machine
    assert elf.header["e_type"] == "ET_DYN"
    assert elf.header["e_ident"]["EI_OSABI"] == "ELFOSABI_SYSV"
    [interpreter] = segments(elf, "PT_INTERP")
    assert interpreter.get_interp_name() == "/system/bin/linker64"


def test_it_needs_two_libraries_and_no_paths(elf: Any) -> None:
    needed = [tag.needed for tag in tags(elf) if tag.entry.d_tag == "DT_NEEDED"]
    assert needed == ["libc.so", "libdl.so"]
    assert not PATHS & {tag.entry.d_tag for tag in tags(elf)}


def test_it_is_linked_for_pages_of_16_kilobytes(elf: Any) -> None:
    loads = segments(elf, "PT_LOAD")
    assert loads
    for load in loads:
        assert load["p_align"] == PAGE
        assert load["p_offset"] % PAGE == load["p_vaddr"] % PAGE
    # No two segments share a page, whose rights would then be those of the last one.
    for before, after in itertools.pairwise(loads):
        assert (before["p_vaddr"] + before["p_memsz"] - 1) // PAGE < after["p_vaddr"] // PAGE


def test_nothing_is_writable_and_executable(elf: Any) -> None:
    executable, writable = 1, 2
    for segment in [*segments(elf, "PT_LOAD"), *segments(elf, "PT_GNU_STACK")]:
        assert not (segment["p_flags"] & executable and segment["p_flags"] & writable)
    assert len(segments(elf, "PT_GNU_STACK")) == 1


def test_old_linkers_know_all_that_is_in_it(elf: Any) -> None:
    kinds = {tag.entry.d_tag for tag in tags(elf)}
    assert {"DT_HASH", "DT_GNU_HASH"} <= kinds
    assert not PACKED & kinds
    assert not segments(elf, "PT_TLS")
    assert not segments(elf, "PT_GNU_RELRO")
    [flags] = [tag.entry.d_val for tag in tags(elf) if tag.entry.d_tag == "DT_FLAGS"]
    [flags_1] = [tag.entry.d_val for tag in tags(elf) if tag.entry.d_tag == "DT_FLAGS_1"]
    bind_now, now, pie = 0x8, 0x1, 0x08000000
    assert flags == bind_now
    assert flags_1 == now | pie


def test_relocations_are_of_the_four_plainest_kinds(elf: Any, target: Target) -> None:
    """ABS64, GLOB_DAT, JUMP_SLOT and RELATIVE: no copies, no thread-locals, no resolvers."""
    plain = {"arm64-v8a": {257, 1025, 1026, 1027}, "x86_64": {1, 6, 7, 8}}[target.abi or ""]
    found = {
        relocation["r_info_type"]
        for name in (".rela.dyn", ".rela.plt")
        for relocation in elf.get_section_by_name(name).iter_relocations()
    }
    assert found
    assert found <= plain


def test_it_has_no_constructors_or_destructors(elf: Any) -> None:
    """start.c tells the C library so."""
    assert not ARRAYS & {tag.entry.d_tag for tag in tags(elf)}
    names = {section.name for section in elf.iter_sections()}
    assert not {".init_array", ".fini_array", ".preinit_array", ".init", ".fini"} & names


def undefined(elf: Any) -> set[str]:
    symbols = elf.get_section_by_name(".dynsym").iter_symbols()
    return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}


def test_every_undefined_symbol_is_public_since_the_oldest_api_level(
    elf: Any, target: Target
) -> None:
    known = {symbol.name: symbol for symbol in bionic_symbols()}
    names = undefined(elf)
    assert {"__libc_init", "dlopen", "openat", "snprintf"} <= names
    assert names <= known.keys()
    assert all(known[name].api[target.abi or ""] <= MIN_API for name in names)
    assert all(known[name].library in ("libc.so", "libdl.so") for name in names)


def test_it_gives_nothing_to_the_libraries_that_it_loads(elf: Any) -> None:
    """A symbol of ours could replace a library's own."""
    symbols = elf.get_section_by_name(".dynsym").iter_symbols()
    assert not [symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"]


def declared() -> set[str]:
    """The functions that bionic/libc.h declares."""
    text = re.sub(r"/\*.*?\*/", "", (BIONIC / "libc.h").read_text(encoding="utf-8"), flags=re.S)
    return set(re.findall(r"^\w[\w ]*[ *](\w+)\([^()]*\)\s*(?:__attribute__.*)?;", text, re.M))


def test_declarations_and_symbols_are_one_list() -> None:
    # Not declared: what start.c calls, and what the compiler may call unasked.
    unasked = {"__libc_init", "memmove"}
    assert declared() == {symbol.name for symbol in bionic_symbols()} - unasked


def test_the_list_of_libc_h_is_that_of_bionic() -> None:
    text = (SOURCES / "libc.h").read_text(encoding="utf-8")
    comment = text[: text.index("*/")]
    rows = re.findall(r"^ \*   (?:\w+ +| {3,})(\w[\w ]*)$", comment, re.M)
    listed = {word for row in rows for word in row.split()}
    assert listed == declared() - {"__errno"}


def test_a_missing_declaration_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bionic = _copy_of_bionic(tmp_path)
    text = (bionic / "libc.h").read_text(encoding="utf-8")
    text = re.sub(r"^int renameat\(.*\n", "", text, flags=re.M)
    (bionic / "libc.h").write_text(text, encoding="utf-8")
    _use(bionic, monkeypatch)
    with pytest.raises(RuntimeError, match=r"(?s)renameat.*declare it in android_app/bionic"):
        build.build_runner(ANDROID[0], tmp_path / "runner")
    assert not (tmp_path / "runner").exists()


def test_a_missing_symbol_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bionic = _copy_of_bionic(tmp_path)
    text = (bionic / "symbols.txt").read_text(encoding="utf-8")
    text = re.sub(r"^libc.so +renameat .*\n", "", text, flags=re.M)
    (bionic / "symbols.txt").write_text(text, encoding="utf-8")
    _use(bionic, monkeypatch)
    with pytest.raises(RuntimeError, match=r"(?s)renameat.*symbols\.txt"):
        build.build_runner(ANDROID[0], tmp_path / "runner")


def test_a_function_of_a_newer_android_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bionic = _copy_of_bionic(tmp_path)
    with open(bionic / "symbols.txt", "a", encoding="utf-8") as stream:
        stream.write("libc.so  getentropy  28  28\n")
    _use(bionic, monkeypatch)
    with pytest.raises(RuntimeError, match="getentropy came with API level 28 on arm64-v8a"):
        build.build_runner(ANDROID[0], tmp_path / "runner")


def test_helpers_of_the_compiler_are_an_error(tmp_path: Path) -> None:
    """A division of 128 bits needs one: no phone has it, and that has to show here."""
    extra = tmp_path / "wide.c"
    extra.write_text(
        "typedef unsigned __int128 wide;\n"
        "wide divide(wide a, wide b);\n"
        "__attribute__((used, retain)) wide divide(wide a, wide b) { return a / b; }\n"
    )
    with pytest.raises(RuntimeError, match="__udivti3"):
        build.build_runner(ANDROID[0], tmp_path / "runner", extra_flags=[str(extra)])


def _copy_of_bionic(folder: Path) -> Path:
    bionic = folder / "bionic"
    bionic.mkdir()
    for path in BIONIC.iterdir():
        (bionic / path.name).write_bytes(path.read_bytes())
    return bionic


def _use(bionic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = tuple(flag.replace(str(BIONIC), str(bionic)) for flag in build.ANDROID_FLAGS)
    monkeypatch.setattr(build, "ANDROID_FLAGS", flags)
    monkeypatch.setattr(build, "BIONIC", bionic)
