"""Release files arrive whole over a safe link, or not at all."""

import time
from pathlib import Path

import pytest

from bokehbench.engines.catalog import catalog, find_item
from bokehbench.engines.effort import Effort
from bokehbench.engines.release import fetch_url, release_url
from bokehbench.errors import EngineError, UsageError
from tests.engines.server import Answer, Site

BODY = bytes(range(256)) * 2000


def fetch(site: Site, answer: Answer, target: Path, seconds: float = 20.0) -> bytes:
    site.answers["/file"] = answer
    fetch_url(f"{site.address}/file", target, Effort.of(seconds))
    return target.read_bytes()


def test_a_file_arrives_and_tells_how_far_it_is(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    site.answers["/v/lib.so"] = Answer(BODY)
    effort = Effort.of(20.0, lambda *step: seen.append(step))
    fetch_url(f"{site.address}/v/lib.so", tmp_path / "out", effort)
    assert (tmp_path / "out").read_bytes() == BODY
    assert seen[-1] == ("lib.so", len(BODY), len(BODY))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(status=404), r"not published \(HTTP 404\); nothing was installed"),
        (Answer(status=503), "HTTP 503 Service Unavailable; nothing was installed; try again"),
        (Answer(BODY, claimed=len(BODY) + 5), "ended after 512000 of 512005 bytes"),
        (Answer(BODY, claimed=2**40), "1099511627776 bytes, more than"),
        (Answer(status=302, location="ftp://127.0.0.1/file"), "can't be fetched|HTTP 302"),
    ],
)
def test_what_does_not_arrive_whole_is_refused(
    site: Site, tmp_path: Path, answer: Answer, complaint: str
) -> None:
    with pytest.raises(EngineError, match=complaint):
        fetch(site, answer, tmp_path / "out")


def test_no_network_names_the_way_around_it(tmp_path: Path) -> None:
    # Port 1 of the loopback interface: nobody listens there.
    with pytest.raises(EngineError, match=r"can't be fetched: .*refused; .* --from FILE"):
        fetch_url("http://127.0.0.1:1/lib.so", tmp_path / "out", Effort.of(20.0))


def test_a_server_that_drips_meets_the_deadline(site: Site, tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(EngineError, match="not done within 1 s; nothing was installed"):
        fetch(site, Answer(BODY, gap_seconds=0.05), tmp_path / "out", seconds=1.0)
    assert time.monotonic() - start < 15


def test_only_safe_addresses_are_asked() -> None:
    item = find_item("litert", "android", "arm64-v8a")
    for address in ("http://example.com/x", "ftp://127.0.0.1/x", "example.com", "file:///etc"):
        with pytest.raises(UsageError, match="not an https:// address"):
            release_url(item, "2.3.0", "arm64-v8a", "libLiteRt.so", address)
    with pytest.raises(UsageError, match="not an address"):
        release_url(item, "2.3.0", "arm64-v8a", "libLiteRt.so", "https://[::1")
    url = release_url(item, "2.3.0", "arm64-v8a", "libLiteRt.so", "http://127.0.0.1:80/a/")
    assert url == "http://127.0.0.1:80/a/2.3.0/android_arm64/libLiteRt.so"


def test_addresses_are_those_of_the_documents() -> None:
    """developers.google.com/edge/litert/next/cpp_sdk and .../next/benchmark list these."""
    litert = catalog().addresses["litert"]
    nightly = catalog().addresses["tensorflow-nightly"]
    arm = find_item("litert", "android", "arm64-v8a")
    tool = find_item("benchmark_model", "android", "arm64-v8a")
    linux = find_item("benchmark_model", "linux", "x86_64")
    name = "libLiteRtClGlAccelerator.so"
    assert release_url(arm, "2.3.1", "x86_64", name, None) == (
        f"{litert}/2.3.1/android_x86_64/{name}"
    )
    assert release_url(tool, "2.2.0", "arm64-v8a", "benchmark_model", None) == (
        f"{litert}/2.2.0/android_arm64/benchmark_model"
    )
    assert release_url(tool, "tflite-nightly", "arm64-v8a", "benchmark_model", None) == (
        f"{nightly}/android_aarch64_benchmark_model"
    )
    assert release_url(linux, "tflite-nightly", "x86_64", "benchmark_model", None) == (
        f"{nightly}/linux_x86-64_benchmark_model"
    )
    with pytest.raises(EngineError, match=r"not published for android x86_64; .* --from FILE"):
        release_url(tool, "2.2.0", "x86_64", "benchmark_model", None)
