"""The app's control protocol without an app: requests, lines, silence, ends that Android tells."""

import json

import pytest

from bokehbench.runners import app_protocol
from bokehbench.runners.app_protocol import (
    Greeting,
    NotTheApp,
    Pong,
    RunWatch,
    exit_signal,
    parse_line,
    request,
)

PONG = {"app": "pong", "running": False, "state": "resumed", "focused": True, "monotonic_ns": 5}


def line(value: dict[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def event(name: str) -> bytes:
    return line({"event": name})


def test_a_request_is_one_line_of_bounded_length() -> None:
    assert request("run", argv=["runner", "2", "model=/a\n/\u00e9"]).count(b"\n") == 1
    with pytest.raises(ValueError, match="a request of"):
        request("run", argv=["x" * app_protocol.REQUEST_LIMIT])


def test_fields_that_a_newer_app_adds_are_passed_over() -> None:
    assert isinstance(parse_line(line({**PONG, "new": 1})), Pong)


@pytest.mark.parametrize(
    "text", [b"", b"{}\n", b'{"app":"pong"}\n', b'{"app":"novel"}\n', b"\xff\n", b"[1]\n"]
)
def test_what_is_no_line_of_the_app(text: bytes) -> None:
    with pytest.raises(NotTheApp):
        parse_line(text)


def test_only_the_timed_loop_may_be_silent() -> None:
    watch = RunWatch("time")
    seen = []
    for name in ("hello", "backend", "samples", "done"):
        watch.feed(event(name))
        seen.append(watch.may_be_silent)
    assert seen == [False, True, False, False]
    images = RunWatch("images")
    images.feed(event("backend"))
    assert not images.may_be_silent


def test_events_are_kept_apart_from_what_the_app_says() -> None:
    watch = RunWatch("time")
    watch.feed(event("hello"))
    watch.feed(line({"app": "heartbeat", "monotonic_ns": 1}))
    change = {"change": "paused", "state": "paused", "focused": False, "monotonic_ns": 2}
    watch.feed(line({"app": "activity", **change}))
    watch.feed(event("done"))
    ended = {"exit_code": 0, "reason": "returned", "in_front": False, "monotonic_ns": 3}
    watch.feed(line({"app": "end", **ended}))
    assert bytes(watch.events) == event("hello") + event("done")
    assert watch.changes == ["paused"]
    assert watch.is_over
    with pytest.raises(NotTheApp, match="in the middle of a run"):
        RunWatch("time").feed(line({"app": "folder", "path": "/x"}))


def test_events_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_protocol, "EVENTS_LIMIT", 2 * len(event("hello")))
    watch = RunWatch("time")
    watch.feed(event("hello"))
    watch.feed(event("hello"))
    with pytest.raises(NotTheApp, match="bytes of events"):
        watch.feed(event("hello"))


def test_changes_are_those_that_there_are_and_not_without_end() -> None:
    watch = RunWatch("time")
    change = {"change": "paused", "state": "paused", "focused": False, "monotonic_ns": 2}
    for _ in range(app_protocol.CHANGES_LIMIT + 1):
        watch.feed(line({"app": "activity", **change}))
    assert len(watch.changes) == app_protocol.CHANGES_LIMIT
    for wrong in ({"change": "\x1b[2J"}, {"state": "on top"}):
        with pytest.raises(NotTheApp):
            watch.feed(line({"app": "activity", **change, **wrong}))


def test_the_newest_end_of_that_process_counts() -> None:
    told = "ApplicationExitInfo #0: pid=7 reason=5 (CRASH_NATIVE) status=11 importance=100"
    older = "ApplicationExitInfo #1: pid=8 reason=10 (USER REQUESTED) status=0"
    assert exit_signal(f"{told}\n{older}", 7) == ("it crashed in native code", 11)
    reason = exit_signal(f"{told}\n{older}", 8)
    assert reason is not None
    assert reason[1] is None
    assert exit_signal(told, 9) is None
    assert exit_signal("Can't find service: activity", 7) is None
    assert exit_signal("ApplicationExitInfo #0: pid=7 reason=99 (X) status=0", 7) == (
        "reason 99",
        None,
    )


def test_a_greeting_without_what_is_unknown() -> None:
    said = {
        **{"app": "greeting", "protocol": 1, "runner_protocol": 2, "build": "b", "abi": "aarch64"},
        **{"runner_build": "r", "api_level": 34, "pid": 1, "uid": 2, "nice": 0, "cgroup": None},
        **{"oom_score_adj": None, "data_folder": "/d", "library": None, "library_folder": None},
        **{"state": "resumed", "focused": True, "used": False, "monotonic_ns": 1},
    }
    greeting = parse_line(line(said))
    assert isinstance(greeting, Greeting)
    assert greeting.library_folder is None
