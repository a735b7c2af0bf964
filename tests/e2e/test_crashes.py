"""Windower, scorer and alerter killed in the middle of a stream: what comes out is that of a pass without any crash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path
from typing import Any, TypeVar

from pipeline.records import Alert, Prediction
from pipeline.wire.headers import arrival_header, tick
from producers.publishing import send_reading
from producers.simulator.fleet import readings
from tests.e2e.conftest import StartPipeline
from tests.support.broker_logs import publish
from tests.support.commands import Running, eventually
from tests.support.flows import contents
from tests.support.pipelines import Pipeline
from tests.support.simulated import FLEET, SECTIONS

ALERTS = """[[alerts]]
name = "wear"
output = "wear"
above = 0.5
clear_below = 0.45
for = "2 of 3"
"""
STAGES = ("window", "score", "alert")
KILLED_AFTER = ("predictions", "windows")  # what all are killed after the first new one of, part by part
GOES_ON_WITHIN_S = 60  # a scorer starts TensorFlow, and Kafka waits for the session of the dead
TOLERANCE = 1e-5

Item = TypeVar("Item", Prediction, Alert)


def publish_part(pipeline: Pipeline, part: int) -> None:
    """A part of the recorded fleet, as a replay publishes it; after the last one all is closed."""
    recording = list(readings(FLEET))
    size = len(recording) // (len(KILLED_AFTER) + 1) + 1
    publisher = pipeline.broker.publisher()
    for reading in recording[part * size : (part + 1) * size]:
        send_reading(publisher, pipeline.readings, reading, (arrival_header(reading.arrival or 0),))
    publisher.flush()
    publisher.close()
    if part == len(KILLED_AFTER):
        closed = arrival_header((recording[-1].arrival or 0) + pipeline.settings.window.idle_timeout_ms)
        publish(pipeline.broker, *[tick(pipeline.readings, partition, (closed,)) for partition in range(pipeline.partitions)])


def start(pipeline: Pipeline) -> list[Running]:
    return [pipeline.start(stage, broker__kafka__session_timeout_ms="3000") for stage in STAGES]


def await_more(pipeline: Pipeline, kind: str, than: int, stages: list[Running]) -> None:
    eventually(lambda: pipeline.count(kind) > than, GOES_ON_WITHIN_S, lambda: [stage.said for stage in stages])


def await_all(found: Callable[[], Set[Any]], wanted: Set[Any], stages: list[Running]) -> None:
    eventually(lambda: found() >= wanted, GOES_ON_WITHIN_S, lambda: (len(wanted - found()), [stage.said for stage in stages]))


def by_identity(items: Iterable[Item]) -> dict[tuple[str, ...], Item]:
    """Each once; an alert's two records share their id."""
    found: dict[tuple[str, ...], Item] = {}
    for item in items:
        key = (item.id, item.state) if isinstance(item, Alert) else (item.id,)
        assert_equal(found.setdefault(key, item), item)
    return found


def assert_equal(one: Prediction | Alert, other: Prediction | Alert) -> None:
    """Equal but for the scores, which agree within the tolerance, and for when and in what batch they were made."""
    if isinstance(one, Prediction) and isinstance(other, Prediction):
        assert (one.id, one.device, one.window, one.model) == (other.id, other.device, other.window, other.model)
        assert one.outputs.keys() == other.outputs.keys()
        assert all(abs(one.outputs[name] - b) <= TOLERANCE * max(1, abs(b)) for name, b in other.outputs.items())
    elif isinstance(one, Alert) and isinstance(other, Alert):
        assert abs(one.value - other.value) <= TOLERANCE * max(1, abs(other.value))
        assert (one.id, one.device, one.rule, one.state) == (other.id, other.device, other.rule, other.state)
        assert (one.since, one.time, one.predictions) == (other.since, other.time, other.predictions)


def assert_all_equal(found: Mapping[tuple[str, ...], Item], wanted: Mapping[tuple[str, ...], Item]) -> None:
    assert found.keys() == wanted.keys()
    for key, item in wanted.items():
        assert_equal(found[key], item)


def test_processes_killed_in_the_middle_of_a_stream_leave_no_trace(start_pipeline: StartPipeline, wear_bundle: Path) -> None:
    pipeline = start_pipeline(f'{SECTIONS}[model]\npath = "{wear_bundle}"\n{ALERTS}')
    for part, kind in enumerate(KILLED_AFTER):
        before = pipeline.count(kind)
        stages = start(pipeline)
        publish_part(pipeline, part)
        await_more(pipeline, kind, before, stages)
        for stage in stages:
            stage.kill()
    publish_part(pipeline, len(KILLED_AFTER))
    stages = start(pipeline)

    reference = pipeline.beside()
    reference.succeeds("run", "--until-end")
    windows, predictions, alerts = contents(reference.windows()), by_identity(reference.predictions()), by_identity(reference.alerts())
    assert len(predictions) == len(reference.predictions()) > 100
    assert len(alerts) == len(reference.alerts()) > 2
    await_all(lambda: contents(pipeline.windows()).keys(), windows.keys(), stages)
    await_all(lambda: by_identity(pipeline.predictions()).keys(), predictions.keys(), stages)
    await_all(lambda: by_identity(pipeline.alerts()).keys(), alerts.keys(), stages)
    assert [stage.interrupt() for stage in stages] == [0, 0, 0]

    assert contents(pipeline.windows()) == windows
    assert_all_equal(by_identity(pipeline.predictions()), predictions)
    assert_all_equal(by_identity(pipeline.alerts()), alerts)
