"""Runs the web server beside the reader of the log, until told to stop. The only module that knows uvicorn."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import uvicorn

from pipeline.dashboard.page import App
from pipeline.errors import ConfigurationError

AWAKE_S = 0.5


def listen(host: str, port: int) -> socket.socket:
    """The server's socket. Raises `ConfigurationError` where it cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        raise ConfigurationError(f"--host {host} --port {port}: {error.strerror}; choose another with --port") from None
    return listening


def serve(app: App, listening: socket.socket, read: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Serves the page while `read` follows the log, until `stop` is set; what one of the two raises is raised."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2))
    errors: list[BaseException] = []

    def run(part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as error:  # carried to the caller's thread
            errors.append(error)
        finally:
            stop.set()

    # The server runs in a thread of its own, where it leaves the signals alone.
    threads = [
        threading.Thread(target=run, args=(lambda: read(stop),), name="reader"),
        threading.Thread(target=run, args=(lambda: server.run([listening]),), name="server"),
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(AWAKE_S):
        pass
    server.should_exit = True
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
