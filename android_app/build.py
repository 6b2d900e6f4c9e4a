"""Build: compile runner and app for every platform with zig, the compiler that pip brings."""

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "runner"
APP = HERE / "app"
BIONIC = HERE / "bionic"

PROGRAM = ("main.c", "process.c")
"""What of the runner's C files makes it a process of its own; the app has all the others."""

MIN_API = 24
"""Android 7.0: the oldest Android that the Android runners and the app start on."""

APP_LIBRARY = "libbokehbench_app.so"
"""The app's native part, by the name that its manifest gives (bokehbench.facts.app)."""

JOBS = 2
"""Compilers at a time; each takes about 200 MB."""


@dataclass(frozen=True)
class Target:
    """One platform that the runner is built for.

    `abi` is an Android ABI, or None where a whole C library for the platform comes with zig.
    """

    name: str
    triple: str
    abi: str | None = None
    flags: tuple[str, ...] = ()


TARGETS = {
    target.name: target
    for target in (
        Target("linux-x86_64", "x86_64-linux-gnu.2.27"),
        Target("linux-aarch64", "aarch64-linux-gnu.2.27"),
        # Without the flag the compiler calls helpers for atomics that no Android library has.
        Target("android-arm64-v8a", "aarch64-linux-none", "arm64-v8a", ("-mno-outline-atomics",)),
        Target("android-x86_64", "x86_64-linux-none", "x86_64"),
    )
}

# platform.machine() in lower case; the kernel says aarch64, some systems arm64.
HOSTS = {
    ("linux", "x86_64"): "linux-x86_64",
    ("linux", "amd64"): "linux-x86_64",
    ("linux", "aarch64"): "linux-aarch64",
    ("linux", "arm64"): "linux-aarch64",
}

# -ffp-contract=off: a fused multiply-add rounds once where the host rounds twice, and output
# bytes would differ between machines.
FLAGS = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
RELEASE_FLAGS = ("-O2", "-fno-sanitize=all", "-s")

# zig has no C library of Android's: bionic/ declares what the runner calls, stub libraries stand
# for the device's own at link time, and nothing else may be called or linked in.
ANDROID_FLAGS = (
    *("-D__ANDROID__=1", f"-D__ANDROID_API__={MIN_API}", "-include", str(BIONIC / "libc.h")),
    *("-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-nostdlib"),
    # Android reads the GNU hash table since API 23; the old one is for what reads nothing newer.
    *("-Wl,--hash-style=both", "-Wl,--no-undefined", "-Wl,-z,now", "-Wl,--eh-frame-hdr"),
    # Pages of 16 KB (devices since Android 15), which 4 KB devices take as well. Without a part
    # that is made read-only after relocation there is none whose end has to meet a page's end.
    *("-Wl,-z,max-page-size=16384", "-Wl,-z,common-page-size=16384", "-Wl,-z,norelro"),
)

EXECUTABLE_FLAGS = ("-Wl,--dynamic-linker=/system/bin/linker64",)
EXECUTABLE_NEEDS = ("libc.so", "libdl.so")

# One function is for Android to call. -Bsymbolic, and hidden names, let nothing that is loaded
# later take the place of our own functions.
APP_FLAGS = (
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-Wl,-Bsymbolic",
    f"-Wl,-soname,{APP_LIBRARY}",
)
APP_NEEDS = (*EXECUTABLE_NEEDS, "libandroid.so", "liblog.so")

STUB_FLAGS = ("-fPIC", "-shared", "-nostdlib", "-ffreestanding", "-fno-builtin", "-O2", "-s")


@dataclass(frozen=True)
class Symbol:
    """A function of Android's libraries: where it is, and since which API level by ABI."""

    library: str
    name: str
    api: dict[str, int]


def host_target() -> Target:
    """The target that this machine can run."""
    system, machine = platform.system().lower(), platform.machine().lower()
    name = HOSTS.get((system, machine))
    if name is None:
        known = ", ".join(sorted({f"{system} {machine}" for system, machine in HOSTS}))
        raise RuntimeError(f"no runner for {system} {machine}; it can be built on: {known}")
    return TARGETS[name]


def sources() -> list[Path]:
    """The runner's C files, its tests left out."""
    return sorted(SOURCES.glob("*.c"))


def build_id(target: Target | None = None, *, app: bool = False) -> str:
    """sha256 over the names and contents of all sources, in the order of their names.

    After the runner's own come those of the app, if they are asked for, and for an Android target
    those of bionic/.
    """
    digest = hashlib.sha256()
    paths = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])
    if app:
        paths += sorted([*APP.glob("*.c"), *APP.glob("*.h")])
    if target is not None and target.abi is not None:
        paths += sorted(path for path in BIONIC.iterdir() if path.is_file())
    for path in paths:
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()


def bionic_symbols() -> list[Symbol]:
    """The rows of bionic/symbols.txt.

    Raises:
        RuntimeError: a row is not of the form that the file's first lines tell.
    """
    path = BIONIC / "symbols.txt"
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 4 or not (words[2].isdecimal() and words[3].isdecimal()):
            raise RuntimeError(f"{path}:{number}: not 'LIBRARY FUNCTION LEVEL LEVEL': {line}")
        api = {"arm64-v8a": int(words[2]), "x86_64": int(words[3])}
        found.append(Symbol(words[0], words[1], api))
    return found


def zig_environment() -> dict[str, str]:
    """The environment with zig's caches in a folder of this user and of nothing else."""
    folder = Path(tempfile.gettempdir()) / f"bokehbench-zig-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to another user; set TMPDIR to a folder of yours")
    return {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(folder / "global"),
        "ZIG_LOCAL_CACHE_DIR": str(folder / "local"),
    }


def zig_cc(target: Target, arguments: Iterable[str]) -> str:
    """Run the compiler; what it wrote to standard error when it failed, else an empty text."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", target.triple, *arguments]
    result = subprocess.run(
        command,
        env=zig_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if result.returncode == 0 else result.stderr or f"exit code {result.returncode}"


def build_runner(target: Target, out_path: Path, *, extra_flags: Sequence[str] = ()) -> None:
    """Compile the runner for `target`; a failed build raises with the compiler's words.

    The file appears whole or not at all.
    """
    with _folder_beside(out_path) as work:
        _build_runner(target, work, _shared(target, work), out_path, extra_flags)


def build_app(target: Target, out_path: Path, *, extra_flags: Sequence[str] = ()) -> None:
    """Compile the app's native part for an Android `target`, as `build_runner` does the runner."""
    with _folder_beside(out_path) as work:
        _build_app(target, work, _shared(target, work), out_path, extra_flags)


@contextmanager
def _folder_beside(out_path: Path) -> Iterator[Path]:
    out_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=out_path.parent) as name:
        yield Path(name)


def _shared(target: Target, work: Path) -> list[Path]:
    """All of the runner but its PROGRAM: for Android compiled, once for runner and app."""
    paths = [path for path in sources() if path.name not in PROGRAM]
    if target.abi is None:
        return paths
    flags = [flag for flag in ANDROID_FLAGS if not flag.startswith("-Wl,")]
    flags += ["-fPIC", "-fvisibility=hidden", "-r", *map(str, paths)]
    _compile(target, "the runner", flags, work / "shared.o")
    return [work / "shared.o"]


def _build_runner(
    target: Target, work: Path, shared: list[Path], out_path: Path, extra_flags: Sequence[str] = ()
) -> None:
    program = [SOURCES / name for name in PROGRAM]
    arguments = ["-fPIE", "-pie", *map(str, [*program, *shared])]
    if target.abi is None:
        arguments += ["-ldl"]
    else:
        arguments += [*ANDROID_FLAGS, *EXECUTABLE_FLAGS, str(BIONIC / "start.c")]
        arguments += map(str, stub_libraries(target, work, EXECUTABLE_NEEDS))
    _compile(target, "the runner", [*arguments, *extra_flags], work / "runner")
    (work / "runner").chmod(0o755)
    (work / "runner").replace(out_path)


def _build_app(
    target: Target, work: Path, shared: list[Path], out_path: Path, extra_flags: Sequence[str] = ()
) -> None:
    arguments = [*APP_FLAGS, f'-DBOKEHBENCH_APP_BUILD="{build_id(target, app=True)}"']
    arguments += [*map(str, sorted(APP.glob("*.c"))), *map(str, shared), *ANDROID_FLAGS]
    arguments += map(str, stub_libraries(target, work, APP_NEEDS))
    _compile(target, "the app", [*arguments, *extra_flags], work / APP_LIBRARY)
    (work / APP_LIBRARY).chmod(0o644)
    (work / APP_LIBRARY).replace(out_path)


def _compile(target: Target, what: str, arguments: Sequence[str], out: Path) -> None:
    flags = [*FLAGS, *RELEASE_FLAGS, f'-DBOKEHBENCH_BUILD="{build_id(target)}"', *target.flags]
    if problem := zig_cc(target, [*flags, *arguments, "-o", str(out)]):
        raise RuntimeError(
            f"{what} for {target.name} did not build:\n{problem}{_advice(target, problem)}"
        )


def stub_libraries(target: Target, folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Make libraries of these names of Android's, with empty functions of symbols.txt.

    Raises:
        RuntimeError: a function is newer than MIN_API, or the compiler failed.
    """
    assert target.abi is not None
    symbols = bionic_symbols()
    for symbol in symbols:
        if symbol.api[target.abi] > MIN_API:
            raise RuntimeError(
                f"{BIONIC / 'symbols.txt'}: {symbol.name} came with API level "
                f"{symbol.api[target.abi]} on {target.abi}; this is for {MIN_API} and later"
            )
    for library in names:
        source = folder / f"{library}.c"
        functions = [symbol.name for symbol in symbols if symbol.library == library]
        source.write_text(
            "".join(f"void {name}(void);\nvoid {name}(void) {{}}\n" for name in functions),
            encoding="utf-8",
        )
        out = folder / library
        flags = [*STUB_FLAGS, f"-Wl,-soname,{library}", str(source), "-o", str(out)]
        if problem := zig_cc(target, flags):
            raise RuntimeError(f"{library} for {target.name} did not build:\n{problem}")
        yield out


def _advice(target: Target, problem: str) -> str:
    """What to do about a function that bionic/ does not know."""
    words = ("undeclared", "undefined symbol", "unknown type", "incomplete", "implicit")
    if target.abi is None or not any(word in problem for word in words):
        return ""
    return (
        "\nIf a name of the C library is missing: declare it in android_app/bionic/libc.h (for the "
        "app alone in libc_app.h or android.h) and, if it is a function of API level "
        f"{MIN_API} or older, add it to android_app/bionic/symbols.txt; newer ones can't be used.\n"
    )


def build_all(folder: Path) -> list[Path]:
    """Build what is not up to date of `folder/<target>/`: runners, and for Android the app.

    Returns:
        The files, in the order of TARGETS.
    """
    with ThreadPoolExecutor(JOBS) as pool:
        built = pool.map(lambda target: _build_if_stale(target, folder), TARGETS.values())
        return [path for paths in built for path in paths]


def _build_if_stale(target: Target, folder: Path) -> list[Path]:
    out = folder / target.name / "runner"
    made = [out] if target.abi is None else [out, out.with_name(APP_LIBRARY)]
    stamp = out.with_name("stamp")
    made_by = f"ziglang {metadata.version('ziglang')}, {build_id(target, app=True)}, {target}\n"
    recipe = hashlib.sha256(made_by.encode() + Path(__file__).read_bytes()).hexdigest()
    there = stamp.is_file() and all(path.is_file() for path in made)
    if there and stamp.read_text() == _stamp(recipe, made):
        return made
    stamp.unlink(missing_ok=True)
    with _folder_beside(out) as work:
        shared = _shared(target, work)
        _build_runner(target, work, shared, out)
        if target.abi is not None:
            _build_app(target, work, shared, out.with_name(APP_LIBRARY))
    stamp.write_text(_stamp(recipe, made))
    return made


def _stamp(recipe: str, made: Iterable[Path]) -> str:
    """What was built from what: both have to be as they were."""
    sums = " ".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in made)
    return f"{recipe} {sums}\n"
