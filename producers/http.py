"""Readings by HTTP: a request is answered with 202 only after the log has acknowledged its readings.

The only module that knows the web server; what is answered is in `producers.feeds.http_service`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.config.feeds import HttpSettings
from pipeline.errors import ConfigurationError, SensorlineError
from producers.feeds.http_service import ReadingsService, make_app

log = logging.getLogger(__name__)

STOPS_SERVING_S = 4
DRAIN_S = 3.0
AWAKE_S = 0.2


def serve(settings: HttpSettings, service: ReadingsService, stop: threading.Event) -> None:
    """Serves until `stop` is set. Raises `ConfigurationError` for an address or files that cannot be used."""
    require_tls_files(settings)
    config = uvicorn.Config(
        make_app(service),
        http=partial(_Connection, settings.receive_within_ms / 1_000),  # type: ignore[arg-type] # it is only called
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOPS_SERVING_S,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
    )
    with _listen(settings) as listener:
        server = uvicorn.Server(config)
        # Not in the main thread: there the server would take the process's signals for itself.
        serving = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
        service.outbox.start()
        serving.start()
        log.info("http: taking readings at %s://%s:%d/readings", "https" if settings.ssl_certfile else "http", settings.host, settings.port)
        while not stop.wait(AWAKE_S) and serving.is_alive() and service.outbox.error is None:
            pass
        server.should_exit = True
        serving.join(STOPS_SERVING_S + 1)
        left = service.outbox.close(DRAIN_S if service.outbox.trouble is None else 0)
    _conclude(service, left)
    if not stop.is_set() and service.outbox.error is None:
        raise SensorlineError("http: the server has ended by itself; the log above says why")


def require_tls_files(settings: HttpSettings) -> None:
    """Raises `ConfigurationError` where the certificate and its key cannot be used."""
    if settings.ssl_certfile is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except OSError as error:  # an SSLError is one
        raise ConfigurationError(f"http.ssl_certfile, http.ssl_keyfile: cannot be used: {error}") from error


class _Connection(HttpToolsProtocol):
    """A connection that is closed where the head of a request does not come in time; the server's own waits for ever.

    The time of the body is limited where it is read, with an answer; that between two requests by the server.
    """

    def __init__(self, within_s: float, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._within_s = within_s
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in the server
        super().connection_made(transport)
        self._begin()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        self._end()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _begin(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(self._within_s, self.transport.close)

    def _end(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


def _conclude(service: ReadingsService, left: int) -> None:
    if left:
        log.warning("http: %d readings were not acknowledged, neither by the log nor to their senders", left)
    log.info("http: ended; %s", ", ".join(f"{name} {count}" for name, count in sorted(service.counts.items()) if count) or "nothing came")
    if service.outbox.error is not None:
        raise service.outbox.error


def _listen(settings: HttpSettings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        address = f"http.host = {settings.host}, http.port = {settings.port}"
        raise ConfigurationError(f"{address}: {error.strerror}; choose another one, or stop who has it") from error
