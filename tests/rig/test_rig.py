"""The devices are what they promise to be."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rig import AdbServer, TestDevice, leash, require_rig, wire
from tests.rig.packages import cache_folder, host_arch
from tests.rig.preload import TARGETS

pytestmark = pytest.mark.usefixtures("rig")


def test_a_device_starts_within_2_seconds() -> None:
    began = time.monotonic()
    with TestDevice() as started:
        assert started.shell("echo up").text == "up"
    assert time.monotonic() - began < 2


def test_the_shell_is_uid_2000_and_androids(device: TestDevice) -> None:
    assert device.shell("id").text.startswith("uid=2000(shell) gid=2000(shell)")
    assert "MIRBSD KSH" in device.shell("echo $KSH_VERSION").text
    assert device.shell("pwd; uname -n").text == "/\nlocalhost"


def test_exit_codes_and_streams(device: TestDevice) -> None:
    for code in (0, 1, 127, 255):
        assert device.shell(f"exit {code}").exit_code == code
    result = device.shell(r"printf 'a\000\377'; echo err >&2")
    assert (result.stdout, result.stderr) == (b"a\0\xff", b"err\n")
    assert device.shell("kill -SEGV $$").exit_code == 128 + signal.SIGSEGV


def test_signals_are_as_they_begin(device: TestDevice) -> None:
    ignored = device.shell("grep SigIgn /proc/self/status").text.split()[1]
    # From 32 on they are the C library's own, which its posix_spawn has a child ignore.
    for number in {*signal.Signals} - {signal.SIGPIPE}:
        assert number >= 32 or not int(ignored, 16) >> (number - 1) & 1, number
    for name in ("INT", "QUIT", "TERM"):
        code = 128 + signal.Signals[f"SIG{name}"]
        # The shell has its background command ignore two of them, so a second shell sends.
        assert device.shell(f"sh -c 'kill -{name} $$; sleep 5'").exit_code == code


def test_the_commands_that_scripts_need(device: TestDevice) -> None:
    names = "sha256sum wc head tail cut cat ls mkdir rm mv chmod kill timeout uname tr stat grep"
    assert device.shell(f"for c in {names}; do command -v $c; done | wc -l").text == "17"
    absent = device.shell("su -c id")
    assert absent.exit_code == 127


def test_the_shell_can_write_where_a_phones_can(device: TestDevice) -> None:
    assert device.shell("echo x > /data/local/tmp/x && cat /data/local/tmp/x").text == "x"
    assert (device.tmp / "x").read_text() == "x\n"
    for path in ("/x", "/data/x", "/data/local/x", "/system/x", "/vendor/bin/x"):
        assert device.shell(f"echo > {path}").exit_code != 0
    assert device.shell("mkdir /data/local/tmp/d; chmod 0 /data/local/tmp/d").exit_code == 0
    assert device.shell("ls /data/local/tmp/d").exit_code != 0


def test_properties_are_the_devices(own: TestDevice) -> None:
    assert own.shell("getprop ro.board.platform").text == "kirin9000"
    assert f"[ro.serialno]: [{own.serial}]" in own.shell("getprop").text.splitlines()
    own.set_property("ro.product.model", "A [b]=c \\n x")
    assert own.shell("getprop ro.product.model").text == "A [b]=c \\n x"
    assert own.shell("getprop none; getprop none fallback").stdout == b"\nfallback\n"


def test_texts_can_be_changed_while_it_runs(own: TestDevice) -> None:
    assert "Thermal Status: 0" in own.shell("dumpsys thermalservice").text
    own.set_dumpsys("thermalservice", "Thermal Status: 3\n")
    assert own.shell("dumpsys thermalservice").text == "Thermal Status: 3"
    assert "temperature: 298" in own.shell("dumpsys battery").text
    (own.sys / "class/thermal/thermal_zone0/temp").write_text("91000\n")
    assert own.shell("cat /sys/class/thermal/thermal_zone0/temp").text == "91000"
    own.add_command("am", "#!/system/bin/sh\necho started $1\n")
    assert own.shell("am x").text == "started x"


def test_linker64_is_there_on_demand_only(device: TestDevice) -> None:
    assert device.shell("ls /system/bin/linker64").exit_code != 0
    with TestDevice(linker64=True) as android:
        assert android.shell("ls /system/bin/linker64").exit_code == 0
        assert android.shell("id -u").text == "2000"


def test_a_native_program_runs(device: TestDevice, tmp_path: Path) -> None:
    source = tmp_path / "x.c"
    source.write_text(
        "#include <dlfcn.h>\n#include <math.h>\n#include <pthread.h>\n#include <stdio.h>\n"
        'static void *say(void *x) { printf("%.1f\\n", sqrt(*(int *)x)); return x; }\n'
        "int main(int n, char **v) {\n"
        "  pthread_t t; pthread_create(&t, 0, say, &n); pthread_join(t, 0);\n"
        "  for (int i = 1; i < n; i++) if (!dlopen(v[i], RTLD_NOW)) puts(dlerror());\n"
        "  fflush(stdout); return *(volatile int *)0; }\n"
    )
    target = TARGETS[host_arch()]
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-O1", "-lm", "-ldl"]
    subprocess.run([*zig, "-pthread", "-o", device.tmp / "x", source], check=True)
    result = device.shell("/data/local/tmp/x libstdc++.so.6 libgcc_s.so.1 librt.so.1")
    assert (result.text, result.exit_code) == ("2.0", 128 + signal.SIGSEGV)


def test_power_off_ends_everything_at_once_and_keeps_files(own: TestDevice) -> None:
    own.shell("echo kept > /data/local/tmp/f; sleep 77 </dev/null >/dev/null 2>&1 &")
    left = own.processes()
    assert [argv for _, argv in left] == [("sleep", "77")]
    own.power_off()
    assert not own.is_on
    assert not leash.is_alive(left[0][0])
    assert own.processes() == []
    with pytest.raises(ConnectionRefusedError):
        wire.banner(own.port)
    address = own.address
    own.start()
    assert own.address == address
    assert own.shell("cat /data/local/tmp/f").text == "kept"


def test_a_power_off_breaks_a_running_command(own: TestDevice) -> None:
    threading.Timer(0.3, own.power_off).start()
    with pytest.raises((wire.WireError, OSError)):
        own.shell("sleep 60")


def test_a_frozen_device_answers_after_its_thaw(own: TestDevice) -> None:
    own.freeze()
    with pytest.raises(TimeoutError):
        own.shell("id", timeout=0.5)
    own.thaw()
    assert own.shell("id -u").text == "2000"
    own.freeze()
    own.power_off()
    assert not own.is_on


def test_eight_devices_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        devices = list(pool.map(lambda number: TestDevice(serial=f"S{number}").start(), range(8)))
        # The threads that started them are gone; the devices must not be.
    try:
        assert len({one.port for one in devices}) == 8
        for number, one in enumerate(devices):
            assert one.shell("getprop ro.serialno").text == f"S{number}"
            one.shell(f"echo {number} > /data/local/tmp/me")
        assert [(one.tmp / "me").read_text() for one in devices] == [f"{n}\n" for n in range(8)]
    finally:
        for one in devices:
            one.close()


def test_it_listens_on_loopback_alone(device: TestDevice) -> None:
    wanted = f"{device.port:04X}"
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if local.endswith(f":{wanted}") and state == "0A":
                listening.append(local.split(":")[0])
    assert listening == ["0000000000000000FFFF00000100007F"]


def test_a_device_ends_with_the_process_that_started_it() -> None:
    script = "import os; from tests.rig import TestDevice as T; d = T().start(); " + (
        "print(d.port, d._init, d._folders.base, flush=True); os.kill(os.getpid(), 9)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    port, init, folder = said.stdout.split()
    leash.wait_until("end", lambda: not leash.is_alive(int(init)), 5)
    with pytest.raises(ConnectionRefusedError):
        wire.banner(int(port))
    subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
    subprocess.run(["rm", "-r", folder], check=True)


def test_close_leaves_no_file_and_frees_the_port() -> None:
    one = TestDevice().start()
    one.shell("mkdir -p /data/local/tmp/a/b; chmod 0 /data/local/tmp/a; ln -s / /data/local/tmp/l")
    base = one.data.parent
    one.close()
    assert not base.exists()
    socket.create_server(("127.0.0.1", one.port)).close()


def test_a_port_belongs_to_one_device_even_when_it_is_off(own: TestDevice) -> None:
    own.power_off()
    with pytest.raises(OSError, match="in use"):
        TestDevice(port=own.port)


def test_the_unprivileged_can_do_the_same() -> None:
    if os.getuid() != 0:
        pytest.skip("this test is the unprivileged case already")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    # Of another version it could not import what is installed for this one.
    look = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for python in (sys.executable, "/usr/bin/python3"):
        # One below /root is out of reach.
        if subprocess.run([*nobody, python, "-c", look], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("no Python of this version that other users can run")
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(cache_folder(), f"{home}/bokehbench-rig", symlinks=True)
        subprocess.run(["chown", "-hR", "65534:65534", home], check=True)
        environment = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{Path(__file__).parents[2]}:{Path(pytest.__file__).parents[1]}",
            "USER": "nobody",
            "XDG_CACHE_HOME": home,
        }
        script = "from tests.rig.test_rig import unprivileged; unprivileged()"
        argv = [*nobody, python, "-c", script]
        said = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
        assert (said.returncode, said.stderr) == (0, "")


def unprivileged() -> None:
    """What the test above runs as another user."""
    with TestDevice(limit_bytes=4 << 20) as one, AdbServer() as server:
        assert one.shell("id -u").text == "2000"
        server.connect(one)
        one.fill_disk()
        assert one.shell("echo text > /data/local/tmp/x").exit_code != 0
        one.shell("sleep 50 </dev/null >/dev/null 2>&1 &")
        assert len(one.processes()) == 1
        one.freeze()
        one.thaw()


def test_a_disk_fills_up_while_others_write_to_it() -> None:
    ended = threading.Event()

    def write(path: Path) -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), open(path, "wb", buffering=0) as stream:
                for _ in range(50):
                    stream.write(bytes(4096))

    with TestDevice(limit_bytes=4 << 20) as one:
        writers = [threading.Thread(target=write, args=(one.tmp / f"{n}",)) for n in range(2)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(30):
                one.fill_disk()
                one.empty_disk()
        finally:
            ended.set()
            for writer in writers:
                writer.join()


def test_an_emulated_device_does_the_same(server: AdbServer) -> None:
    require_rig("arm64")
    with TestDevice(arch="arm64", limit_bytes=4 << 20) as arm:
        assert arm.shell("uname -m; id -u").text == "aarch64\n2000"
        assert arm.shell("exit 7").exit_code == 7
        server.connect(arm)
        assert "model:NOH_NX9" in server.devices_long()
        arm.fill_disk()
        assert arm.shell("echo text > /data/local/tmp/x").exit_code != 0
        arm.shell("sleep 50 </dev/null >/dev/null 2>&1 &")
        assert [argv[-1] for _, argv in arm.processes()] == ["50"]
        arm.freeze()
        with pytest.raises(TimeoutError):
            arm.shell("id", timeout=0.5)
        arm.thaw()
        arm.power_off()
        assert arm.processes() == []
