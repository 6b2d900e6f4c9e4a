"""A private adb server and its program work with the devices."""

from pathlib import Path

from tests.rig import AdbServer, TestDevice, leash


def test_a_full_disk(server: AdbServer, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(1 << 20))
    with TestDevice(limit_bytes=8 << 20) as small:
        serial = server.connect(small)
        target = "/data/local/tmp/f"
        assert server.run("-s", serial, "push", str(tmp_path / "f"), target).returncode == 0
        small.fill_disk(leave_bytes=100_000)
        refused = server.run("-s", serial, "push", str(tmp_path / "f"), target + "2")
        assert refused.returncode != 0
        assert b"No space left" in refused.stdout + refused.stderr
        small.shell(f"rm {target}2")
        small.empty_disk()
        assert server.run("-s", serial, "push", str(tmp_path / "f"), target).returncode == 0


def test_adb_devices_shows_the_properties(server: AdbServer) -> None:
    with TestDevice(properties={"ro.product.model": "Two Words"}) as named:
        server.connect(named)
        (line,) = [x for x in server.devices_long().splitlines() if named.address in x]
        assert "product:NOH-NX9 model:Two_Words device:HWNOH" in line
        assert server.run("-s", named.address, "shell", "exit 9").returncode == 9
        server.disconnect(named.address)
        assert server.state(named.address) is None


def test_a_server_finds_a_restarted_device(server: AdbServer, own: TestDevice) -> None:
    server.connect(own)
    own.power_off()
    leash.wait_until("not usable", lambda: server.state(own.address) != "device", 10)
    own.start()
    server.connect(own)
    assert server.run("-s", own.address, "shell", "id", "-u").stdout == b"2000\n"


def test_two_servers_share_nothing(server: AdbServer, own: TestDevice) -> None:
    with AdbServer() as other:
        other.connect(own)
        assert own.address not in server.states()
        assert server.port != other.port
