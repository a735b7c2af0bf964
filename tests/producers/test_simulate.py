"""The fleet as a recording with labels, and live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import MissingTopic
from pipeline.recordings.files import read_recording
from pipeline.recordings.labels import read_labels
from pipeline.records import Reading
from producers.simulate import publish_fleet, record_fleet
from producers.simulator.fleet import readings
from producers.simulator.spec import MINUTE_MS, Faults, FleetSpec
from tests.producers.bench import NOW_MS, TOPIC, Bench

SPEC = FleetSpec(devices=4, duration_ms=10 * MINUTE_MS, faults=Faults(duplicate_rate=0.1))


def test_a_recording_holds_the_fleet_in_order_of_arrival(tmp_path: Path) -> None:
    path = tmp_path / "fleet.parquet"
    count = record_fleet(SPEC, path)
    assert list(read_recording(path)) == list(readings(SPEC))
    assert count == len(list(readings(SPEC)))


def test_labels_tell_the_wear_of_each_device_and_event_time_once(tmp_path: Path) -> None:
    record_fleet(SPEC, tmp_path / "fleet.parquet", tmp_path / "labels.parquet")
    labels = list(read_labels(tmp_path / "labels.parquet"))
    recorded = {(reading.device, reading.time) for reading in read_recording(tmp_path / "fleet.parquet")}
    assert len(labels) == len(recorded)
    assert {(label.device, label.time) for label in labels} == recorded
    assert all(0 <= label.outputs["wear"] <= 1 for label in labels)


def test_live_readings_come_at_their_time_without_an_arrival_header(bench: Bench) -> None:
    spec = replace(SPEC, faults=Faults.none())
    count = publish_fleet(bench.broker, TOPIC, spec, bench.pacer)
    records = bench.records()
    assert count == len(records) > 100
    assert all(record.headers == () for record in records)
    for record in records:
        reading = msgspec.json.decode(record.value or b"", type=Reading)
        assert record.key == reading.device.encode()
        assert NOW_MS <= reading.time <= record.timestamp <= reading.time + 500


def test_a_live_fleet_without_an_end_goes_on_until_it_is_stopped(bench: Bench) -> None:
    bench.hand.stop_at_s = 600
    count = publish_fleet(bench.broker, TOPIC, replace(SPEC, duration_ms=None), bench.pacer)
    assert count == len(bench.records()) > 100
    assert bench.clock.now_ms() - NOW_MS == pytest.approx(600_000, abs=60_000)


def test_a_live_fleet_needs_its_topic(bench: Bench) -> None:
    with pytest.raises(MissingTopic):
        publish_fleet(bench.broker, "nowhere", SPEC, bench.pacer)
