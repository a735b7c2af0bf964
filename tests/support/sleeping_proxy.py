"""A way between two programs that can fall asleep: nothing goes through any more, and no connection is closed, as when a laptop sleeps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE = 65_536


class SleepingProxy:
    """Passes bytes on in both directions, until `sleep`. Connections made after that work; those from before never say anything again."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._asleep = threading.Event()
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def sleep(self) -> None:
        """What is connected now is dead, and does not know it."""
        self._asleep.set()
        self._asleep = threading.Event()

    def freeze(self) -> None:
        """From now on nothing goes through, on new connections neither."""
        self._asleep.set()

    def close(self) -> None:
        """Closes everything."""
        for one in (self._listening, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, target, self._asleep), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, asleep: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                if not asleep.is_set():
                    target.sendall(data)
            if not asleep.is_set():
                target.shutdown(socket.SHUT_WR)


@contextmanager
def sleeping_proxy(port: int) -> Iterator[SleepingProxy]:
    """In front of a port of this machine."""
    proxy = SleepingProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
