"""A real Apache Kafka for the tests: one process, one node, on free ports, gone with its folder at the end.

`running_kafka` is what most tests need. `KafkaServer` can also be frozen, and can have a listener with TLS and passwords.
"""

from __future__ import annotations

import base64
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.kafka_jars import kafka_jars

_JVM = ("-Xmx256m", "-Xms256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
_START_LIMIT_S = 90
# The broker ends with whoever started it, even if that one is killed: then the pipe to the guard's input breaks.
_GUARDED = 'exec 3<&0; { read _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec "$@" </dev/null 3<&-'
_STARTED = "Kafka Server started"

# One node that does everything, starts fast, lets a dead member go after a second and creates no topic by itself.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "2",
    "num.io.threads": "2",
}


@dataclass(frozen=True)
class Secured:
    """A SASL_SSL listener: a PEM file with key, certificate and CA; SCRAM-SHA-256 passwords by user."""

    keystore: Path
    passwords: Mapping[str, str] = field(repr=False)

    def settings(self) -> dict[str, str]:
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-256",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.keystore),
            "listener.name.secured.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        }

    def users(self) -> list[str]:
        """Arguments of the format tool that create the users."""
        return [
            part
            for name, password in self.passwords.items()
            for part in ("--add-scram", f"SCRAM-SHA-256=[name={name},password={password}]")
        ]


class KafkaServer:
    """One broker process. `address` is its plaintext listener, `secured_address` the one with TLS, if asked for."""

    def __init__(self, folder: Path, secured: Secured | None = None) -> None:
        self._folder = folder
        self._secured = secured
        self._log: deque[str] = deque(maxlen=1000)
        self._ready_or_ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        ports = free_ports(3)
        self.address = f"127.0.0.1:{ports[0]}"
        self.secured_address = f"localhost:{ports[1]}"
        self._controller = f"127.0.0.1:{ports[2]}"

    def start(self) -> None:
        """Returns when the broker serves; raises with the end of its log when it does not."""
        properties = self._folder / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        users = self._secured.users() if self._secured else []
        self._format(properties, users)
        self._process = subprocess.Popen(
            ["sh", "-c", _GUARDED, "sh", *_java("kafka.Kafka", str(properties))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self._folder,
            start_new_session=True,
        )
        threading.Thread(target=self._read_log, args=(self._process,), daemon=True).start()
        if not self._ready_or_ended.wait(_START_LIMIT_S) or not any(_STARTED in line for line in self._log):
            raise RuntimeError(f"Kafka did not start:\n{self._complaints()}")
        host, port = self.address.split(":")
        socket.create_connection((host, int(port)), timeout=10).close()

    def pause(self) -> None:
        """Freezes the process: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends `pause`."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kills the process group, guard and broker; its folder is the caller's."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _complaints(self) -> str:
        """What the broker says is wrong, and the last lines it wrote."""
        lines = list(self._log)
        return "".join([line for line in lines if " ERROR " in line or "Exception" in line] + lines[-20:])

    def _settings(self) -> dict[str, str]:
        listeners = {"PLAINTEXT": self.address}
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURED:SASL_SSL"
        if self._secured:
            listeners["SECURED"] = self.secured_address
        written = ",".join(f"{name}://{address}" for name, address in listeners.items())
        return {
            **_SETTINGS,
            "listeners": f"{written},CONTROLLER://{self._controller}",
            "advertised.listeners": written,
            "listener.security.protocol.map": protocols,
            "controller.quorum.bootstrap.servers": self._controller,
            "log.dirs": str(self._folder / "data"),
            **(self._secured.settings() if self._secured else {}),
        }

    def _format(self, properties: Path, users: Sequence[str]) -> None:
        command = _java("kafka.tools.StorageTool", "format", "--standalone", "-t", _cluster_id(), "-c", str(properties), *users)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_START_LIMIT_S, cwd=self._folder, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self._log.append(line)
            if _STARTED in line:
                self._ready_or_ended.set()
        self._ready_or_ended.set()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@contextmanager
def running_server(secured: Secured | None = None) -> Iterator[KafkaServer]:
    """A broker until the end of the block, whatever happens in it. Raises `KafkaUnavailable`."""
    kafka_jars()
    with tempfile.TemporaryDirectory(prefix="sensorline-kafka-", ignore_cleanup_errors=True) as folder:
        server = KafkaServer(Path(folder), secured)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def running_kafka() -> Iterator[str]:
    """The address, `host:port`, of a broker that runs until the end of the block. Raises `KafkaUnavailable`."""
    with running_server() as server:
        yield server.address


def _java(main: str, *arguments: str) -> list[str]:
    return ["java", *_JVM, "-cp", f"{kafka_jars()}/*", main, *arguments]


def _cluster_id() -> str:
    """22 characters of base64 that do not look like an option."""
    name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
    return name if name[0] not in "-_" else f"A{name[1:]}"


def free_ports(count: int) -> list[int]:
    """Ports below the ephemeral range, where no client's outgoing connection can take them while the broker is away."""
    ports: list[int] = []
    deadline = time.monotonic() + 10
    while len(ports) < count and time.monotonic() < deadline:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            ports.append(port)
    return ports
