"""Device: what is placed, what is swept, and how long a device that is gone may hold us."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bokehbench.errors import DeviceLost, TransferError
from bokehbench.phone import launcher
from bokehbench.phone.device import LEFTOVER_DAYS, LOST_SECONDS, Device
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.launcher import Bench
from bokehbench.phone.local import LocalTransport
from bokehbench.phone.transport import DEFAULT_OUTPUT_LIMIT, CommandResult, Deadline, Transport
from tests.rig import TestDevice, require_rig
from tests.support.evidence import make_device

DAY_SECONDS = 24 * 3600


@pytest.fixture(params=["local", "direct"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Device, Path]]:
    """A device, and its root as a path of the host."""
    if request.param == "local":
        transport = LocalTransport(tmp_path / "root")
        yield Device(transport, make_device()), tmp_path / "root"
        return
    require_rig()
    with TestDevice() as phone:
        link = DirectTransport(f"tcp:{phone.address}", key=tmp_path / "adbkey")
        yield Device.connect(link), phone.tmp / "bokehbench"
        link.close()


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_leftovers_of_dead_runs_are_swept_and_nothing_else(at: tuple[Device, Path]) -> None:
    device, root = at
    folder = root / sha256_of(b"x")
    old = time.time() - (LEFTOVER_DAYS + 2) * DAY_SECONDS
    names = [
        *("arriving-1-model.tflite", ".arriving-1-model.tflite.ab12.part", ".runner.cd34.part"),
        *("model.tflite", "part", "a.part", ".hidden"),
    ]
    for parent in (folder, root / "work" / "dead", root / "work" / "alive"):
        parent.mkdir(parents=True)
    for name in names:
        for age, prefix in ((old, ""), (None, "new-" if name[0] != "." else ".new-")):
            path = folder / f"{prefix}{name}".replace("new-arriving-", "arriving-new-")
            path.write_bytes(b"x")
            path.chmod(0o666)
            if age is not None:
                os.utime(path, (age, age))
    os.utime(root / "work" / "dead", (old, old))
    for parent in (folder, root / "work", root / "work" / "dead"):
        parent.chmod(0o777)
    before = {path.name for path in folder.iterdir()}
    device.collect()
    assert before - {path.name for path in folder.iterdir()} == set(names[:3])
    assert [path.name for path in (root / "work").iterdir()] == ["alive"]


@pytest.mark.parametrize("has_fsync", [True, False])
def test_a_file_is_written_to_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_fsync: bool
) -> None:
    tools, log = tmp_path / "tools", tmp_path / "log"
    tools.mkdir()
    for name in ("fsync", "sync"):
        code = 0 if has_fsync or name == "sync" else 1
        script = f'#!/bin/sh\necho {name} "$1" $(ls "${{1%/*}}") >> {log}\nexit {code}\n'
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    source = tmp_path / "model"
    source.write_bytes(b"model")
    device = Device(LocalTransport(tmp_path / "root"), make_device())
    for sent in (5, 0):
        placed = device.place(source, name="m", sha256=sha256_of(b"model"), verify=True)
        assert placed.sent_bytes == sent
    lines = [line.split() for line in log.read_text().splitlines()]
    assert [line[0] for line in lines] == (["fsync"] if has_fsync else ["fsync", "sync"])
    for _, path, *there in lines:
        assert Path(path).name.startswith("arriving-")
        assert there == [Path(path).name]


def test_a_device_without_sync_takes_files_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "timeout").write_text("#!/bin/sh\nexit 127\n")
    (tools / "timeout").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    source = tmp_path / "model"
    source.write_bytes(b"model")
    device = Device(LocalTransport(tmp_path / "root"), make_device())
    placed = device.place(source, name="m", sha256=sha256_of(b"model"), verify=True)
    assert Path(placed.path).read_bytes() == b"model"


class Gone:
    """A transport that loses its device after some commands, and notes every deadline."""

    address, root = "gone", "/gone"

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self.seconds: list[float] = []

    def close(self) -> None:
        """See Transport."""

    def run(
        self,
        argv: Sequence[str],
        *,
        deadline: Deadline,
        stdin: bytes = b"",
        on_stdout: Callable[[bytes], None] | None = None,
        limit_bytes: int = DEFAULT_OUTPUT_LIMIT,
        alone: bool = False,
    ) -> CommandResult:
        """See Transport."""
        self.seconds.append(deadline.seconds)
        if len(self.seconds) > self._answers:
            raise DeviceLost("gone")
        return CommandResult(tuple(argv), 0, b"", b"", 0)

    def push(self, *_: Any, **__: Any) -> None:
        """See Transport."""
        raise DeviceLost("gone")

    pull = push


def test_a_device_that_is_gone_is_not_waited_for_to_tidy_up() -> None:
    transport = Gone(answers=1)
    device = Device(cast(Transport, transport), make_device())

    def lose() -> None:
        with device.work_folder("w"):
            device.kill("pid")
            raise DeviceLost("gone")

    with pytest.raises(DeviceLost):
        lose()
    assert transport.seconds[1:] == [LOST_SECONDS, LOST_SECONDS]
    assert LOST_SECONDS <= 5


def test_the_names_of_a_large_batch_fit_into_commands(at: tuple[Device, Path]) -> None:
    device, root = at
    folder = root / "work" / "batch"
    folder.mkdir(parents=True)
    names = [f"{index}.{tensor}.in" for index in range(4096) for tensor in range(2)]
    for name in names:
        (folder / name).write_bytes(name.encode())
    digests = {name: device.digest.of(name.encode()) for name in names}
    bench = cast(Bench, SimpleNamespace(device=device))
    there = f"{device.transport.root}/work/batch"
    launcher.verify(bench, there, digests)
    (folder / names[-1]).write_bytes(b"altered")
    with pytest.raises(TransferError, match=r"4095\.1\.in arrived altered"):
        launcher.verify(bench, there, digests)


def test_a_device_that_is_lost_at_once_says_what_to_do() -> None:
    with pytest.raises(DeviceLost, match="on and connected, and run again"):
        Device.connect(cast(Transport, Gone(answers=0)))
