"""`sensorline check` tries what the feeds need, changes nothing by it, and says what is wrong with a remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.feeds.conftest import WITHIN_S, StartBroker, StartPipeline
from tests.support.commands import eventually
from tests.support.mosquitto import Guarded, devices_of
from tests.support.pipelines import Pipeline
from tests.support.tls_files import make_tls_files


def finds(pipeline: Pipeline, code: int, said: str, **settings: str) -> None:
    done = pipeline.run("check", within_s=WITHIN_S, **settings)
    assert done.returncode == code, done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stdout
    assert said in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_mqtt_broker_is_tried_beside_a_bridge_at_work(
    start_mosquitto: StartBroker, start_pipeline: StartPipeline, version: str
) -> None:
    broker = start_mosquitto(Guarded("bridge", "right"))
    section = f'[mqtt]\nport = {broker.port}\ntopics = ["plant/{{device}}/{{sensor}}"]\nversion = "{version}"\n'
    pipeline = start_pipeline(f'{section}username = "bridge"\npassword = "right"\n')
    bridge = pipeline.start("mqtt")
    eventually(lambda: "taking messages of" in bridge.said, WITHIN_S, lambda: bridge.said)
    assert "ok: mqtt broker" in pipeline.succeeds("check").stdout
    with devices_of(broker, "bridge", "right") as devices:
        devices.publish("plant/a/temperature", "21.5")
        devices.flush()
    eventually(lambda: pipeline.count("readings") == 1, WITHIN_S, lambda: bridge.said)
    assert bridge.interrupt() == 0
    assert "connecting again" not in bridge.said, "the bridge was left alone"


def test_an_mqtt_broker_that_does_not_let_us_in_is_an_error(
    start_mosquitto: StartBroker, start_pipeline: StartPipeline, tmp_path: Path
) -> None:
    files = make_tls_files(tmp_path)
    broker = start_mosquitto(Guarded("bridge", "right", files.keystore, files.authority))
    section = f'[mqtt]\nport = {broker.port}\ntopics = ["plant/{{device}}/{{sensor}}"]\n'
    pipeline = start_pipeline(f'{section}tls = true\nssl_cafile = "{files.authority}"\nusername = "bridge"\npassword = "right"\n')
    assert "ok: mqtt broker" in pipeline.succeeds("check").stdout
    finds(pipeline, 3, "look at mqtt.username, mqtt.password", mqtt__password="wrong")
    finds(pipeline, 3, "set mqtt.ssl_cafile", mqtt__ssl_cafile=str(files.stranger))
    finds(pipeline, 3, "is it the host and port of an MQTT broker", mqtt__port="1")
    finds(pipeline, 2, "cannot be used", mqtt__ssl_cafile="nowhere.pem")


def test_files_of_the_http_feed_are_read(start_pipeline: StartPipeline, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("key-of-a-gateway-0123456789")
    pipeline = start_pipeline(f'[http]\nkeys_file = "{keys}"\n')
    assert "ok: http keys and certificate" in pipeline.succeeds("check").stdout
    finds(pipeline, 2, "nowhere.txt", http__keys_file="nowhere.txt")
    finds(pipeline, 2, "http.ssl_certfile", http__ssl_certfile="nowhere.pem", http__ssl_keyfile="nowhere.pem")
    keys.write_text("short")
    finds(pipeline, 2, "line 1: a key is one word of at least 16")
