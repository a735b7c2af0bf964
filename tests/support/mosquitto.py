"""A real MQTT broker for the tests: Mosquitto, one process on a free port, gone with its folder at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.kafka_server import free_ports
from tests.support.needs import unavailable

_STARTS_WITHIN_S = 15
_PUBLISHED_WITHIN_S = 30


class MosquittoUnavailable(Exception):
    """There is no Mosquitto on this machine."""


@dataclass(frozen=True)
class Guarded:
    """What a broker wants of its clients: a user with a password, and TLS where there is a key store with its authority."""

    user: str
    password: str
    keystore: Path | None = None
    authority: Path | None = None


class Mosquitto:
    """One broker, which keeps its sessions in its folder: it can be stopped and started again."""

    def __init__(self, folder: Path, guarded: Guarded | None = None) -> None:
        self.host = "localhost" if guarded else "127.0.0.1"
        self.port = free_ports(1)[0]
        self._folder = folder
        self._guarded = guarded
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()

    def start(self) -> None:
        """Returns when it accepts connections."""
        with (self._folder / "mosquitto.log").open("ab") as said:
            command = [_binary("mosquitto"), "-c", str(self._folder / "mosquitto.conf")]
            self._process = subprocess.Popen(command, stdout=said, stderr=said)
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while True:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"Mosquitto did not start:\n{(self._folder / 'mosquitto.log').read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it; sessions and their messages are kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _configure(self) -> None:
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self._folder}/",
            "max_queued_messages 0",
            f"user {os.environ.get('USER', 'root')}",
        ]
        if self._guarded is None:
            lines.append("allow_anonymous true")
        else:
            passwords = self._folder / "passwords"
            command = [_binary("mosquitto_passwd"), "-b", "-c", str(passwords), self._guarded.user, self._guarded.password]
            subprocess.run(command, check=True, capture_output=True, timeout=30)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
            if self._guarded.keystore is not None:
                lines += [f"{kind} {self._guarded.keystore}" for kind in ("certfile", "keyfile")]
        (self._folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")


class Devices:
    """A client that publishes as devices do."""

    def __init__(self, broker: Mosquitto, user: str | None = None, password: str | None = None) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(user, password)
        self._client.max_inflight_messages_set(200)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        self._published: list[MQTTMessageInfo] = []

    def publish(self, topic: str, payload: str | bytes, qos: int = 1, retain: bool = False) -> None:
        """Hands over one message."""
        self._published.append(self._client.publish(topic, payload, qos, retain))

    def flush(self) -> None:
        """Returns when the MQTT broker has acknowledged all of them."""
        for info in self._published:
            info.wait_for_publish(_PUBLISHED_WITHIN_S)
            assert info.is_published(), "the MQTT broker has not acknowledged a message"
        self._published.clear()

    def close(self) -> None:
        """Disconnects."""
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def running_mosquitto(folder: Path, guarded: Guarded | None = None) -> Iterator[Mosquitto]:
    """A broker until the end of the block. Without the program the test is skipped; under CI=true that is a failure."""
    folder.mkdir()
    broker = None
    try:
        broker = Mosquitto(folder, guarded)
        broker.start()
        yield broker
    except MosquittoUnavailable as reason:
        unavailable(f"this test needs an MQTT broker: {reason}")
    finally:
        if broker is not None:
            broker.stop()


@contextmanager
def devices_of(broker: Mosquitto, user: str | None = None, password: str | None = None) -> Iterator[Devices]:
    """Devices that are connected until the end of the block."""
    devices = Devices(broker, user, password)
    try:
        yield devices
    finally:
        devices.close()


def _binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MosquittoUnavailable(f"there is no {name} on this machine (package mosquitto)")
    return found
