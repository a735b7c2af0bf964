"""Readings by HTTP: the real server as a process, with a log that takes them, is slow, or is gone."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx

from tests.feeds.conftest import READING, WITHIN_S, StartPipeline, StartServer, is_up, locked
from tests.support.commands import eventually
from tests.support.kafka_server import free_ports
from tests.support.tls_files import make_tls_files

KEY = "key-of-a-gateway-0123456789"


def test_what_was_accepted_is_in_the_log(start_server: StartServer) -> None:
    server = start_server()
    assert server.post(READING).status_code == 202
    batch = {"device": "pump-8", "times": [1, 2], "values": {"temperature": [1, None], "vibration": [None, 2]}}
    assert server.post([READING, batch]).json() == {"accepted": 3, "refused": 0, "reasons": {}, "errors": []}
    lines = b"\n".join(json.dumps(item).encode() for item in (READING, batch)) + b"\n"
    assert server.post(lines, **{"content-type": "application/x-ndjson"}).json()["accepted"] == 3
    assert [json.dumps(item) for item in server.published()].count(json.dumps(READING)) == 3
    assert {record.key for record in server.pipeline.records("readings")} == {b"pump-7", b"pump-8"}
    assert server.process.interrupt() == 0
    assert "readings 7" in server.process.said


def test_each_wrong_reading_has_its_reason_and_is_not_published(start_server: StartServer) -> None:
    server = start_server()
    mixed = [
        READING,
        {"device": "a", "values": {"temperature": 1}},
        {"device": "a", "times": [1, 2], "values": {"temperature": [1, "hot"]}},
    ]
    answer = server.post(mixed)
    assert answer.status_code == 207
    assert (answer.json()["accepted"], answer.json()["refused"], answer.json()["reasons"]) == (2, 2, {"schema": 2})
    assert [(error["item"], error.get("index"), error["reason"]) for error in answer.json()["errors"]] == [
        (1, None, "schema"),
        (2, 1, "schema"),
    ]
    assert server.published() == [READING, {"device": "a", "times": [1], "values": {"temperature": [1]}}]
    for body, reason in ((b"{", "json"), ({"device": "a", "time": 1, "values": {"x": 1}}, "empty")):
        answer = server.post(body)
        assert (answer.status_code, answer.json()["errors"][0]["reason"]) == (422, reason)
    assert server.pipeline.count("rejected") == 0, "the sender was told"


def test_10000_malformed_requests_change_nothing_else(start_server: StartServer) -> None:
    server = start_server()
    random = Random(1)
    good = json.dumps(READING).encode()

    def malformed(seed: int) -> list[int]:
        random = Random(seed)
        with httpx.Client(base_url=server.client.base_url, timeout=WITHIN_S, trust_env=False) as client:
            return [client.post("/readings", content=malform(good, random)).status_code for _ in range(2_500)]

    with ThreadPoolExecutor(4) as senders:
        sending = [senders.submit(malformed, random.randrange(1 << 30)) for _ in range(4)]
        fine = [server.post(READING).status_code for _ in range(50)]
        answers = [status for future in sending for status in future.result()]
    assert len(answers) == 10_000
    assert set(answers) <= {202, 422}
    assert answers.count(422) > 5_000
    assert set(fine) == {202}, "nobody else is disturbed"
    assert len(server.published()) == 50 + answers.count(202)
    assert server.process.interrupt() == 0
    assert "Traceback" not in server.process.said


def malform(body: bytes, random: Random) -> bytes:
    """The body with some bytes changed, cut, or doubled."""
    damaged = bytearray(body)
    for _ in range(random.randrange(1, 4)):
        place = random.randrange(len(damaged))
        match random.randrange(3):
            case 0:
                damaged[place] = random.randrange(256)
            case 1:
                del damaged[place : place + random.randrange(1, 20)]
            case _:
                damaged[place:place] = damaged[place : place + random.randrange(1, 20)]
        damaged = damaged or bytearray(b"{")
    return bytes(damaged)


def test_raw_bytes_that_are_no_http_disturb_nobody(start_server: StartServer) -> None:
    server = start_server()
    for garbage in (b"\x00\xff" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /readings HTTP/1.1\r\nContent-Length: 10\r\n\r\n12"):
        with socket.create_connection((server.client.base_url.host, server.client.base_url.port or 0)) as connection:
            connection.sendall(garbage)
    assert server.post(READING).status_code == 202


def test_a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not(start_server: StartServer) -> None:
    server = start_server("max_request_bytes = 2000")
    assert server.post(b" " * 2_001).status_code == 413
    parts = server.client.post("/readings", content=(b" " * 1_000 for _ in range(3)))
    assert parts.status_code == 413
    packed = server.post(READING, **{"content-encoding": "gzip"})
    assert (packed.status_code, packed.json()) == (
        415,
        {"error": "the body must not be compressed; send it as it is, without Content-Encoding"},
    )
    assert server.post(READING).status_code == 202


def test_while_the_log_takes_nothing_senders_are_told_to_wait_and_nothing_is_accepted(start_server: StartServer) -> None:
    server = start_server('max_in_flight = 3\nacknowledge_within = "1s"')
    with locked(server.pipeline), ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: server.post(READING), range(8)))
        statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {429, 503}
    assert statuses.count(503) == 3, "so many have room"
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    eventually(lambda: server.post(READING).status_code == 202, WITHIN_S, lambda: server.process.said)
    assert len(server.published()) >= 1


def test_told_to_stop_it_accepts_nothing_that_is_not_in_the_log(start_server: StartServer) -> None:
    server = start_server()
    accepted: list[int] = []
    going = threading.Event()

    def send(device: int) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=WITHIN_S, trust_env=False) as client:
            for number in range(100_000):
                body = {"device": f"d{device}", "time": number, "values": {"temperature": device * 1_000_000 + number}}
                try:
                    if client.post("/readings", json=body).status_code == 202:
                        accepted.append(device * 1_000_000 + number)
                        going.set()
                except httpx.TransportError:
                    return

    with ThreadPoolExecutor(4) as senders:
        sending = [senders.submit(send, device) for device in range(4)]
        assert going.wait(WITHIN_S)
        eventually(lambda: len(accepted) > 200, WITHIN_S)
        assert server.process.interrupt() == 0
        for future in sending:
            future.result()
    values = {json.loads(record.value or b"")["values"]["temperature"] for record in server.pipeline.records("readings")}
    assert values >= set(accepted)


def test_only_who_has_a_key_is_served_and_a_new_key_counts_at_once(start_server: StartServer, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(KEY)
    server = start_server(f'keys_file = "{keys}"')
    assert server.post(READING).status_code == 401
    assert server.post(READING, authorization="Bearer wrong").status_code == 401
    assert server.post(READING, authorization=f"Bearer {KEY}").status_code == 202
    assert server.post(READING, **{"x-api-key": KEY}).status_code == 202
    keys.write_text("another-key-0123456789")
    assert server.post(READING, **{"x-api-key": KEY}).status_code == 401
    assert server.post(READING, **{"x-api-key": "another-key-0123456789"}).status_code == 202
    assert server.client.get("/healthz").status_code == 200, "a probe has no key"


def test_the_openapi_page_says_what_can_be_sent(start_server: StartServer) -> None:
    server = start_server()
    described = server.client.get("/openapi.json").json()
    post = described["paths"]["/readings"]["post"]
    assert set(post["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert {"202", "207", "401", "413", "422", "429", "503"} <= set(post["responses"])
    page = server.client.get("/docs").text
    assert all(str(status) in page for status in post["responses"])
    assert "//" not in page, "it loads nothing from elsewhere"


def test_it_serves_tls(start_pipeline: StartPipeline, tmp_path: Path) -> None:
    files = make_tls_files(tmp_path)
    port = free_ports(1)[0]
    section = f'[http]\nport = {port}\nssl_certfile = "{files.keystore}"\nssl_keyfile = "{files.keystore}"\n'
    process = start_pipeline(section).start("http")
    context = ssl.create_default_context(cafile=str(files.authority))
    with httpx.Client(base_url=f"https://localhost:{port}", verify=context, trust_env=False) as client:
        eventually(lambda: is_up(client), WITHIN_S, lambda: process.said)
        assert client.post("/readings", json=READING).status_code == 202


def test_what_is_wrong_is_said_with_a_remedy(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline("[http]\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for settings, code, said in (
            ({"http__port": port}, 2, f"http.port = {port}: Address already in use"),
            ({"http__host": "no-such-host.invalid"}, 2, "http.keys_file"),
            ({"http__host": "0.0.0.0"}, 2, "without keys only 127.0.0.1 is served"),
            ({"http__keys_file": "nowhere.txt"}, 2, "cannot be read"),
            ({"http__ssl_certfile": "nowhere.pem", "http__ssl_keyfile": "nowhere.pem"}, 2, "cannot be used"),
            ({"topics__readings": "nowhere.readings"}, 2, "sensorline topics create"),
            ({"broker__url": "kafka://127.0.0.1:1"}, 3, "nothing listens there"),
        ):
            done = pipeline.run("http", within_s=WITHIN_S, **settings)
            assert done.returncode == code, done.stderr
            assert said in done.stderr
            assert "Traceback" not in done.stderr
