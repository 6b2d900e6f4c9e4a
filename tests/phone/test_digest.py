"""Devices that lack sha256sum, as Android 7 does: the same promises with what they have."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bokehbench.errors import DeviceError, TransferError
from bokehbench.phone import process
from bokehbench.phone.device import Device, read_text
from bokehbench.phone.digest import KNOWN, SHA256, Digest
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.transport import CommandResult, Deadline

PROGRAMS = (
    *("sh", "printf", "cat", "head", "ls", "wc", "tr", "uname", "dd", "mv", "chmod", "rm"),
    *("mkdir", "find", "sleep", "env"),
)
TOYBOX = '#!/bin/sh\n[ "$1" = sha256sum ] || exit 1\nshift\nexec {program} "$@"\n'

BY_PROGRAM = {digest.program: digest for digest in KNOWN}


@pytest.fixture(params=sorted(BY_PROGRAM))
def digest(request: pytest.FixtureRequest) -> Digest:
    """A program that a device hashes with."""
    return BY_PROGRAM[request.param]


@pytest.fixture
def device(digest: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """This machine, with that program and no other one that hashes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    name, *applet = digest.program.split()
    found = shutil.which(applet[0] if applet else name)
    assert found
    if applet:
        (folder / name).write_text(TOYBOX.format(program=found))
        (folder / name).chmod(0o755)
    else:
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return Device.connect(LocalTransport(tmp_path / "root"))


def test_the_device_says_what_it_hashes_with(device: Device, digest: Digest) -> None:
    assert device.digest == digest
    assert device.facts.platform == "linux"


@pytest.mark.parametrize("verify", [False, True])
def test_a_file_is_placed_once(device: Device, tmp_path: Path, verify: bool) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(b"model" * 1000)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    first = device.place(source, name="model.tflite", sha256=sha256, verify=verify)
    assert first.sent_bytes == 5000
    assert Path(first.path).read_bytes() == source.read_bytes()
    assert Path(first.path).stat().st_mode & 0o777 == 0o444
    again = device.place(source, name="model.tflite", sha256=sha256, verify=verify)
    assert again.sent_bytes == 0
    assert [path.name for path in Path(first.folder).iterdir()] == ["model.tflite"]


def test_verify_finds_a_changed_byte(device: Device, tmp_path: Path) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(b"model" * 1000)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    placed = Path(device.place(source, name="m", sha256=sha256, verify=False).path)
    placed.chmod(0o644)
    placed.write_bytes(b"medel" + b"model" * 999)
    assert device.place(source, name="m", sha256=sha256, verify=False).sent_bytes == 0
    assert device.place(source, name="m", sha256=sha256, verify=True).sent_bytes == 5000
    assert placed.read_bytes() == source.read_bytes()


def test_a_file_that_is_altered_on_the_way_is_refused(
    device: Device, tmp_path: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "model.tflite"
    source.write_bytes(b"model" * 1000)
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    push = device.transport.push

    def flip(data: Path, target: str, *, mode: int, deadline: Deadline) -> None:
        push(b"medel" + data.read_bytes()[5:], target, mode=mode, deadline=deadline)

    monkeypatch.setattr(device.transport, "push", flip)
    with pytest.raises(TransferError, match=rf"did not arrive whole \({digest.algorithm} "):
        device.place(source, name="m", sha256=sha256, verify=False)
    assert list((tmp_path / "root" / sha256).iterdir()) == []


def test_a_file_is_fetched_up_to_a_limit(device: Device, tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    data = bytes(range(256)) * 8192
    path.write_bytes(data)
    assert device.fetch(str(path), 1 << 24) == data
    assert device.fetch(str(path), 1 << 20) == data[: 1 << 20]
    path.write_bytes(b"")
    assert device.fetch(str(path), 1 << 20) == b""
    assert device.fetch(str(tmp_path / "none"), 1 << 20) is None


@pytest.mark.parametrize("flip", [b"sha", b"hello", b"@digest"])
def test_an_altered_text_is_refused(device: Device, flip: bytes) -> None:
    class Flipping(LocalTransport):
        def run(self, *args: object, **rest: object) -> CommandResult:
            result = super().run(*args, **rest)  # type: ignore[arg-type]
            at = result.stdout.index(flip)
            data = bytearray(result.stdout)
            data[at] ^= 1
            return replace(result, stdout=bytes(data))

    transport = Flipping(Path(device.transport.root))
    with pytest.raises(DeviceError):
        read_text(transport, "echo hello", Deadline.after(10))


def start(device: Device, words: list[str], *, want: str | None = None) -> CommandResult:
    script = process.START.replace("HASH", device.digest.program)
    told = want or process.digest_of_words(words, device.digest)
    pid_file = f"{device.transport.root}/pid"
    Path(pid_file).parent.mkdir(parents=True, exist_ok=True)
    return device.transport.run(
        ["sh", "-c", script, pid_file, told, *words], deadline=Deadline.after(10)
    )


def test_start_sets_where_libraries_are_and_keeps_what_was_set(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = ["/a:/b", "sh", "-c", 'echo "$LD_LIBRARY_PATH"']
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    assert start(device, shown).stdout == b"/a:/b\n"
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/lib")
    assert start(device, shown).stdout == b"/a:/b:/usr/lib\n"
    assert start(device, ["", *shown[1:]]).stdout == b"/usr/lib\n"


def test_start_refuses_altered_words(device: Device) -> None:
    words = ["/a", "sh", "-c", "echo ran"]
    right = process.digest_of_words(words, device.digest)
    assert start(device, words, want=right).stdout == b"ran\n"
    for altered in (["/b", *words[1:]], [*words[:3], "echo run"]):
        result = start(device, altered, want=right)
        assert (result.exit_code, result.stdout) == (113, b"")


def test_sha256sum_is_the_first_choice(tmp_path: Path) -> None:
    assert KNOWN[0] == SHA256
    assert Device.connect(LocalTransport(tmp_path)).digest == SHA256
