"""Every fault happens where it should, and nowhere else."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import AdbServer, FaultProxy, TestDevice, wire
from tests.rig.faults import (
    AfterBytes,
    AtMessage,
    AtPayload,
    Call,
    Corrupt,
    Cut,
    Fault,
    Slow,
    Stall,
    Way,
)

pytestmark = pytest.mark.usefixtures("rig")

LINK_ENDED = (wire.WireError, ConnectionError)

HELLO = wire.Message("CNXN", wire.VERSION, wire.MAX_PAYLOAD, b"host::features=shell_v2,cmd")
"""What a test's client says first; its checksum field is 0."""


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(ConnectionError):
                while data := sock.recv(1 << 16):
                    sock.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def send_all_and_receive(proxy: FaultProxy, data: bytes) -> bytes:
    """What comes back for `data`."""
    with connect(proxy) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return receive_all(sock)


def receive_all(sock: socket.socket) -> bytes:
    """What comes until the stream ends."""
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def test_without_a_fault_it_only_forwards_and_counts(device: TestDevice) -> None:
    with FaultProxy(device.address) as proxy:
        assert wire.shell(proxy.port, "echo hello; exit 5").exit_code == 5
        to_target = [step for step in proxy.trace if step.way == Way.TO_TARGET]
        assert [step.command for step in to_target[:2]] == ["CNXN", "OPEN"]
        assert to_target[1].prefix == b"shell,v2,raw:echo hello; exit 5\0"
        assert [step.number for step in to_target] == list(range(len(to_target)))
        assert proxy.messages[Way.TO_TARGET] == len(to_target)
        assert proxy.connections == 1


def test_what_passes_is_exact_in_raw_mode_too(echo: str) -> None:
    data = bytes(range(256)) * 20_000
    with FaultProxy(echo, raw=True) as proxy:
        got = bytearray()
        with connect(proxy) as sock:
            sender = threading.Thread(target=sock.sendall, args=(data,))
            sender.start()
            while len(got) < len(data):
                got += sock.recv(1 << 16)
            sender.join()
        assert got == data
        assert proxy.bytes[Way.TO_CLIENT] == len(data)
        assert proxy.trace == []


@pytest.mark.parametrize("count", [0, 1, 23, 24, 30, 51])
def test_a_cut_after_n_bytes_lets_exactly_n_through(echo: str, count: int) -> None:
    with FaultProxy(echo, Fault(AfterBytes(Way.TO_CLIENT, count), Cut())) as proxy:
        assert send_all_and_receive(proxy, HELLO.encoded() * 2) == (HELLO.encoded() * 2)[:count]
        assert send_all_and_receive(proxy, b"once only") == b"once only"


def test_a_reset_is_one_and_a_fin_is_none(echo: str) -> None:
    reset = Fault(AfterBytes(Way.TO_CLIENT, 3), Cut(reset=True))
    with FaultProxy(echo, reset, raw=True) as proxy:
        with connect(proxy) as sock:
            sock.sendall(b"abcdef")
            with pytest.raises(ConnectionResetError):
                receive_all(sock)
        proxy.add(Fault(AtPayload(Way.TO_TARGET, b"zz"), Cut()))
        with connect(proxy) as sock:
            sock.sendall(b"zz")
            assert sock.recv(100) == b""


def test_a_pulled_cable_refuses_new_connections(echo: str) -> None:
    with FaultProxy(echo, Fault(AfterBytes(Way.TO_TARGET, 1), Cut(refuse=True))) as proxy:
        send_all_and_receive(proxy, b"ab")
        with pytest.raises(ConnectionRefusedError):
            connect(proxy)


def test_each_step_of_a_run_can_be_cut(device: TestDevice) -> None:
    def run(port: int) -> str:
        return wire.shell(port, "echo one; sleep 0.1; echo two", timeout=5).text

    with FaultProxy(device.address) as proxy:
        run(proxy.port)
        steps = proxy.trace
    assert len(steps) >= 8
    for way in Way:
        for number in range(sum(step.way == way for step in steps) - 1):
            fault = Fault(AtMessage(way, number), Cut(reset=number % 2 == 0))
            with FaultProxy(device.address, fault) as proxy:
                try:
                    text = run(proxy.port)
                except LINK_ENDED:
                    assert proxy.fired == [fault]
                    last = [step for step in proxy.trace if step.way == way][-1]
                    assert last.number == number
                else:
                    # Two pieces of output may share one packet, so some runs are shorter.
                    assert text == "one\ntwo"
    assert device.shell("id -u").text == "2000"


def test_a_message_may_be_named_by_its_command(device: TestDevice) -> None:
    fault = Fault(AtMessage(Way.TO_CLIENT, 1, "WRTE"), Cut())
    with FaultProxy(device.address, fault) as proxy:
        with pytest.raises(LINK_ENDED):
            wire.shell(proxy.port, "for i in 1 2 3; do echo $i; sleep 0.05; done")
        seen = [s.command for s in proxy.trace if s.way == Way.TO_CLIENT]
        assert seen.count("WRTE") == 2


def test_a_stall_for_ever_ends_with_resume(device: TestDevice) -> None:
    with FaultProxy(device.address, Fault(AtPayload(Way.TO_CLIENT, b"two"), Stall())) as proxy:
        with pytest.raises(TimeoutError):
            wire.shell(proxy.port, "echo one; sleep 0.05; echo two", timeout=0.5)
        with pytest.raises(TimeoutError):
            wire.banner(proxy.port, timeout=0.3)
        proxy.resume()
        assert wire.shell(proxy.port, "echo two").text == "two"


def test_a_stall_for_a_while(echo: str) -> None:
    fault = Fault(AfterBytes(Way.TO_TARGET, 2), Stall(0.5))
    with FaultProxy(echo, fault, raw=True) as proxy:
        began = time.monotonic()
        assert send_all_and_receive(proxy, b"abcd") == b"abcd"
        assert 0.5 <= time.monotonic() - began < 2


def test_a_slow_link(echo: str) -> None:
    with FaultProxy(echo, Fault(AfterBytes(Way.TO_CLIENT, 1000), Slow(10_000))) as proxy:
        began = time.monotonic()
        assert send_all_and_receive(proxy, bytes(6000)) == bytes(6000)
        assert 0.4 <= time.monotonic() - began < 2


def test_one_bit_is_flipped_and_no_more(echo: str) -> None:
    packet = wire.Message("WRTE", 1, 2, b"payload", wire.checksum(b"payload")).encoded()
    broken = Fault(AtMessage(Way.TO_TARGET, 1), Corrupt(byte=2, bit=3))
    with FaultProxy(echo, broken) as proxy:
        got = send_all_and_receive(proxy, packet * 3)
    wrong = bytearray(packet)
    wrong[24 + 2] ^= 8
    assert got == packet + bytes(wrong) + packet


def test_a_fixed_checksum_fits_what_arrives(echo: str) -> None:
    packet = wire.Message("WRTE", 1, 2, b"payload", wire.checksum(b"payload")).encoded()
    fault = Fault(AtPayload(Way.TO_TARGET, b"load"), Corrupt(fix_checksum=True))
    with FaultProxy(echo, fault) as proxy:
        got = send_all_and_receive(proxy, packet)
    wrong = b"pay" + bytes([ord("l") ^ 1]) + b"oad"
    assert got == wire.Message("WRTE", 1, 2, wrong, wire.checksum(wrong)).encoded()


def test_the_byte_after_n_bytes_is_the_one_that_changes(echo: str) -> None:
    for at in (0, 5, 51, 52):
        fault = Fault(AfterBytes(Way.TO_CLIENT, at), Corrupt(bit=7))
        with FaultProxy(echo, fault, raw=at % 2 == 0) as proxy:
            data = HELLO.encoded() * 2
            got = send_all_and_receive(proxy, data)
        assert [i for i, (a, b) in enumerate(zip(got, data, strict=True)) if a != b] == [at]


def test_a_push_that_was_corrupted_arrives_wrong(device: TestDevice, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 300_000)
    fault = Fault(AtPayload(Way.TO_TARGET, b"x" * 1000), Corrupt(byte=10))
    with FaultProxy(device.address, fault) as proxy, AdbServer() as server:
        serial = server.connect(proxy.address)
        args = ("-s", serial, "push", "-Z", str(tmp_path / "f"), "/data/local/tmp/f")
        assert server.run(*args).returncode == 0
        assert proxy.fired == [fault]
    arrived = (device.tmp / "f").read_bytes()
    assert len(arrived) == 300_000
    assert arrived.count(b"x") == 299_999


def test_a_device_dies_in_the_middle_of_a_push(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(os.urandom(3_000_000))
    with TestDevice() as own, AdbServer() as server:
        fault = Fault(AfterBytes(Way.TO_TARGET, 1_000_000), Call(own.power_off))
        with FaultProxy(own.address, fault) as proxy:
            serial = server.connect(proxy.address)
            result = server.run("-s", serial, "push", str(tmp_path / "f"), "/data/local/tmp/f")
            assert result.returncode != 0
            proxy.wait_fired()
            assert not own.is_on
        arrived = own.tmp / "f"
        assert not arrived.exists() or arrived.stat().st_size < 3_000_000


def test_between_a_client_and_its_server(device: TestDevice) -> None:
    with AdbServer() as server:
        server.connect(device)
        fault = Fault(AtPayload(Way.TO_CLIENT, b"0029"), Cut(reset=True))
        with FaultProxy(f"127.0.0.1:{server.port}", fault, raw=True) as proxy:
            with connect(proxy) as sock:
                sock.sendall(b"000chost:version")
                with pytest.raises(ConnectionResetError):
                    receive_all(sock)
            with connect(proxy) as sock:
                sock.sendall(b"000chost:version")
                assert wire.read_exactly(sock, 12) == b"OKAY00040029"


def test_an_error_in_a_function_of_a_test_is_not_lost(echo: str) -> None:
    proxy = FaultProxy(echo, Fault(AfterBytes(Way.TO_TARGET, 0), Call(lambda: 1 // 0)))
    with pytest.raises(ConnectionResetError):
        send_all_and_receive(proxy, b"x")
    with pytest.raises(ZeroDivisionError):
        proxy.close()


def test_close_ends_every_thread_and_connection(echo: str) -> None:
    before = threading.active_count()
    proxy = FaultProxy(echo, raw=True)
    socks = [connect(proxy) for _ in range(5)]
    for sock in socks:
        sock.sendall(b"x")
    proxy.stall()
    proxy.close()
    assert threading.active_count() == before
    for sock in socks:
        with contextlib.suppress(ConnectionError):
            assert sock.recv(100) in (b"", b"x")
        sock.close()


def test_a_target_that_is_off_closes_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with FaultProxy(address) as proxy, connect(proxy) as sock:
        assert sock.recv(10) == b""
