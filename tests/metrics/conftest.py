"""Processes that are asked for their metrics after they have done everything once: all stages in one, and each live feed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from pipeline.brokers.protocol import Message
from pipeline.core.drift import distribution
from pipeline.records import Alert, AlertState, Reading
from pipeline.scoring.bundle import write_bundle
from pipeline.scoring.contract import MODEL_FILE
from pipeline.wire.alerts import encode_alert
from tests.support.broker_logs import publish
from tests.support.commands import eventually
from tests.support.kafka_server import free_ports
from tests.support.models import make_contract, save, sound_model
from tests.support.mosquitto import devices_of, running_mosquitto
from tests.support.pipelines import new_pipeline
from tests.support.receiver import TAKEN, Receiver
from tests.support.served import Served, serving
from tests.support.windows import session_policy

SENSORS = '[sensors]\nnames = ["temperature", "vibration"]\n'
SECTIONS = f"""{SENSORS}
[window]
gap = "10s"
out_of_orderness = "2s"
max_behind = "1000000d"
[model]
path = "pump"
[[alerts]]
name = "worn"
output = "rul"
below = 1000000.0
"""
SHOWN_WITHIN_S = 120


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    seen = [distribution(name, np.arange(100, dtype=np.float32)) for name in make_contract(session_policy()).things]
    contract = make_contract(session_policy(), distributions=tuple(seen))
    write_bundle(folder / "pump", contract, {MODEL_FILE: save(sound_model(), Path(folder) / "keras")})
    with ExitStack() as processes:
        pipeline = new_pipeline(folder, "sqlite:///", SECTIONS, processes)
        served = serving(pipeline, partial(pipeline.start, "--log-format", "json", "--log-level", "debug", "run"))
        readings = [Reading("pump", 1000 * step, {"temperature": 20.0, "vibration": 0.5}) for step in (*range(5), 100, 101, 200)]
        pipeline.publish(*readings, Reading("pump", 1, {"temperature": 1.0}))
        eventually(lambda: pipeline.alerts(), SHOWN_WITHIN_S, lambda: served.process.said)
        # A stage's counts are shown some seconds late, each stage's in its own time.
        for count, stage, value in (("received", "window", 9), ("scored", "score", 2), ("received", "alert", 2)):
            shown = f'sensorline_{count}_total{{pipeline="{pipeline.name}",stage="{stage}"}} {value:.1f}'
            eventually(partial(served.shows, shown), SHOWN_WITHIN_S, lambda: served.get("/metrics")[1])
        yield served


@pytest.fixture(scope="session")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge that was sent one reading and one message that is none."""
    folder = tmp_path_factory.mktemp("bridge")
    with running_mosquitto(folder / "mosquitto") as broker, ExitStack() as processes:
        section = f'[mqtt]\nport = {broker.port}\ntopics = ["plant/{{device}}/{{sensor}}"]\n'
        pipeline = new_pipeline(folder / "pipeline", "sqlite:///", SENSORS + section, processes)
        served = serving(pipeline, partial(pipeline.start, "mqtt"))
        served.await_ready(SHOWN_WITHIN_S)
        with devices_of(broker) as devices:
            devices.publish("plant/a/temperature", "21.5")
            devices.publish("plant/a/pressure", "1")
            devices.flush()
            served.await_sample("sensorline_records_out_total", "mqtt", 2, SHOWN_WITHIN_S)
        yield served


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An HTTP server that was sent one reading and one body that is none."""
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as processes:
        port = free_ports(1)[0]
        pipeline = new_pipeline(folder / "pipeline", "sqlite:///", f"{SENSORS}[http]\nport = {port}\n", processes)
        served = serving(pipeline, partial(pipeline.start, "http"))
        served.await_ready(SHOWN_WITHIN_S)
        for body in ({"device": "a", "time": 1, "values": {"temperature": 21.5}}, {"device": "a"}):
            httpx.post(f"http://127.0.0.1:{port}/readings", json=body, trust_env=False)
        yield served


@pytest.fixture(scope="session")
def notifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A notifier whose receiver took one alert and refused another one until it was given up."""
    receiver = Receiver(answer=lambda request: 422 if request.alert.device == "b" else TAKEN).open()
    section = f'[[destinations]]\nname = "ops"\nkind = "webhook"\nurl = "{receiver.url}"\nbackoff = "1ms"\nlongest_backoff = "2ms"\n'
    with ExitStack() as processes:
        processes.callback(receiver.close)
        pipeline = new_pipeline(tmp_path_factory.mktemp("notifier"), "sqlite:///", SENSORS + section, processes)
        served = serving(pipeline, partial(pipeline.start, "notify"))
        alerts = [Alert(device, device, "worn", AlertState.RAISED, 1, 1, 0.5, ()) for device in "ab"]
        publish(pipeline.broker, *[Message(pipeline.settings.topics.alerts, it.device.encode(), encode_alert(it)) for it in alerts])
        served.await_sample("sensorline_rejected_total", "notify.ops/receiver", 1, SHOWN_WITHIN_S)
        yield served
