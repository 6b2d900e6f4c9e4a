"""Root: the file system that a device boots from, and the host programs from the same place."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.rig.packages import RigMissing, host_arch, unpacked

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LOADERS = {"amd64": "lib64/ld-linux-x86-64.so.2", "arm64": "lib/ld-linux-aarch64.so.1"}

DEVICE_PACKAGES = ("adbd", "mksh", "toybox", "coreutils", "libstdc++6", "libgcc-s1")
"""adbd and what it needs, Android's shell and userland, and what native programs link to."""

HOST_PACKAGES = ("bubblewrap", "adb")

FROM_COREUTILS = ("tr", "dd")
"""Android has these from toybox too; Debian builds its toybox without them."""

NOT_ON_ANDROID = (
    *("su", "login", "passwd", "mkpasswd", "pwgen", "who", "w", "last", "wget", "httpd", "host"),
    *("sntp", "ftpget", "ftpput", "halt", "poweroff", "killall5", "oneit", "eject", "shred"),
    *("openvt", "chvt", "deallocvt", "reset"),
)
"""Debian's toybox has them, a phone's shell user finds none of them."""

MOUNT_POINTS = ("data", "sdcard", "proc", "dev", "sys", "tmp", "rig", "vendor/bin", "vendor/lib64")

PASSWD = """\
root:x:0:0:root:/:/system/bin/sh
system:x:1000:1000:system:/:/system/bin/sh
shell:x:2000:2000:shell:/:/system/bin/sh
nobody:x:65534:65534:nobody:/:/system/bin/sh
"""
GROUP = "root:x:0:\nsystem:x:1000:\nshell:x:2000:\nnobody:x:65534:\n"

SCRIPTS = {
    "getprop": """\
        #!/system/bin/sh
        # Properties live in one file; the service that keeps them on a phone isn't here.
        while IFS= read -r line; do
          case $line in
            *=*) ;;
            *) continue ;;
          esac
          if [ $# -eq 0 ]; then
            printf '[%s]: [%s]\\n' "${line%%=*}" "${line#*=}"
          elif [ "${line%%=*}" = "$1" ]; then
            printf '%s\\n' "${line#*=}"
            exit 0
          fi
        done < /rig/build.prop
        [ $# -eq 0 ] || printf '%s\\n' "${2-}"
        """,
    "dumpsys": """\
        #!/system/bin/sh
        # One text file for each service that answers.
        if [ $# -eq 0 ]; then
          for file in /rig/dumpsys/*; do cat "$file"; done
        elif [ -r "/rig/dumpsys/$1" ]; then
          cat "/rig/dumpsys/$1"
        else
          echo "Can't find service: $1" >&2
        fi
        """,
}

LINKER = "#!/system/bin/sh\necho 'no Android linker here' >&2\nexit 1\n"


@dataclass(frozen=True)
class Root:
    """A built device root of one architecture."""

    folder: Path
    arch: str

    @property
    def android_system(self) -> Path:
        """Another /system, with a file that makes a client take the device for Android."""
        return self.folder / "system-android"

    @property
    def loader(self) -> str:
        """The dynamic loader, as a path inside."""
        return "/" + LOADERS[self.arch]

    @property
    def adbd(self) -> str:
        """The daemon, as a path inside."""
        return "/usr/lib/android-sdk/platform-tools/adbd"


@functools.cache
def device_root(arch: str) -> Root:
    """The root of devices of that architecture, fetched and built once.

    Raises:
        RigMissing: it can't be had here.
    """
    if arch not in TRIPLETS:
        raise RigMissing(f"no device root for architecture {arch}")
    recipe = Path(__file__).read_text(encoding="utf-8")

    def finish(folder: Path) -> None:
        _finish(folder, arch)

    return Root(unpacked(DEVICE_PACKAGES, arch=arch, recipe=recipe, finish=finish), arch)


@functools.cache
def host_tools() -> Path:
    """A folder with bwrap and adb; see `host_command`."""

    def finish(folder: Path) -> None:
        _usr_merge(folder)
        shutil.rmtree(folder / "usr/share")

    return unpacked(HOST_PACKAGES, arch=host_arch(), recipe="1", finish=finish)


def host_command(program: str) -> list[str]:
    """The argv that runs a program of `host_tools` with the libraries next to it."""
    return foreign_command(host_tools(), host_arch(), program)


def foreign_command(folder: Path, arch: str, program: str) -> list[str]:
    """The argv that runs a program of an unpacked root outside of any sandbox."""
    libraries = folder / "usr/lib" / TRIPLETS[arch]
    search = f"{libraries}:{libraries / 'android'}"
    return [str(folder / LOADERS[arch]), "--library-path", search, str(folder / program)]


def _usr_merge(folder: Path) -> None:
    """The links that Debian's base-files would bring."""
    for name in ("bin", "lib", "lib64"):
        if (folder / "usr" / name).exists() and not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")


def _finish(folder: Path, arch: str) -> None:
    """Turn unpacked packages into a device root."""
    system = folder / "system/bin"
    shutil.rmtree(folder / "etc")
    for name in (*MOUNT_POINTS, "system/bin", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / f"usr/lib/{_musl(arch)}/bin/mksh", system / "sh")
    shutil.copy(folder / "usr/bin/toybox", system / "toybox")
    for name in FROM_COREUTILS:
        shutil.copy(folder / "usr/bin" / name, system / name)
    for name in _toybox_commands(arch, folder):
        if not (system / name).exists() and name not in NOT_ON_ANDROID:
            (system / name).symlink_to("toybox")
    for name, text in SCRIPTS.items():
        lines = [line.removeprefix(" " * 8) for line in text.splitlines()]
        (system / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        (system / name).chmod(0o755)
    (folder / "etc/passwd").write_text(PASSWD, encoding="utf-8")
    (folder / "etc/group").write_text(GROUP, encoding="utf-8")
    for name in ("usr/share", "usr/bin", "usr/sbin"):
        shutil.rmtree(folder / name)
    _usr_merge(folder)
    (folder / "bin").symlink_to("system/bin")
    # The same system once more, with what makes a device Android to a client.
    shutil.copytree(
        folder / "system", folder / "system-android", symlinks=True, copy_function=os.link
    )
    linker = folder / "system-android/bin/linker64"
    linker.write_text(LINKER, encoding="utf-8")
    linker.chmod(0o755)


def _musl(arch: str) -> str:
    """The folder of mksh's static build."""
    return TRIPLETS[arch].replace("-gnu", "-musl")


def _toybox_commands(arch: str, folder: Path) -> list[str]:
    """What toybox can do, as it says itself; another architecture's has the same commands."""
    if arch != host_arch():
        bin_folder = device_root(host_arch()).folder / "system/bin"
        links = (path for path in bin_folder.iterdir() if path.is_symlink())
        return sorted(path.name for path in links)
    argv = foreign_command(folder, arch, "usr/bin/toybox")
    # The loader is reached by the link that the package brings, before _usr_merge.
    argv[0] = str(folder / "usr" / LOADERS[arch])
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
