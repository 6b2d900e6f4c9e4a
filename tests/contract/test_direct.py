"""A direct connection: its addresses, its greeting, its key and every refusal."""

import os
import socket
import stat
import time
from pathlib import Path

import pytest
import rsa

from bokehbench.errors import DeviceError, UsageError
from bokehbench.phone import direct
from bokehbench.phone.direct import DirectTransport, features_of, load_signer
from bokehbench.phone.transport import Deadline
from tests.contract.fakes import FakeServer, packet, read_packet, silent

TOKEN = bytes(range(20))


def refusal(port: int, folder: Path, seconds: float = 2) -> str:
    transport = DirectTransport(f"tcp:127.0.0.1:{port}", key=folder / ".android/adbkey")
    started = time.monotonic()
    with pytest.raises(DeviceError) as caught:
        transport.run(["true"], deadline=Deadline.after(seconds))
    assert time.monotonic() - started < seconds + 1
    transport.close()
    return str(caught.value)


@pytest.mark.parametrize("address", ["", "tcp:", "tcp:h:", "tcp:h:0", "tcp:h:99999", "local", "X"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises((UsageError, DeviceError), match=r"HOST:PORT"):
        DirectTransport(address)


def test_a_closed_port_says_what_to_turn_on(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        said = refusal(sock.getsockname()[1], tmp_path)
    assert "no device at 127.0.0.1:" in said
    assert "adb tcpip" in said


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"CNXN", os.urandom(4000)]
)
def test_a_port_of_something_else_is_no_device(answer: bytes, tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(24)
        connection.sendall(answer)

    with FakeServer(talk) as server:
        assert "check the port" in refusal(server.port, tmp_path)


def test_a_port_that_keeps_silent_is_left_at_the_deadline(tmp_path: Path) -> None:
    with FakeServer(silent) as server:
        assert "no greeting" in refusal(server.port, tmp_path, seconds=0.5)


def test_a_phone_that_wants_pairing_is_named(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        read_packet(connection)
        connection.sendall(packet(b"STLS", 0x01000000, 0))
        connection.recv(24)

    with FakeServer(talk) as server:
        assert "adb pair" in refusal(server.port, tmp_path)


def test_a_phone_without_shell_v2_is_refused(tmp_path: Path) -> None:
    def talk(connection: socket.socket) -> None:
        read_packet(connection)
        connection.sendall(packet(b"CNXN", 0x01000000, 4096, b"device::ro.product.name=x;\0"))
        connection.recv(24)

    with FakeServer(talk) as server:
        assert "Android 7 or newer" in refusal(server.port, tmp_path)


@pytest.mark.parametrize("known", [True, False])
def test_a_key_is_made_signs_the_token_and_is_offered(tmp_path: Path, known: bool) -> None:
    seen: list[object] = []

    def talk(connection: socket.socket) -> None:
        read_packet(connection)
        connection.sendall(packet(b"AUTH", 1, 0, TOKEN))
        name, kind, signature = read_packet(connection)
        key = load_signer(tmp_path / ".android/adbkey").priv_key
        public = rsa.PublicKey(key.n, key.e)
        padded = pow(int.from_bytes(signature), public.e, public.n).to_bytes(256)
        seen.extend([name, kind, padded.endswith(TOKEN)])
        if not known:
            connection.sendall(packet(b"AUTH", 1, 0, TOKEN))
            name, kind, offered = read_packet(connection)
            stored = (tmp_path / ".android/adbkey.pub").read_bytes()
            seen.extend([name, kind, offered == stored + b"\0"])
        banner = b"device::features=cmd"
        connection.sendall(packet(b"CNXN", 0x01000001, 4096, banner))
        connection.recv(24)

    with FakeServer(talk) as server:
        assert "Android 7 or newer" in refusal(server.port, tmp_path, seconds=10)
    assert seen == [b"AUTH", 2, True] + ([] if known else [b"AUTH", 3, True])
    assert stat.S_IMODE((tmp_path / ".android/adbkey").stat().st_mode) == 0o600
    assert len(list((tmp_path / ".android").iterdir())) == 2


@pytest.mark.parametrize("waits", [True, False])
def test_a_key_that_nobody_accepts_says_where_to_look(tmp_path: Path, waits: bool) -> None:
    def talk(connection: socket.socket) -> None:
        for number in range(3):
            read_packet(connection)
            if waits and number == 2:
                silent(connection)
            connection.sendall(packet(b"AUTH", 1, 0, TOKEN))

    load_signer(tmp_path / ".android/adbkey")
    with FakeServer(talk) as server:
        said = refusal(server.port, tmp_path, seconds=1)
    assert ("accept the key on its screen" if waits else "refuses the key") in said


def test_a_broken_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "adbkey").write_text("not a key")
    with pytest.raises(DeviceError, match=r"adbkey.*move it away"):
        load_signer(tmp_path / "adbkey")


def test_the_greeting_tells_the_features() -> None:
    assert features_of(b"device::ro.product.name=x;features=a,b\0") == {"a", "b"}
    assert features_of(b"device::features=a;x=y") == {"a"}
    assert features_of(b"device::") == frozenset()
    assert features_of(b"\xff") == frozenset()


def test_usb_without_a_phone_or_its_package_is_said() -> None:
    transport = DirectTransport("usb:NOSUCH")
    with pytest.raises(DeviceError, match=r"USB|usb"):
        transport.run(["true"], deadline=Deadline.after(2))
    assert direct.__doc__
