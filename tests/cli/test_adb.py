"""`bokehbench` over adb: a real adbd, reached through a real server and without one."""

import json
import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_run import journal_rows
from tests.rig import AdbServer, FaultProxy, TestDevice, require_rig
from tests.rig.faults import AtPayload, Cut, Fault, Way
from tests.support.command import Command

FAST = ("--quick", "--runs", 5, "--warmups", 1)


@pytest.fixture
def phone() -> Iterator[TestDevice]:
    """A test device of this test's own."""
    require_rig()
    with TestDevice() as device:
        yield device


@pytest.fixture
def server(phone: TestDevice) -> Iterator[AdbServer]:
    """A private adb server that knows the phone."""
    with AdbServer() as running:
        running.connect(phone)
        yield running


def direct(phone: TestDevice) -> str:
    return f"tcp:{phone.address}"


def only_record(bokehbench: Command, *words: object) -> dict[str, Any]:
    ended = bokehbench("run", *words, "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert isinstance(record, dict)
    return record


def test_the_same_psnr_everywhere_to_the_last_digit(
    bokehbench: Command, phone: TestDevice, server: AdbServer, model: Path, pairs: Path
) -> None:
    words = (*FAST, model, "--dataset", pairs)
    by_server = ("--device", phone.address, "--adb-server", f"127.0.0.1:{server.port}")
    local = only_record(bokehbench, "--device", "local", *words)
    over_tcp = only_record(bokehbench, "--device", direct(phone), *words)
    over_server = only_record(bokehbench, *by_server, *words)
    for record in (over_tcp, over_server):
        assert record["fidelity"]["psnr"] == local["fidelity"]["psnr"]
        assert record["fidelity"]["ssim"] == local["fidelity"]["ssim"]
        assert [i["sha256"] for i in record["images"]] == [i["sha256"] for i in local["images"]]
        assert record["launch"] == "shell"
        assert record["device"]["platform"] == "linux"
        assert record["device"]["model"] == "NOH-NX9"
    assert phone.processes() == []


def test_what_is_there_is_not_sent_again_and_work_is_wiped(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    only_record(bokehbench, "--device", direct(phone), *FAST, model)
    root = phone.tmp / "bokehbench"
    files = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    assert {p.name for p in files} == {"runner", "libLiteRt.so", "model.tflite"}
    assert all(p.parent.name != "work" for p in files)
    only_record(bokehbench, "--device", direct(phone), *FAST, model)
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == files


def test_two_devices_side_by_side(bokehbench: Command, phone: TestDevice, model: Path) -> None:
    with TestDevice() as other:
        words = ("--device", direct(phone), "--device", direct(other), "--device", "local")
        ended = bokehbench("run", *words, *FAST, model, "--json", "-")
        assert ended.code == 0, ended.err
        document = ended.json()
    found = {record["device"]["address"] for record in document["records"]}
    assert found == {direct(phone), direct(other), "local"}
    assert {record["run_id"] for record in document["records"]} == {document["run_id"]}


def test_a_device_that_fails_stops_no_other(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    process = bokehbench.start(
        *("run", "--device", direct(phone), "--device", "local", "--recovery-seconds", 1),
        *("--runs", 3000, "--processes", 3, model, "--json", "-"),
    )
    wait_for_journal(bokehbench.store, 2)
    phone.power_off()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "lost" in err
    states = {r["device"]["address"]: r["status"] for r in json.loads(out)["records"]}
    assert states["local"] == "provisional"
    assert len([r for r in json.loads(out)["records"] if r["seal"]]) == 1


def wait_for_journal(store: Path, rows: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and journal_rows(store) < rows:
        time.sleep(0.02)


def test_a_device_that_comes_back_is_waited_for(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    process = bokehbench.start(
        *("run", "--device", direct(phone), "--runs", 3000, "--processes", 4),
        *("--recovery-seconds", 30, model, "--json", "-"),
    )
    wait_for_journal(bokehbench.store, 2)
    phone.power_off()
    time.sleep(1)
    phone.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    [record] = json.loads(out)["records"]
    kinds = [t["failure"]["kind"] for t in record["trials"] if t["failure"]]
    assert kinds in ([], ["device_lost"])
    assert sum(t["status"] == "ok" for t in record["trials"]) == 4


def test_a_device_that_stays_away_leaves_a_run_to_go_on_with(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    words = ("--device", direct(phone), "--runs", 3000, "--processes", 4)
    process = bokehbench.start("run", *words, "--recovery-seconds", 1, model, "--json", "-")
    wait_for_journal(bokehbench.store, 2)
    phone.power_off()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "--resume" in err
    document = json.loads(out)
    phone.start()
    ended = bokehbench("run", "--resume", document["run_id"], "--json", "-")
    assert ended.code == 0, ended.err
    [record] = ended.json()["records"]
    assert sum(t["status"] == "ok" for t in record["trials"]) == 4
    assert record["seal"] is not None


def trials_of(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The good timed processes of every record."""
    return {
        record["record_id"]: [trial for trial in record["trials"] if trial["status"] == "ok"]
        for record in document["records"]
    }


def test_two_devices_go_on_after_two_interruptions(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    with TestDevice() as other:
        words = ("--device", direct(phone), "--device", direct(other), "--recovery-seconds", 1)
        begun = bokehbench.start(
            *("run", *words, "--runs", 3000, "--processes", 4, model, "--json", "-")
        )
        wait_for_journal(bokehbench.store, 2)
        begun.send_signal(signal.SIGINT)
        out, err = begun.communicate(timeout=120)
        assert begun.returncode == 130, err
        first = json.loads(out)
        again = ("run", "--resume", first["run_id"], "--json", "-")
        resumed = bokehbench.start(*again)
        wait_for_journal(bokehbench.store, journal_rows(bokehbench.store) + 2)
        other.power_off()
        out, err = resumed.communicate(timeout=120)
        assert resumed.returncode == 3, err
        assert f"--resume {first['run_id']}" in err
        second = json.loads(out)
        other.start()
        ended = bokehbench(*again)
        assert ended.code == 0, ended.err
        third = ended.json()
        assert phone.processes() == other.processes() == []
    runs = [trials_of(document) for document in (first, second, third)]
    assert {record["device"]["address"] for record in third["records"]} == {
        direct(phone),
        direct(other),
    }
    assert all(record["seal"] for record in third["records"])
    assert [len(trials) for trials in runs[2].values()] == [4, 4]
    for before, after in pairwise(runs):
        # What was measured stays as it was, and nothing is measured twice.
        assert all(trials == after[name][: len(trials)] for name, trials in before.items())
    assert sum(map(len, runs[0].values())) < sum(map(len, runs[1].values())) < 8
    listed = bokehbench("run", "--resume", first["run_id"])
    assert listed.code == 2
    assert "came to its end" in listed.complaint


def test_a_device_that_goes_before_anything_was_measured_says_what_to_do(
    bokehbench: Command, phone: TestDevice, model: Path
) -> None:
    for needle in (b"TFL3", b"@loadavg"):
        with FaultProxy(phone.address) as proxy:
            proxy.add(Fault(AtPayload(Way.TO_TARGET, needle), Cut(reset=True, refuse=True)))
            ended = bokehbench("run", "--device", f"tcp:{proxy.address}", *FAST, model)
            assert proxy.fired
        assert ended.code == 3
        assert "nothing was measured" in ended.complaint
        assert "run again" in ended.complaint


@pytest.mark.parametrize("devices", [1, 2])
def test_ctrl_c_ends_the_process_on_the_device(
    bokehbench: Command, phone: TestDevice, model: Path, devices: int
) -> None:
    words = ["--device", direct(phone), *(["--device", "local"] if devices == 2 else [])]
    process = bokehbench.start("run", *words, "--runs", 100_000, "--max-seconds", 60, model)
    until = time.monotonic() + 60
    while time.monotonic() < until and not any("runner" in str(p) for p in phone.processes()):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    until = time.monotonic() + 5
    while time.monotonic() < until and phone.processes():
        time.sleep(0.05)
    assert phone.processes() == []


def test_a_full_device_says_so(bokehbench: Command, model: Path) -> None:
    require_rig()
    with TestDevice(limit_bytes=30_000_000) as phone:
        phone.fill_disk(leave_bytes=200_000)
        ended = bokehbench("run", "--device", direct(phone), *FAST, model)
        assert ended.code == 3
        assert "space" in ended.complaint.lower()
        doctor = bokehbench("doctor", "--device", direct(phone))
        assert doctor.code == 3
        assert "MiB free" in doctor.out


def test_devices_and_doctor_over_a_server(
    bokehbench: Command, phone: TestDevice, server: AdbServer
) -> None:
    there = ("--adb-server", f"127.0.0.1:{server.port}")
    listed = bokehbench("devices", *there, "--json").json()["devices"]
    states = {device["address"]: device["state"] for device in listed}
    assert states == {"local": "ready", phone.address: "ready"}
    doctor = bokehbench("doctor", *there, "--device", phone.address)
    assert doctor.code == 0, doctor.out
    ended = bokehbench("run", *there, "net.tflite")
    assert ended.code == 2
    phone.power_off()
    server.wait_for_state(phone.address, "offline", 10)
    gone = bokehbench("devices", *there, "--json").json()["devices"]
    [offline] = [device for device in gone if device["address"] == phone.address]
    assert offline["state"] != "ready"
    assert offline["advice"]


def test_several_devices_and_none_named(
    bokehbench: Command, phone: TestDevice, server: AdbServer, model: Path
) -> None:
    ended = bokehbench("run", "--adb-server", f"127.0.0.1:{server.port}", model)
    assert ended.code == 2
    assert phone.address in ended.complaint
    assert "local" in ended.complaint
    unknown = ("--device", "R58M", "--adb-server", f"127.0.0.1:{server.port}")
    ended = bokehbench("run", *unknown, model)
    assert ended.code == 3
    assert "R58M" in ended.complaint
