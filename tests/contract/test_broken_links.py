"""A link that breaks, stalls or flips a bit at any byte never passes for a success."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bokehbench.errors import DeviceError, DeviceLost
from bokehbench.phone.direct import DirectTransport
from bokehbench.phone.transport import Deadline
from tests.contract.conftest import settled
from tests.rig import TestDevice
from tests.rig.faults import AfterBytes, Corrupt, Cut, Fault, Stall, Way
from tests.rig.proxy import FaultProxy

SCRIPT = "echo first; echo second >&2; exit 5"
SECONDS = 0.6

Connected = tuple[FaultProxy, DirectTransport]


@pytest.fixture
def device(shared_device: TestDevice) -> Iterator[TestDevice]:
    yield shared_device
    assert settled(shared_device, 5) == []


@contextlib.contextmanager
def connected(device: TestDevice, folder: Path, *, raw: bool = False) -> Iterator[Connected]:
    """A transport that has run a command through a proxy."""
    with (
        FaultProxy(device.address, raw=raw) as proxy,
        contextlib.closing(
            DirectTransport(f"tcp:{proxy.address}", key=folder / "adbkey")
        ) as transport,
    ):
        assert transport.run(["true"], deadline=Deadline.after(5)).exit_code == 0
        # What still comes belongs to that command.
        time.sleep(0.05)
        yield proxy, transport


def length_of_a_run(device: TestDevice, tmp_path: Path, way: Way) -> int:
    """How many bytes one run of SCRIPT sends that way."""
    with connected(device, tmp_path) as (proxy, transport):
        begin = proxy.bytes[way]
        assert transport.run(["sh", "-c", SCRIPT], deadline=Deadline.after(5)).exit_code == 5
        time.sleep(0.05)
        return proxy.bytes[way] - begin


@pytest.mark.parametrize("way", Way)
def test_a_cut_at_any_byte_of_a_command(device: TestDevice, tmp_path: Path, way: Way) -> None:
    lost = 0
    for at in range(0, length_of_a_run(device, tmp_path, way), 13):
        with connected(device, tmp_path) as (proxy, transport):
            proxy.add(Fault(AfterBytes(way, proxy.bytes[way] + at), Cut(reset=at % 2 == 0)))
            try:
                result = transport.run(["sh", "-c", SCRIPT], deadline=Deadline.after(SECONDS))
                assert (result.exit_code, result.stdout) == (5, b"first\n")
                assert result.stderr == b"second\n"
            except DeviceLost:
                lost += 1
                assert transport.run(["true"], deadline=Deadline.after(5)).exit_code == 0
    assert lost > 5


@pytest.mark.parametrize("way", Way)
def test_a_stall_at_any_byte_of_a_command(device: TestDevice, tmp_path: Path, way: Way) -> None:
    length = length_of_a_run(device, tmp_path, way)
    for at in range(0, length, length // 6):
        with connected(device, tmp_path) as (proxy, transport):
            proxy.add(Fault(AfterBytes(way, proxy.bytes[way] + at), Stall()))
            started = time.monotonic()
            try:
                result = transport.run(["sh", "-c", SCRIPT], deadline=Deadline.after(SECONDS))
                assert (result.exit_code, result.stdout) == (5, b"first\n")
            except DeviceLost:
                pass
            assert time.monotonic() - started < SECONDS + 1
            # Near its end the conversation may be over before the fault is reached.
            if proxy.fired:
                proxy.resume()
                assert transport.run(["true"], deadline=Deadline.after(5)).exit_code == 0


@pytest.mark.parametrize("way", Way)
def test_a_flipped_bit_anywhere_is_an_error_in_time_or_goes_unseen(
    device: TestDevice, tmp_path: Path, way: Way
) -> None:
    for at in range(0, length_of_a_run(device, tmp_path, way), 17):
        with connected(device, tmp_path, raw=True) as (proxy, transport):
            place = AfterBytes(way, proxy.bytes[way] + at)
            proxy.add(Fault(place, Corrupt(bit=at % 7)))
            started = time.monotonic()
            with contextlib.suppress(DeviceError):
                transport.run(["sh", "-c", SCRIPT], deadline=Deadline.after(SECONDS))
            assert time.monotonic() - started < SECONDS + 1


@pytest.mark.parametrize("what", [Cut(), Cut(reset=True), Stall()])
@pytest.mark.parametrize("count", [0, 100, 70_000, 1_500_000, 4_000_000])
def test_a_broken_push_or_pull_leaves_no_file(
    device: TestDevice, tmp_path: Path, what: Cut | Stall, count: int
) -> None:
    data = os.urandom(5_000_000)
    for way in Way:
        with connected(device, tmp_path) as (proxy, transport):
            target = f"{transport.root}/file"
            transport.push(data, target, mode=0o600, deadline=Deadline.after(5))
            time.sleep(0.05)
            proxy.add(Fault(AfterBytes(way, proxy.bytes[way] + count), what))
            back, late = tmp_path / "back", Deadline.after(SECONDS)
            if way is Way.TO_TARGET:
                with pytest.raises(DeviceError):
                    transport.push(data[::-1], target, mode=0o600, deadline=late)
            else:
                with pytest.raises(DeviceError):
                    transport.pull(target, back, deadline=late)
            assert [p.name for p in tmp_path.iterdir() if "back" in p.name] == []
            proxy.resume()
            shown = transport.run(["sha256sum", target], deadline=Deadline.after(5))
            transport.push(data, target, mode=0o600, deadline=Deadline.after(5))
            again = transport.run(["sha256sum", target], deadline=Deadline.after(5))
            assert shown.stdout == again.stdout
            left = transport.run(["ls", "-A", transport.root], deadline=Deadline.after(5))
            assert left.stdout == b"file\n"
