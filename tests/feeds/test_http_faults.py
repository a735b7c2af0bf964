"""What may happen to a server that others can reach: nobody else is disturbed, nothing accepted is lost, memory is bounded.

SENSORLINE_OUTAGE_SECONDS is how long the log is away, at least 10.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from tests.feeds.conftest import READING, WITHIN_S, Server, StartServer, locked
from tests.support.commands import eventually
from tests.support.kafka_server import free_ports

OUTAGE_S = float(os.environ.get("SENSORLINE_OUTAGE_SECONDS", "10"))
MB = 1_000_000
HEAD = b"POST /readings HTTP/1.1\r\nHost: x\r\n"


def large(number: int) -> bytes:
    """A reading of nine tenths of a megabyte."""
    return json.dumps({"device": "d", "time": number, "values": {"temperature": number}, "note": "x" * 900_000}).encode()


def answer_of(connection: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    connection.settimeout(WITHIN_S)
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def numbers(server: Server) -> set[int]:
    """Of the readings in the log."""
    return {json.loads(record.value or b"")["time"] for record in server.pipeline.records("readings")}


def test_senders_who_try_again_while_the_log_is_away_lose_nothing(start_server: StartServer) -> None:
    metrics_port = free_ports(1)[0]
    server = start_server('max_in_flight = 20\nacknowledge_within = "500ms"', metrics__port=str(metrics_port))
    stop, accepted, told = threading.Event(), set[int](), set[int]()

    def send(sender: int) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=WITHIN_S, trust_env=False) as client:
            number = sender * MB
            while not stop.is_set():
                answer = client.post("/readings", json={"device": f"d{sender}", "time": number, "values": {"temperature": number}})
                told.add(answer.status_code)
                if answer.status_code == 202:
                    accepted.add(number)
                    number += 1
                else:
                    stop.wait(int(answer.headers["retry-after"]))

    def asked(path: str) -> tuple[int, str]:
        answer = httpx.get(f"http://127.0.0.1:{metrics_port}{path}", trust_env=False)
        return answer.status_code, answer.text

    with ThreadPoolExecutor(30) as senders:
        sending = [senders.submit(send, sender) for sender in range(30)]
        try:
            eventually(lambda: len(accepted) > 100, WITHIN_S)
            with locked(server.pipeline):
                began = time.monotonic()
                eventually(lambda: server.client.get("/readyz").status_code == 503, WITHIN_S, lambda: server.process.said)
                assert server.client.get("/readyz").json() == {"error": "the log takes no readings at the moment"}, "no more to strangers"
                status, why = asked("/readyz")
                assert (status, "is locked by another process" in why) == (503, True), why
                assert asked("/healthz")[0] == 200, "a restart would not help"
                eventually(lambda: time.monotonic() - began >= OUTAGE_S, OUTAGE_S + WITHIN_S)
                assert numbers(server) >= accepted
            before = len(accepted)
            eventually(lambda: len(accepted) > before + 100, WITHIN_S, lambda: server.process.said)
        finally:
            stop.set()
        for future in sending:
            future.result()
    assert told == {202, 429, 503}
    assert numbers(server) >= accepted


def test_a_flood_while_the_log_is_away_does_not_fill_the_memory(start_server: StartServer) -> None:
    server = start_server('acknowledge_within = "100ms"')
    before = server.memory_bytes()
    most = 0

    def flood(sender: int) -> set[int]:
        nonlocal most
        statuses = set()
        with httpx.Client(base_url=server.client.base_url, timeout=WITHIN_S, trust_env=False) as client:
            for _ in range(75):
                statuses.add(client.post("/readings", content=large(sender)).status_code)
                most = max(most, server.memory_bytes())
        return statuses

    with locked(server.pipeline), ThreadPoolExecutor(4) as senders:
        statuses = set[int]().union(*senders.map(flood, range(4)))
    assert statuses == {429, 503}
    assert most - before < 180 * MB, f"{(most - before) / MB:.0f} MB for 270 MB that were sent; 64 MB are to wait"
    eventually(lambda: server.post(READING).status_code == 202, WITHIN_S, lambda: server.process.said)


def test_bodies_whose_senders_go_away_are_forgotten(start_server: StartServer) -> None:
    server = start_server()
    for _ in range(100):
        with socket.create_connection(server.address) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + large(1)[:-1])
    eventually(lambda: server.post(READING).status_code == 202, WITHIN_S)
    assert server.published() == [READING]
    assert server.process.interrupt() == 0
    assert "requests_400 100" in server.process.said
    assert "Traceback" not in server.process.said


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in chunks"])
def test_a_body_of_100_mb_is_refused_and_not_kept(start_server: StartServer, told: bool) -> None:
    server = start_server()
    before = server.memory_bytes()
    part = b"x" * MB
    with socket.create_connection(server.address) as connection:
        length = b"Content-Length: %d" % (100 * MB) if told else b"Transfer-Encoding: chunked"
        connection.sendall(HEAD + length + b"\r\n\r\n")
        for _ in range(100):
            connection.sendall(part if told else b"%x\r\n%s\r\n" % (MB, part))
        connection.settimeout(WITHIN_S)
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.endswith(b'{"error":"a body has at most 1048576 bytes; send less at once"}')
    assert server.memory_bytes() - before < 30 * MB
    assert server.post(READING).status_code == 202


def test_who_does_not_send_the_rest_is_let_go(start_server: StartServer) -> None:
    server = start_server('receive_within = "1s"')
    begun = {
        b"": b"",
        HEAD: b"",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + HEAD: b'HTTP/1.1 200 OK...{"status":"ok"}',
        HEAD + b"Content-Length: 10\r\n\r\n12": b'HTTP/1.1 408 Request Timeout...{"error":"the body did not come within 1 s"}',
    }
    with ExitStack() as connections:
        opened = [connections.enter_context(socket.create_connection(server.address)) for _ in begun]
        for connection, part in zip(opened, begun, strict=True):
            connection.sendall(part)
        assert server.post(READING).status_code == 202, "others are served meanwhile"
        for connection, wanted in zip(opened, begun.values(), strict=True):
            answer = answer_of(connection)
            first, _, last = wanted.partition(b"...")
            assert (answer[: len(first)], answer[len(answer) - len(last) :]) == (first, last)


def test_what_is_no_request_for_readings_is_told_where_they_are_taken(start_server: StartServer) -> None:
    server = start_server()
    for answer, status in ((server.client.get("/nowhere"), 404), (server.client.get("/readings"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.json()["error"].endswith("readings are taken by POST /readings")
