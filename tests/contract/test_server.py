"""Errors of an adb server, each with its cure; its list of devices."""

import socket
import time
from pathlib import Path

import pytest

from bokehbench.errors import DeviceError
from bokehbench.phone.adb_server_text import AdbDevice, cure, is_network, parse_devices
from bokehbench.phone.server import AdbServer as Server
from bokehbench.phone.server import ServerTransport, list_devices, server_version, start_server
from bokehbench.phone.transport import Deadline
from tests.contract.fakes import FakeServer, adb_server, fail, okay, silent
from tests.rig import TestDevice
from tests.rig.server import AdbServer

VERSION = {"host:version": okay("0029")}


def refusal(port: int, serial: str = "X", seconds: float = 2) -> str:
    transport = ServerTransport(serial, port=port)
    started = time.monotonic()
    with pytest.raises(DeviceError) as caught:
        transport.run(["true"], deadline=Deadline.after(seconds))
    assert time.monotonic() - started < seconds + 1
    return str(caught.value)


def test_devices_are_listed(shared_device: TestDevice, adb_server: AdbServer) -> None:
    adb_server.connect(shared_device)
    devices = list_devices(port=adb_server.port)
    assert shared_device.address in [device.serial for device in devices if device.usable]
    assert all(device.transport_id for device in devices)
    assert server_version(Server(port=adb_server.port)) == adb_server.version
    adb_server.disconnect(shared_device.address)


def test_a_device_on_the_network_is_connected_by_itself(
    shared_device: TestDevice, adb_server: AdbServer
) -> None:
    adb_server.disconnect(shared_device.address)
    transport = ServerTransport(shared_device.address, port=adb_server.port)
    assert transport.run(["true"], deadline=Deadline.after(10)).exit_code == 0
    transport.close()


def test_no_server_says_how_to_start_one() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        said = refusal(sock.getsockname()[1])
    assert "no adb server at 127.0.0.1:" in said
    assert "adb start-server" in said
    assert "tcp:HOST:PORT" in said


def test_an_unknown_serial_is_named(adb_server: AdbServer) -> None:
    said = refusal(adb_server.port, "NOSUCH")
    assert "'NOSUCH' not found" in said
    assert "adb devices -l" in said


def test_a_device_that_can_not_be_reached_is_named(adb_server: AdbServer) -> None:
    said = refusal(adb_server.port, "127.0.0.1:9")
    assert "127.0.0.1:9" in said
    assert "wireless debugging" in said


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set", "accept"),
        ("device offline", "plug the phone in again"),
        ("device still authorizing", "accept"),
        ("no permissions (user in plugdev group; are your udev rules wrong?)", "udev"),
        ("device 'X' not found", "adb devices -l"),
    ],
)
def test_what_the_server_says_comes_with_its_cure(text: str, advice: str) -> None:
    with FakeServer(adb_server({**VERSION, "host-serial:X:features": fail(text)})) as server:
        said = refusal(server.port)
    assert text.splitlines()[0] in said
    assert advice in said
    assert "\n" not in said


def test_an_old_server_is_refused() -> None:
    with FakeServer(adb_server({"host:version": okay("001f")})) as server:
        assert "of version 31, 36 or newer" in refusal(server.port)


def test_a_device_without_shell_v2_is_refused() -> None:
    answers = VERSION | {
        "host-serial:X:features": okay("cmd"),
        "host:transport:X": b"OKAY",
        "shell,v2,raw:true": b"OKAY",
    }
    with FakeServer(adb_server(answers)) as server:
        assert "Android 7 or newer" in refusal(server.port)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"OK", b"OKAYzzzz"])
def test_a_port_of_something_else_is_no_adb_server(answer: bytes) -> None:
    with FakeServer(lambda connection: connection.sendall(answer)) as server:
        assert "adb server" in refusal(server.port)


def test_a_port_that_keeps_silent_is_left_at_the_deadline() -> None:
    with FakeServer(silent) as server:
        refusal(server.port, seconds=0.5)


def test_a_missing_adb_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="platform-tools"):
        start_server(str(tmp_path / "adb"))
    broken = tmp_path / "adb"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(DeviceError, match="start-server` failed"):
        start_server(str(broken), port=1)


def test_the_list_of_devices_is_read_with_its_chatter() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\r\n* daemon started successfully\r\n"
        "List of devices attached\r\n"
        "8A2X0 device usb:1-2 product:NOH model:NOH_AN00 device:HWNOH transport_id:3\r\n"
        "9B unauthorized usb:1-1 transport_id:4\n"
        "AA no permissions (user in plugdev group; are your udev rules wrong?); see [u] usb:1-3\n"
        "192.168.1.5:5555       offline\n\n"
    )
    found = parse_devices(text)
    assert found[0] == AdbDevice("8A2X0", "device", "NOH", "NOH_AN00", "HWNOH", "3")
    assert [d.state for d in found] == ["device", "unauthorized", "no permissions", "offline"]
    assert [d.usable for d in found] == [True, False, False, False]


def test_a_serial_of_the_network_has_a_port() -> None:
    assert is_network("192.168.1.5:5555")
    assert is_network("[fe80::1]:5555")
    assert not is_network("8A2X0")
    assert not is_network("emulator-5554")


def test_a_reason_that_is_not_given_is_said() -> None:
    assert "no reason given" in cure("", "here")
