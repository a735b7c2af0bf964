"""How many readings a second are taken by HTTP, one by one and in batches, and how much memory it takes; not a test.

`python tests/bench/bench_http.py`; with Kafka where SENSORLINE_TEST_KAFKA names one (host:port), else on the embedded log.
The clients are on the same machine: what they take is lost to the server. Each is a process with connections of its own that
send a request, wait for the answer, and send the next.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from multiprocessing import Process, Queue
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from threading import Thread

import httpx

from tests.support.commands import eventually
from tests.support.kafka_server import free_ports
from tests.support.pipelines import new_pipeline

CONNECTIONS = 32
SECONDS = 15.0
BATCH = 1_000
SENSORS = '[sensors]\nnames = ["temperature", "vibration"]\n'


def body(device: str, first: int, size: int) -> bytes:
    """One reading, or a batch."""
    if size == 1:
        return b'{"device":"%s","time":%d,"values":{"temperature":71.3,"vibration":0.02}}' % (device.encode(), first)
    times = ",".join(str(first + place) for place in range(size))
    columns = ",".join(f'"{name}":[{",".join(["71.3"] * size)}]' for name in ("temperature", "vibration"))
    return f'{{"device":"{device}","times":[{times}],"values":{{{columns}}}}}'.encode()


def send(port: int, device: str, size: int, until_s: float, done: list[int]) -> None:
    """Sends over one connection, by the plain protocol: a client library takes more time than the server."""
    first, taken = 0, 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while time.monotonic() < until_s:
            content = body(device, first, size)
            connection.sendall(b"POST /readings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))
            answer = b""
            while not answer.endswith(b"}"):
                answer += connection.recv(65_536)
            if not answer.startswith(b"HTTP/1.1 202"):
                os.write(2, answer + b"\n")
                return
            first, taken = first + size, taken + size
    done.append(taken)


def client(port: int, size: int, connections: int, results: Queue[int]) -> None:
    """One process of connections."""
    done: list[int] = []
    until_s = time.monotonic() + SECONDS
    threads = [Thread(target=send, args=(port, f"device-{os.getpid()}-{place}", size, until_s, done)) for place in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.put(sum(done))


def usage(pid: int) -> tuple[float, float]:
    """(CPU seconds, resident memory in MB) of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu_s, int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def bench(port: int, pid: int, size: int, connections: int) -> dict[str, str]:
    results: Queue[int] = Queue()
    before_cpu_s, before_mb = usage(pid)
    process = Process(target=client, args=(port, size, connections, results))
    process.start()
    most_mb = before_mb
    while process.is_alive():
        most_mb = max(most_mb, usage(pid)[1])
        process.join(0.2)
    try:
        taken = results.get(timeout=1)
    except Empty:
        raise SystemExit("a client has failed") from None
    cpu_s = usage(pid)[0] - before_cpu_s
    return {
        "readings a request": f"{size:,}",
        "readings/s": f"{taken / SECONDS:,.0f}",
        "per CPU second of the server": f"{taken / cpu_s:,.0f}",
        "memory before, most": f"{before_mb:.0f}, {most_mb:.0f} MB",
    }


def main() -> None:
    kafka = os.environ.get("SENSORLINE_TEST_KAFKA")
    port = free_ports(1)[0]
    with TemporaryDirectory(dir=Path.cwd()) as folder, ExitStack() as processes:
        url = f"kafka://{kafka}" if kafka else "sqlite:///"
        pipeline = new_pipeline(Path(folder), url, f"{SENSORS}[http]\nport = {port}\n", processes)
        server = pipeline.start("http")
        eventually(lambda: is_up(port), 60, lambda: server.said)
        rows = [
            bench(port, server.process.pid, size, connections) for size, connections in ((1, CONNECTIONS), (1, CONNECTIONS), (BATCH, 4))
        ]
        server.interrupt()
    sys.stdout.write(f"{'Kafka' if kafka else 'SQLite'}, {SECONDS:g} s each; singles over {CONNECTIONS} connections, batches over 4\n")
    for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]:
        sys.stdout.write(" | ".join(f"{cell:<28}" for cell in row.values()) + "\n")


def is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
