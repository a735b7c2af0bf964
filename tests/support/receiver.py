"""A receiver of webhooks: a real HTTP server on a port of its own, which can be away, refuse, and remember what it took."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pipeline.records import Alert
from pipeline.wire.alerts import decode_alert

TAKEN, REFUSED = 200, 503


@dataclass(frozen=True)
class Request:
    """One request that was taken."""

    headers: dict[str, str]
    body: bytes

    @property
    def alert(self) -> Alert:
        """What it is about."""
        return decode_alert(self.body)

    @property
    def key(self) -> str:
        """By which repeats are known."""
        return self.headers["idempotency-key"]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Receiver:
    """Answers each request with what `answer` says to it. It is away until `open`, and after `close`."""

    port: int = field(default_factory=free_port)
    answer: Callable[[Request], int] = lambda _: TAKEN
    taken: list[Request] = field(default_factory=list)
    refused: list[Request] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/alerts"

    def open(self) -> Receiver:
        """It is there from now on."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request({name.lower(): value for name, value in self.headers.items()}, body)
                status = receiver.answer(request)
                (receiver.taken if status == TAKEN else receiver.refused).append(request)
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", receiver.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                """Nothing: tests are silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def close(self) -> None:
        """It is away from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
