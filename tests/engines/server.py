"""A web server on the loopback interface that serves files, or fails in a chosen way."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What a path is answered with.

    `claimed` stands in place of the body's length; `gap_seconds` passes before each byte.
    """

    body: bytes = b""
    status: int = 200
    claimed: int | None = None
    location: str = ""
    gap_seconds: float = 0.0


@dataclass
class Site:
    """A server's answers by path, and what it was asked."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Site]:
    """A site that answers until the end of the block; what it does not know is 404."""
    site = Site()
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            answer = site.answers.get(self.path, Answer(b"not here", 404))
            self.send_response(answer.status)
            if answer.location:
                self.send_header("Location", answer.location)
            length = len(answer.body) if answer.claimed is None else answer.claimed
            self.send_header("Content-Length", str(length))
            self.end_headers()
            try:
                if not answer.gap_seconds:
                    self.wfile.write(answer.body)
                    return
                for number in range(len(answer.body)):
                    if closing.wait(answer.gap_seconds):
                        return
                    self.wfile.write(answer.body[number : number + 1])
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(site: Site, path: str, seconds: float = 20.0) -> None:
    """Wait until somebody asked for a path."""
    end = time.monotonic() + seconds
    while path not in site.asked:
        assert time.monotonic() < end, f"{path} was not asked for; {site.asked}"
        time.sleep(0.01)
