"""Runners and app for Android as files: what Android's linker and old devices ask of them."""

import io
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from android_app import build
from android_app.build import (
    APP,
    APP_LIBRARY,
    BIONIC,
    MIN_API,
    SOURCES,
    TARGETS,
    Target,
    bionic_symbols,
    build_id,
)
from bokehbench.facts.app import LIBRARY_FILE

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


@pytest.fixture(scope="session")
def app(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp(target.name) / APP_LIBRARY
    build.build_app(target, path)
    return ELFFile(io.BytesIO(path.read_bytes()))


@pytest.fixture(scope="session", params=["runner", "app"])
def either(request: pytest.FixtureRequest, elf: Any, app: Any) -> Any:
    return elf if request.param == "runner" else app


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


def needed(elf: Any) -> list[str]:
    return [tag.needed for tag in tags(elf) if tag.entry.d_tag == "DT_NEEDED"]


def test_they_need_few_libraries_and_no_paths(elf: Any, app: Any) -> None:
    assert needed(elf) == ["libc.so", "libdl.so"]
    assert needed(app) == ["libc.so", "libdl.so", "libandroid.so", "liblog.so"]
    assert not PATHS & {tag.entry.d_tag for tag in [*tags(elf), *tags(app)]}


def test_the_app_is_a_library_with_one_function_for_android(app: Any, target: Target) -> None:
    machine = {"arm64-v8a": "EM_AARCH64", "x86_64": "EM_X86_64"}[target.abi or ""]
    assert (app.header["e_machine"], app.header["e_type"]) == (machine, "ET_DYN")
    assert not segments(app, "PT_INTERP")
    assert APP_LIBRARY == LIBRARY_FILE
    [name] = [tag.soname for tag in tags(app) if tag.entry.d_tag == "DT_SONAME"]
    assert name == LIBRARY_FILE
    symbols = app.get_section_by_name(".dynsym").iter_symbols()
    given = [symbol for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"]
    assert [symbol.name for symbol in given] == ["ANativeActivity_onCreate"]
    [flags] = [tag.entry.d_val for tag in tags(app) if tag.entry.d_tag == "DT_FLAGS"]
    symbolic, bind_now = 0x2, 0x8
    assert flags == symbolic | bind_now


def test_the_app_tells_its_build_and_the_runners(app: Any, target: Target) -> None:
    data = app.stream.getvalue()
    assert build_id(target).encode() in data
    assert build_id(target, app=True).encode() in data
    assert build_id(target) != build_id(target, app=True)
    assert len(data) < 200_000


def test_they_are_linked_for_pages_of_16_kilobytes(either: Any) -> None:
    loads = segments(either, "PT_LOAD")
    assert loads
    for load in loads:
        assert load["p_align"] == PAGE
        assert load["p_offset"] % PAGE == load["p_vaddr"] % PAGE
    # No two segments share a page, whose rights would then be those of the last one.
    for before, after in itertools.pairwise(loads):
        assert (before["p_vaddr"] + before["p_memsz"] - 1) // PAGE < after["p_vaddr"] // PAGE


def test_nothing_is_writable_and_executable(either: Any) -> None:
    executable, writable = 1, 2
    for segment in [*segments(either, "PT_LOAD"), *segments(either, "PT_GNU_STACK")]:
        assert not (segment["p_flags"] & executable and segment["p_flags"] & writable)
    assert len(segments(either, "PT_GNU_STACK")) == 1


def test_old_linkers_know_all_that_is_in_them(either: Any) -> None:
    kinds = {tag.entry.d_tag for tag in tags(either)}
    assert {"DT_HASH", "DT_GNU_HASH"} <= kinds
    assert not PACKED & kinds
    assert not segments(either, "PT_TLS")
    assert not segments(either, "PT_GNU_RELRO")


def test_the_runner_binds_everything_at_start(elf: Any) -> None:
    [flags] = [tag.entry.d_val for tag in tags(elf) if tag.entry.d_tag == "DT_FLAGS"]
    [flags_1] = [tag.entry.d_val for tag in tags(elf) if tag.entry.d_tag == "DT_FLAGS_1"]
    bind_now, now, pie = 0x8, 0x1, 0x08000000
    assert flags == bind_now
    assert flags_1 == now | pie


def test_relocations_are_of_the_four_plainest_kinds(either: Any, target: Target) -> None:
    """ABS64, GLOB_DAT, JUMP_SLOT and RELATIVE: no copies, no thread-locals, no resolvers."""
    plain = {"arm64-v8a": {257, 1025, 1026, 1027}, "x86_64": {1, 6, 7, 8}}[target.abi or ""]
    found = {
        relocation["r_info_type"]
        for name in (".rela.dyn", ".rela.plt")
        for relocation in either.get_section_by_name(name).iter_relocations()
    }
    assert found
    assert found <= plain


def test_they_have_no_constructors_or_destructors(either: Any) -> None:
    """start.c tells the C library so."""
    assert not ARRAYS & {tag.entry.d_tag for tag in tags(either)}
    names = {section.name for section in either.iter_sections()}
    assert not {".init_array", ".fini_array", ".preinit_array", ".init", ".fini"} & names


def undefined(elf: Any) -> set[str]:
    symbols = elf.get_section_by_name(".dynsym").iter_symbols()
    return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}


def test_every_undefined_symbol_is_public_since_the_oldest_api_level(
    elf: Any, app: Any, target: Target
) -> None:
    known = {symbol.name: symbol for symbol in bionic_symbols()}
    assert {"__libc_init", "dlopen", "openat", "snprintf"} <= undefined(elf)
    assert {"AInputQueue_finishEvent", "__android_log_write", "dlopen"} <= undefined(app)
    for file in (elf, app):
        names = undefined(file)
        assert names <= known.keys()
        assert all(known[name].api[target.abi or ""] <= MIN_API for name in names)
        assert {known[name].library for name in names} == set(needed(file))


def test_nothing_in_the_app_ends_its_process(app: Any) -> None:
    """Android ends an app, and past a trial's deadline the kernel does."""
    assert not {"exit", "_exit", "abort", "kill", "raise", "quick_exit"} & undefined(app)


def test_it_gives_nothing_to_the_libraries_that_it_loads(elf: Any) -> None:
    """A symbol of ours could replace a library's own."""
    symbols = elf.get_section_by_name(".dynsym").iter_symbols()
    assert not [symbol.name for symbol in symbols if symbol["st_shndx"] != "SHN_UNDEF"]


def declared(name: str) -> set[str]:
    """The functions that a header of bionic/ declares."""
    text = re.sub(r"/\*.*?\*/", "", (BIONIC / name).read_text(encoding="utf-8"), flags=re.S)
    pattern = r"^\w[\w ]*[ *](\w+)\([^()]*(?:\([^()]*\)[^()]*)*\)\s*(?:__attribute__.*)?;"
    return {found for found in re.findall(pattern, text, re.M) if found != "_Static_assert"}


def listed(path: Path) -> set[str]:
    """The functions in the comment that a header begins with."""
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r"^ \*   (?:\w+ +| {3,})(\w[\w ]*)$", text[: text.index("*/")], re.M)
    return {word for row in rows for word in row.split()}


def test_declarations_and_symbols_are_one_list() -> None:
    headers = [declared(name) for name in ("libc.h", "libc_app.h", "android.h")]
    # Called by start.c, and given to Android to call.
    names = set().union(*headers, {"__libc_init"}) - {"ANativeActivity_onCreate"}
    assert names == {symbol.name for symbol in bionic_symbols()}
    assert sum(map(len, headers)) == len(names)


def test_the_lists_of_both_libc_headers_are_those_of_bionic() -> None:
    assert listed(SOURCES / "libc.h") == declared("libc.h") - {"__errno"}
    assert listed(APP / "libc_app.h") == declared("libc_app.h")


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
