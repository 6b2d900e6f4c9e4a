"""The app's native part on this machine: stand-in for Android, real sockets and engines."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from android_app.build import host_target, zig_cc
from tests.native.bench import Bench, engine_folder
from tests.support import models
from tests.support.app import AppClient, AppRun, StandIn, build_standin, connect, standin

UNIT = "float32:0:1:0:0"
ROOT = Path(__file__).parents[2]
ITEM = ["0\tfile:out.raw\tseed:1"]
SMALL = (models.conv(), [f"1x8x8x3:{UNIT}"], f"-:{UNIT}", ITEM)
LARGE = (models.conv(256, 256), [f"1x256x256x3:{UNIT}"], f"-:{UNIT}", ITEM)
ENDLESS: dict[str, object] = {"runs": 1_000_000, "max_ms": 600_000}


@pytest.fixture
def app(program: Path, tmp_path: Path) -> Iterator[StandIn]:
    with standin(program, tmp_path / "files") as started:
        yield started


@pytest.fixture
def client(app: StandIn) -> Iterator[AppClient]:
    with closing(AppClient(connect(app.socket_name))) as connected:
        yield connected


def words(app: StandIn, trial: tuple[Any, ...], **changes: object) -> list[str]:
    """argv of a trial whose work folder is inside the app's data folder."""
    work = app.folder / "work"
    work.mkdir(exist_ok=True)
    return Bench(Path("runner"), work).prepare(*trial, **changes)


def events(run: AppRun) -> list[dict[str, Any]]:
    """The runner's events, after the count and the digest of `done` were checked."""
    lines = run.output.splitlines(keepends=True)
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert found[-1]["event"] == "done"
    assert found[-1]["events"] == len(found) - 1
    assert found[-1]["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return found


def unsound(app: StandIn) -> bytes:
    """What a sanitizer said on the app's standard error, if anything."""
    log = app.folder / "log"
    text = log.read_bytes() if log.exists() else b""
    return b"".join(re.findall(rb".*(?:AddressSanitizer|runtime error).*\n?", text))


def test_the_page_lists_the_codes_that_there_are() -> None:
    page = (ROOT / "docs" / "app-protocol.md").read_text(encoding="utf-8")

    def names(head: str) -> set[str]:
        table = page.split(head)[1].split("\n\n")[0]
        return set(re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE))

    sources = "".join(path.read_text() for path in sorted((ROOT / "android_app/app").glob("*.c")))
    calls = re.findall(r"(?:answer_error|request_refuse|turn_away)\([^;{]+\);", sources)
    used = {word for call in calls for word in re.findall(r'"([a-z_]+)"', call)}
    assert used - names("| request |") == names("| code |")


def test_the_greeting_tells_who_and_where(app: StandIn, client: AppClient) -> None:
    greeting = client.greeting
    assert greeting["app"] == "greeting"
    assert greeting["protocol"] == 1
    assert greeting["runner_protocol"] == 2
    assert (greeting["build"], greeting["runner_build"]) == ("app", "runner")
    assert greeting["abi"] == os.uname().machine
    assert greeting["api_level"] == 34
    assert greeting["uid"] == os.getuid()
    assert greeting["nice"] == 0 or os.nice(0) > 0
    assert Path(f"/proc/{greeting['pid']}/exe").readlink().name == "standin"
    assert greeting["cgroup"] == Path(f"/proc/{greeting['pid']}/cgroup").read_text()
    score = Path(f"/proc/{greeting['pid']}/oom_score_adj").read_text()
    assert greeting["oom_score_adj"] == int(score)
    assert greeting["data_folder"] == str(app.folder)
    assert (greeting["state"], greeting["focused"], greeting["used"]) == ("resumed", True, False)


def test_android_is_served_on_its_main_thread(app: StandIn, client: AppClient) -> None:
    """Input is drained, also what the system takes; one black picture; the screen stays on."""
    assert app.happen("touch 100") == "waiting=0 touch 100"
    facts = app.happen("facts")
    keep_on, when_locked, turn_on = 0x80, 0x80000, 0x200000
    assert f"flags={keep_on | when_locked | turn_on:#x} " in facts
    assert "posted=2 taken=100 unfinished=0" in facts
    assert client.answer("ping")["running"] is False


def test_on_create_may_come_twice(app: StandIn, client: AppClient) -> None:
    """A second activity takes over; the first one's end is not the app's."""
    for what in ("create", "start", "resume", "focus"):
        app.happen(what)
    app.happen("destroy-first")
    pong = client.answer("ping")
    assert (pong["state"], pong["focused"]) == ("resumed", True)
    app.happen("blur")
    app.happen("pause")
    assert client.answer("ping")["state"] == "paused"
    assert app.happen("touch 5") == "waiting=0 touch 5"
    app.happen("stop")
    app.happen("destroy")
    pong = client.answer("ping")
    assert (pong["state"], pong["focused"]) == ("destroyed", False)
    run = client.run(words(app, SMALL))
    assert run.end is not None
    assert (run.end["exit_code"], run.end["in_front"]) == (0, False)


def test_a_run_gives_the_shells_events(app: StandIn, client: AppClient) -> None:
    run = client.run(words(app, SMALL, warmups=2, runs=5))
    names = [event["event"] for event in events(run)]
    assert names == ["hello", "backend", "samples", "output", "memory", "done"]
    hello, backend, samples, output = events(run)[:4]
    assert (hello["protocol"], hello["build"], hello["pid"]) == (
        2,
        "runner",
        client.greeting["pid"],
    )
    assert "XNNPACK" in backend["delegate"].upper()
    assert len(samples["invoke_ns"]) == 5
    assert [line["app"] for line in run.lines] == ["started", "end"]
    assert run.end is not None
    assert (run.end["exit_code"], run.end["reason"], run.end["in_front"]) == (0, "returned", True)
    data = client.pull("work/out.raw")
    assert hashlib.sha256(data).hexdigest() == output["sha256"]
    assert b"XNNPACK" in client.pull("log")
    assert unsound(app) == b""


def test_the_output_is_that_of_the_shells_runner(
    app: StandIn, client: AppClient, runner_path: Path, tmp_path: Path
) -> None:
    run = client.run(words(app, SMALL, output_format="f32"))
    (tmp_path / "shell").mkdir()
    outcome = Bench(runner_path, tmp_path / "shell").run(*SMALL, output_format="f32")
    [output] = [event for event in events(run) if event["event"] == "output"]
    assert output["sha256"] == outcome.one("output")["sha256"]


def test_a_process_makes_one_trial(app: StandIn, client: AppClient) -> None:
    argv = words(app, SMALL)
    assert client.run(argv).end is not None
    refused = client.answer("run", argv=argv)
    assert (refused["app"], refused["request"], refused["code"]) == ("error", "run", "used")
    client.close()
    with closing(AppClient(connect(app.socket_name))) as again:
        assert again.greeting["used"] is True


def test_a_trial_that_fails_comes_back(app: StandIn, client: AppClient) -> None:
    run = client.run(words(app, SMALL, engine_library="libnone.so"))
    assert run.end is not None
    assert run.end["exit_code"] == 69
    assert [event["code"] for event in events(run) if event["event"] == "error"] == [
        "engine_missing"
    ]
    assert client.answer("ping")["running"] is False
    assert unsound(app) == b""


def test_a_pause_in_the_middle_is_told(app: StandIn, client: AppClient) -> None:
    argv = words(app, LARGE, **ENDLESS)
    client.ask("run", argv=argv)

    def on_line(line: dict[str, Any]) -> None:
        if line.get("event") == "backend":
            for what in ("blur", "pause", "resume", "focus"):
                app.happen(what)
        if line.get("change") == "focus_gained":
            client.ask("stop")

    run = client.follow(on_line)
    assert [line["running"] for line in run.named("stopping")] == [True]
    changes = [(line["change"], line["state"], line["focused"]) for line in run.named("activity")]
    assert changes == [
        ("focus_lost", "resumed", False),
        ("paused", "paused", False),
        ("resumed", "resumed", False),
        ("focus_gained", "resumed", True),
    ]
    times = [line["monotonic_ns"] for line in run.lines if "monotonic_ns" in line]
    assert times == sorted(times)
    assert run.end is not None
    assert (run.end["exit_code"], run.end["in_front"]) == (75, False)
    assert [event["code"] for event in events(run) if event["event"] == "error"] == ["stopped"]


def library_that(folder: Path, does: str) -> Path:
    """A library that does something when it is loaded."""
    source = folder / "loaded.c"
    source.write_text(
        "#include <unistd.h>\n"
        f"__attribute__((constructor)) static void loaded(void) {{ {does}; }}\n"
    )
    out = source.with_suffix(".so")
    assert zig_cc(host_target(), ["-shared", "-fPIC", str(source), "-o", str(out)]) == ""
    return out


def test_heartbeats_come_while_it_loads(app: StandIn, client: AppClient, tmp_path: Path) -> None:
    library = library_that(tmp_path, "usleep(2500000)")
    run = client.run(words(app, SMALL, engine_library=library))
    times = [line["monotonic_ns"] for line in run.named("heartbeat")]
    assert len(times) == 2
    assert times[1] - times[0] > 900_000_000
    assert run.end is not None
    assert run.end["exit_code"] == 69


def test_there_are_no_heartbeats_while_runs_are_timed(app: StandIn, client: AppClient) -> None:
    names: list[str] = []

    def on_line(line: dict[str, Any]) -> None:
        names.append(line.get("event") or line["app"])

    run = client.run(words(app, LARGE, runs=1_000_000, max_ms=3000), on_line)
    assert run.end is not None
    assert run.end["exit_code"] == 0
    assert names.index("samples") == names.index("backend") + 1
    [samples] = [event for event in events(run) if event["event"] == "samples"]
    assert sum(samples["invoke_ns"]) > 2_000_000_000


def test_the_deadline_ends_the_run(app: StandIn, client: AppClient) -> None:
    """`end` comes at the deadline. This runner does not hang, so the process stays."""
    run = client.run(words(app, LARGE, **{**ENDLESS, "deadline_ms": 1500}))
    assert run.end is not None
    assert (run.end["exit_code"], run.end["reason"]) == (124, "deadline")
    assert b"XNNPACK" in client.pull("log")
    wait_until_over(client)
    assert client.pull("log")
    assert unsound(app) == b""


def test_a_driver_that_hangs_is_ended_with_its_process(
    app: StandIn, client: AppClient, tmp_path: Path
) -> None:
    """After the 5 s that a runner has to come back."""
    library = library_that(tmp_path, "for (;;) sleep(1)")
    run = client.run(words(app, SMALL, engine_library=library, deadline_ms=300))
    assert run.end is not None
    assert run.end["exit_code"] == 124
    assert client.answer("ping")["running"] is True
    assert client.pull("log") == b""
    assert client.ended()
    assert app.process.wait(10) == -signal.SIGALRM


def test_an_app_that_nobody_needs_any_more_ends_itself(tmp_path: Path) -> None:
    """Its host died: nothing else would let the screen go off."""
    program = build_standin(tmp_path / "standin", "ALONE_SECONDS=1u")
    with standin(program, tmp_path / "never") as never, standin(program, tmp_path / "left") as left:
        with closing(AppClient(connect(left.socket_name))) as client:
            assert never.process.wait(20) == -signal.SIGALRM
            # A client may be silent for as long as it likes.
            time.sleep(1.2)
            assert client.answer("ping")["running"] is False
            assert client.run(words(left, SMALL)).end is not None
            time.sleep(1.2)
            assert client.answer("ping")["running"] is False
        assert left.process.wait(20) == -signal.SIGALRM


@pytest.mark.parametrize("how", ["crash", "kill"])
def test_an_app_that_dies_ends_the_stream_without_a_closing_line(
    app: StandIn, client: AppClient, how: str
) -> None:
    client.ask("run", argv=words(app, LARGE, **ENDLESS))

    def on_line(line: dict[str, Any]) -> None:
        if line.get("event") == "backend" and how == "kill":
            app.process.kill()
        elif line.get("event") == "backend":
            app.say("crash")

    run = client.follow(on_line)
    assert run.end is None
    assert b'"event":"backend"' in run.output
    assert app.process.wait(10) == -(signal.SIGKILL if how == "kill" else signal.SIGSEGV)


def wait_until_over(client: AppClient) -> None:
    deadline = time.monotonic() + 10
    while client.answer("ping")["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_until_timing(app: StandIn, client: AppClient, **changes: object) -> None:
    client.ask("run", argv=words(app, LARGE, **{**ENDLESS, **changes}))
    while b'"event":"backend"' not in client.raw_line():
        pass


def test_a_client_that_goes_stops_its_run(app: StandIn, client: AppClient) -> None:
    run_until_timing(app, client)
    client.close()
    with closing(AppClient(connect(app.socket_name))) as later:
        wait_until_over(later)
        # Nothing of the first one's run comes to the second, and its files can be had.
        assert later.answer("ping")["app"] == "pong"
        assert later.pull("log")


def test_a_client_that_takes_nothing_is_left_at_the_deadline(
    app: StandIn, client: AppClient
) -> None:
    """Its buffers full, it would keep the app for ever."""
    items = [f"{index}\tnone\tseed:1" for index in range(4096)]
    trial = (SMALL[0], SMALL[1], SMALL[2], items)
    client.ask("run", argv=words(app, trial, mode="images", deadline_ms=2500))
    with closing(AppClient(connect(app.socket_name))) as other:
        assert other.greeting["code"] == "busy"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with closing(AppClient(connect(app.socket_name))) as later:
            if later.greeting["app"] == "greeting":
                break
        time.sleep(0.1)
    else:
        pytest.fail("the app still waits for a client that takes nothing")


def test_a_second_client_is_told_and_closed(app: StandIn, client: AppClient) -> None:
    def knock() -> None:
        with closing(AppClient(connect(app.socket_name))) as other:
            assert (other.greeting["app"], other.greeting["code"]) == ("error", "busy")
            assert other.ended()

    knock()
    assert client.answer("ping")["app"] == "pong"
    run_until_timing(app, client, max_ms=1000)
    knock()
    run = client.follow()
    assert run.end is not None
    assert run.end["exit_code"] == 0


def test_what_a_run_forbids(app: StandIn, client: AppClient) -> None:
    run_until_timing(app, client)
    assert client.answer("ping")["running"] is True
    assert client.answer("pull", path="log")["code"] == "busy"
    assert client.push("work/x", b"x" * 100_000)["code"] == "busy"
    assert client.answer("probe", libraries=["libm.so.6"])["code"] == "busy"
    assert client.answer("run", argv=["runner"])["code"] == "busy"
    assert client.answer("stop") == {"app": "stopping", "running": True}
    run = client.follow()
    assert run.end is not None
    assert run.end["exit_code"] == 75
    assert client.answer("stop") == {"app": "stopping", "running": False}


STRANGER = """
import os, socket, sys
os.setgid(12345)
os.setuid(12345)
sock = socket.socket(socket.AF_UNIX)
sock.connect(chr(0) + sys.argv[1])
sys.stdout.write(sock.makefile().read())
"""


def test_a_stranger_is_refused(app: StandIn) -> None:
    """A caller of another user, which only root can become."""
    with closing(connect(app.socket_name)):
        pass  # it listens
    become_root = [] if os.getuid() == 0 else ["sudo", "-n"]
    if become_root and (
        shutil.which("sudo") is None
        or subprocess.run([*become_root, "true"], check=False).returncode != 0
    ):
        reason = "a caller of another user takes root, or sudo without a password"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    caller = subprocess.run(
        [*become_root, sys.executable, "-c", STRANGER, app.socket_name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert caller.returncode == 0, caller.stderr
    told = json.loads(caller.stdout)
    assert (told["app"], told["code"]) == ("error", "stranger")


def test_probe_says_what_loads_and_what_came_with_it(app: StandIn, client: AppClient) -> None:
    library = engine_folder() / "libLiteRt.so"
    shutil.copy(library, app.folder / "libOpenCL-other.so")
    names = ["libnone.so", str(app.folder / "libOpenCL-other.so"), "libm.so.6"]
    client.ask("probe", libraries=names)
    none, other, maths = (client.line() for _ in names)
    assert (none["name"], none["loaded"], none["path"]) == ("libnone.so", False, None)
    assert "No such file" in none["error"]
    assert (other["loaded"], other["error"]) == (True, None)
    assert other["path"] == names[1]
    assert names[1] in other["mapped"]
    assert maths["loaded"] is True
    assert maths["path"].endswith("/libm.so.6")
    assert client.line() == {"app": "probed", "libraries": 3, "opencl": [names[1]]}
    # What is in memory now would be in the numbers of a trial.
    assert client.answer("run", argv=words(app, SMALL))["code"] == "used"


def test_files_go_in_and_out_whole(app: StandIn, client: AppClient) -> None:
    data = os.urandom(300_000)
    pushed = client.push("a/b/c.bin", data)
    assert pushed["path"] == str(app.folder / "a/b/c.bin")
    assert pushed["sha256"] == hashlib.sha256(data).hexdigest()
    assert client.pull("a/b/c.bin") == data
    assert client.push("a/empty", b"")["app"] == "pushed"
    assert client.pull("a/empty") == b""
    assert (app.folder / "a/b/c.bin").stat().st_mode & 0o777 == 0o600
    altered = client.push("a/b/c.bin", data, sha256="0" * 64)
    assert altered["code"] == "altered"
    assert client.pull("a/b/c.bin") == data
    assert sorted(path.name for path in (app.folder / "a/b").iterdir()) == ["c.bin"]
    assert client.answer("folder", path="cache/k")["path"] == str(app.folder / "cache/k")
    assert client.answer("folder", path="cache/k")["app"] == "folder"
    assert client.answer("remove", path="a")["entries"] == 4
    assert not (app.folder / "a").exists()
    assert client.answer("remove", path="a")["code"] == "missing"
    assert client.answer("pull", path="cache")["code"] == "io_error"
    assert client.answer("folder", path="cache/k/../../x")["code"] == "usage"


def test_links_lead_nowhere(app: StandIn, client: AppClient, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("kept")
    (app.folder / "link").symlink_to(outside)
    (app.folder / "file").symlink_to(outside / "secret")
    assert client.answer("pull", path="link/secret")["app"] == "error"
    assert client.answer("pull", path="file")["app"] == "error"
    assert client.push("link/new", b"x")["app"] == "error"
    assert client.answer("remove", path="link")["entries"] == 1
    assert (outside / "secret").read_text() == "kept"


def test_a_full_disk_is_told_and_leaves_nothing(app: StandIn, client: AppClient) -> None:
    (app.folder / ".x.part").symlink_to("/dev/full")
    answer = client.push("x", b"y" * 200_000)
    assert (answer["code"], "No space left" in answer["message"]) == ("io_error", True)
    assert client.answer("ping")["app"] == "pong"
    assert list(app.folder.iterdir()) == []


BAD_PATHS = ["", "/etc/passwd", "..", "a/../b", ".hidden", "a//b", "a/", "a b", "x" * 201,
             "/".join("a" * 9), "\u00e9"]  # fmt: skip


def test_paths_stay_inside(client: AppClient) -> None:
    for path in BAD_PATHS:
        assert client.answer("pull", path=path)["code"] == "usage"
        assert client.push(path, b"abc")["code"] == "usage"
        assert client.answer("remove", path=path)["code"] == "usage"
    assert client.answer("ping")["app"] == "pong"


UNREADABLE = [
    b"hello\n", b"{}\n", b"[]\n", b'{"request":"fly"}\n', b'{"request":3}\n',
    b'{"request":"ping"\n',
    b'{"request":"ping"} x\n', b'{"request":"ping","request":"ping"}\n', b'{"request":"ping",}\n',
    b'{"request":"pi\x01ng"}\n', b'{"request":"\\u0000"}\n', b'{"request":"\\ud800"}\n',
    b'{"request":"\\ud800\\u0041"}\n', b'{"request":"\\q"}\n', b'{"request":"ping","a":true}\n',
    b'{"request":"push","path":"a"}\n', b'{"request":"run","argv":["a",3]}\n', b"\x00\n", b"\n",
    b'{"request":"run","argv":[' + b",".join([b'"a"'] * 257) + b"]}\n",
    b'{"request":"push","size_bytes":99999999999999999999}\n', b'{"request":"ping","a":01}\n',
    b"x" * 300_000 + b"\n",
]  # fmt: skip


def test_what_cannot_be_read_closes_the_connection(app: StandIn) -> None:
    for line in UNREADABLE:
        with closing(AppClient(connect(app.socket_name))) as client:
            assert client.greeting["app"] == "greeting"
            client.send(line)
            answer = client.line()
            assert (answer["app"], answer["code"]) == ("error", "usage"), line
            with suppress(ConnectionResetError):  # of what it did not read
                assert client.ended()


def test_requests_of_the_wrong_form_leave_the_connection_open(client: AppClient) -> None:
    for fields in (
        {"request": "ping", "x": "y"},
        {"request": "probe", "libraries": []},
        {"request": "probe", "libraries": ["a"] * 65},
        {"request": "run", "argv": []},
        {"request": "push", "path": 3, "size_bytes": 0, "sha256": "0" * 64},
        {"request": "push", "path": "a", "size_bytes": 0, "sha256": "0" * 63},
    ):
        client.send(json.dumps(fields).encode() + b"\n")
        answer = client.line()
        assert (answer["request"], answer["code"]) == (fields["request"], "usage")
    client.send(b'{ "request" :\t"p\\u0069ng"\r}\n')
    assert client.line()["app"] == "pong"


def test_lines_may_come_in_pieces_and_together(client: AppClient) -> None:
    text = b'{"request":"ping"}\n' * 3
    for byte in text:
        client.send(bytes([byte]))
    client.send(text)
    assert [client.line()["app"] for _ in range(6)] == ["pong"] * 6


def test_texts_reach_the_runner_as_they_were_sent(client: AppClient) -> None:
    odd = 'a"b\\c/\u00e9\u20ac\U0001f600\tend'
    run = client.run(["runner", odd])
    assert run.end is not None
    assert run.end["exit_code"] == 64
    [error] = [event for event in events(run) if event["event"] == "error"]
    assert odd[:10] in error["message"]


def test_random_lines_do_no_harm(app: StandIn) -> None:
    """Under the sanitizers: lines made of pieces of requests, cut and mixed."""
    dice = random.Random(5)
    pieces = [b'{"request":', b'"ping"', b'"push"', b'"path":', b'"a"', b",", b"[", b"]", b"}",
              b"{", b'"size_bytes":', b"5", b"\\u12", b'"', b"\xff", b":", b"0", b'"libraries":',
              b" ", b'"\\ud83d\\ude00"', b'"sha256":', b'"' + b"0" * 64 + b'"']  # fmt: skip
    for _ in range(200):
        with closing(AppClient(connect(app.socket_name))) as client:
            client.send(b"".join(dice.choices(pieces, k=dice.randrange(1, 20))) + b"\n")
            assert client.raw_line().startswith(b'{"app":')
    assert app.process.poll() is None


def test_the_name_of_the_socket_is_waited_for(program: Path, tmp_path: Path) -> None:
    """While the process that was here before it ends, as after `am start -S`."""
    with standin(program, tmp_path / "one") as first:
        with closing(AppClient(connect(first.socket_name))) as client:
            assert client.greeting["pid"] == first.process.pid
        with standin(program, tmp_path / "two", name=first.name) as second:
            time.sleep(0.2)
            first.end()
            with closing(AppClient(connect(first.socket_name))) as client:
                assert client.greeting["pid"] == second.process.pid
