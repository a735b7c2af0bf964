"""The bridge as a process, between a real MQTT broker and the log: what comes is in the log once or more, whoever fails."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path

import pytest

from pipeline.wire.headers import header
from tests.feeds.conftest import WITHIN_S, StartBroker, StartPipeline, locked
from tests.support.commands import Running, eventually
from tests.support.mosquitto import Devices, Guarded, Mosquitto, devices_of
from tests.support.pipelines import Pipeline
from tests.support.served import serving
from tests.support.tls_files import make_tls_files

NUMBER = 400


def section(broker: Mosquitto, more: str = 'time_field = "time"') -> str:
    topics = '["plant/{device}/{sensor}", "whole/{device}"]'
    return f'[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\ntopics = {topics}\n{more}\n'


def start(pipeline: Pipeline, **settings: str) -> Running:
    bridge = pipeline.start("mqtt", **settings)
    eventually(lambda: "taking messages of" in bridge.said, WITHIN_S, lambda: bridge.said)
    return bridge


def send(devices: Devices, numbers: range) -> None:
    """Messages of five devices, numbered by their value."""
    for number in numbers:
        devices.publish(f"plant/d{number % 5}/temperature", json.dumps({"value": number, "time": 1_000_000 + number}))
    devices.flush()


def received(pipeline: Pipeline) -> list[int]:
    """The numbers in the log, in the order of each device."""
    return [json.loads(record.value or b"")["values"]["temperature"] for record in pipeline.records("readings")]


def await_all(pipeline: Pipeline, number: int, bridge: Running) -> None:
    eventually(lambda: set(received(pipeline)) == set(range(number)), WITHIN_S, lambda: (len(set(received(pipeline))), bridge.said))


def assert_in_order(pipeline: Pipeline) -> None:
    """Where a message comes again, all that came after it does: the first of each are in order."""
    firsts = list(dict.fromkeys(received(pipeline)))
    for device in range(5):
        of_device = [number for number in firsts if number % 5 == device]
        assert of_device == sorted(of_device)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_become_readings_or_are_rejected_with_a_reason(mosquitto: Mosquitto, start_pipeline: StartPipeline, version: str) -> None:
    pipeline = start_pipeline(section(mosquitto, f'time_field = "time"\nversion = "{version}"'))
    bridge = start(pipeline)
    with devices_of(mosquitto) as devices:
        devices.publish("plant/a/temperature", '{"value":1.5,"time":5}', qos=0)
        devices.publish("whole/b", '{"temperature":2,"vibration":3,"time":6}', qos=2)
        devices.publish("plant/a/temperature", "1.5")
        devices.publish("plant/a/pressure", '{"value":1,"time":7}')
        devices.publish("whole/b", b"\xff\x00")
        devices.flush()
        eventually(lambda: pipeline.count("readings") == 2 and pipeline.count("rejected") == 3, WITHIN_S, lambda: bridge.said)
    assert bridge.interrupt() == 0
    readings = [json.loads(record.value or b"") for record in pipeline.records("readings")]
    assert sorted(readings, key=lambda reading: str(reading["device"])) == [
        {"device": "a", "time": 5, "values": {"temperature": 1.5}},
        {"device": "b", "time": 6, "values": {"temperature": 2, "vibration": 3}},
    ]
    rejected = pipeline.records("rejected")
    told = {(header(record.headers, "reason"), header(record.headers, "source.topic"), record.value) for record in rejected}
    assert told == {
        (b"schema", b"plant/a/temperature", b"1.5"),
        (b"empty", b"plant/a/pressure", b'{"value":1,"time":7}'),
        (b"json", b"whole/b", b"\xff\x00"),
    }
    lines = pipeline.succeeds("tail", "rejected", "--from-start", "--until-end").stdout.splitlines()
    assert {json.loads(line)["source"]["topic"] for line in lines} == {"plant/a/temperature", "plant/a/pressure", "whole/b"}


def test_without_a_time_of_its_own_a_message_has_that_of_its_receipt(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto, ""))
    bridge = start(pipeline)
    with devices_of(mosquitto) as devices:
        devices.publish("plant/a/temperature", "21.5")
        devices.flush()
        eventually(lambda: pipeline.count("readings") == 1, WITHIN_S, lambda: bridge.said)
    (record,) = pipeline.records("readings")
    assert abs(json.loads(record.value or b"")["time"] - record.timestamp) < 60_000


def test_a_bridge_killed_under_load_loses_nothing(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto))
    bridge = start(pipeline)
    with devices_of(mosquitto) as devices:
        for kill in range(2):
            send(devices, range(kill * NUMBER, kill * NUMBER + NUMBER // 2))
            bridge.kill()  # with or without some of them
            send(devices, range(kill * NUMBER + NUMBER // 2, (kill + 1) * NUMBER))
            bridge = start(pipeline)
        await_all(pipeline, 2 * NUMBER, bridge)
    assert bridge.interrupt() == 0
    assert_in_order(pipeline)


def test_an_mqtt_broker_that_is_restarted_loses_nothing(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto))
    bridge = start(pipeline)
    with devices_of(mosquitto) as devices:
        send(devices, range(NUMBER))
    await_all(pipeline, NUMBER, bridge)
    mosquitto.stop()
    eventually(lambda: "connecting again" in bridge.said, WITHIN_S, lambda: bridge.said)
    mosquitto.start()
    with devices_of(mosquitto) as devices:
        send(devices, range(NUMBER, 2 * NUMBER))
    await_all(pipeline, 2 * NUMBER, bridge)
    assert bridge.interrupt() == 0


def test_messages_that_wait_at_an_mqtt_broker_outlive_its_restart(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto, 'time_field = "time"\nmax_in_flight = 10'))
    served = serving(pipeline, partial(start, pipeline))
    served.await_ready(WITHIN_S)
    with locked(pipeline):
        with devices_of(mosquitto) as devices:
            send(devices, range(NUMBER))
        mosquitto.stop()
        served.await_sample("sensorline_connected", "mqtt", 0, WITHIN_S)
        status, said = served.get("/readyz")
        assert (status, "not connected and subscribed" in said) == (503, True), said
        mosquitto.start()
        served.await_sample("sensorline_connected", "mqtt", 1, WITHIN_S)
        assert served.samples()["sensorline_unacknowledged", "mqtt"] > 0
    await_all(pipeline, NUMBER, served.process)
    assert_in_order(pipeline)
    served.await_sample("sensorline_unacknowledged", "mqtt", 0, WITHIN_S)
    assert served.samples()["sensorline_reconnects_total", "mqtt"] >= 1


def test_while_the_log_is_slow_a_burst_waits_at_the_mqtt_broker(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto, 'time_field = "time"\nmax_in_flight = 10'))
    bridge = start(pipeline)
    with locked(pipeline):
        with devices_of(mosquitto) as devices:
            send(devices, range(NUMBER))
        assert bridge.interrupt(signal.SIGTERM) in (0, 1)
        assert "not acknowledged" in bridge.said or "ended on the spot" in bridge.said
    assert pipeline.count("readings") < NUMBER, "the lock has held"
    bridge = start(pipeline)
    await_all(pipeline, NUMBER, bridge)


def test_retained_messages_are_old_values_and_are_not_taken_unless_told(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    with devices_of(mosquitto) as devices:
        devices.publish("plant/a/temperature", '{"value":1,"time":5}', retain=True)
        devices.flush()
        pipeline = start_pipeline(section(mosquitto, 'version = "3.1.1"'))
        bridge = start(pipeline)
        devices.publish("plant/a/temperature", '{"value":2,"time":6}')
        devices.flush()
        eventually(lambda: received(pipeline) == [2], WITHIN_S, lambda: bridge.said)
        assert bridge.interrupt() == 0
        assert "retained 1" in bridge.said
        bridge = start(pipeline, mqtt__retained="true", mqtt__client_id="another")
        eventually(lambda: received(pipeline) == [2, 1], WITHIN_S, lambda: bridge.said)


def test_bridges_that_share_a_client_id_are_told_so_and_lose_nothing(mosquitto: Mosquitto, start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline(section(mosquitto))
    first, second = start(pipeline), start(pipeline)
    eventually(lambda: "does another client use mqtt.client_id" in first.said, WITHIN_S, lambda: first.said)
    with devices_of(mosquitto) as devices:
        send(devices, range(NUMBER))
    await_all(pipeline, NUMBER, second)


def assert_refused(pipeline: Pipeline, code: int, said: str, **settings: str) -> None:
    done = pipeline.run("mqtt", within_s=WITHIN_S, **settings)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_wrong_is_said_with_a_remedy(start_mosquitto: StartBroker, start_pipeline: StartPipeline, tmp_path: Path) -> None:
    files = make_tls_files(tmp_path)
    broker = start_mosquitto(Guarded("bridge", "right", Path(files.keystore), Path(files.authority)))
    right = f'tls = true\nssl_cafile = "{files.authority}"\nusername = "bridge"\npassword = "right"\n'
    pipeline = start_pipeline(section(broker, right))
    bridge = start(pipeline)
    assert bridge.interrupt() == 0
    assert "right" not in pipeline.run("check").stdout, "a password is never shown"
    assert_refused(pipeline, 3, "look at mqtt.username, mqtt.password", mqtt__password="wrong")
    assert_refused(pipeline, 3, "set mqtt.ssl_cafile", mqtt__ssl_cafile=str(files.stranger))
    assert_refused(pipeline, 3, "the name in it", mqtt__host="127.0.0.1")
    assert_refused(pipeline, 3, "is it the host and port of an MQTT broker", mqtt__port="1")
    assert_refused(pipeline, 3, "is it the host and port of an MQTT broker", mqtt__host="no-such-host.invalid")
    assert_refused(pipeline, 2, "cannot be used", mqtt__ssl_cafile="nowhere.pem")
    assert_refused(pipeline, 2, "sensorline topics create", topics__readings="nowhere.readings")
    assert_refused(pipeline, 2, "memory://", broker__url="memory://")


def test_without_its_section_a_feed_says_what_to_write(start_pipeline: StartPipeline) -> None:
    pipeline = start_pipeline("")
    for command in ("mqtt", "http", "ingest"):
        done = pipeline.run(command)
        assert done.returncode == 2
        assert f"write [{command}] " in done.stderr
