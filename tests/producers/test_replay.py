"""A replay: what it puts into each partition, at what pace, and when it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pipeline.brokers.protocol import Message, Record, TopicSettings
from pipeline.errors import ConfigurationError, MissingTopic, SensorlineError
from pipeline.records import Reading
from pipeline.wire.headers import arrival_header, header, is_reset, is_tick
from producers.replay import ReplayPolicy, last_records, replay
from tests.producers.bench import NOW_MS, PARTITIONS, TOPIC, Bench

MAX = ReplayPolicy(idle_timeout_ms=60_000, speed=None)
READINGS = [Reading(f"pump-{number}", number * 1000, {"t": number / 2}, 5_000 + number * 1000) for number in range(10)]


def arrival(record: Record) -> int:
    return int(header(record.headers, "arrival") or b"-1")


def test_each_partition_gets_a_reset_its_readings_and_a_closing_tick(bench: Bench) -> None:
    done = replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    assert (done.readings, done.last_arrival, done.stopped) == (10, 14_000, False)
    for partition in range(PARTITIONS):
        first, *between, last = bench.records(partition)
        assert (is_reset(first), first.key, arrival(first)) == (True, b"", 5_000)
        assert not any(is_tick(record) for record in between)
        assert (is_tick(last), is_reset(last), last.key, arrival(last)) == (True, False, b"", 74_000)


def test_a_reading_travels_under_its_device_with_its_arrival_as_a_header(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    records = [record for record in bench.records() if record.value is not None]
    published = {(record.key, arrival(record), record.value) for record in records}
    assert published == {
        (
            reading.device.encode(),
            reading.arrival,
            json.dumps({"device": reading.device, "time": reading.time, "values": reading.values}, separators=(",", ":")).encode(),
        )
        for reading in READINGS
    }


def test_without_arrivals_the_header_is_the_running_maximum_of_event_time(bench: Bench) -> None:
    readings = [Reading("pump-7", time, {"t": 1.0}) for time in (5, 3, 9)]
    replay(bench.broker, TOPIC, readings, MAX, bench.pacer)
    assert [arrival(record) for record in bench.records() if record.value is not None] == [5, 5, 9]


def test_no_close_leaves_out_the_closing_tick(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000, speed=None, close=False), bench.pacer)
    assert [is_reset(record) for record in bench.records() if is_tick(record)] == [True] * PARTITIONS


def test_a_recording_without_readings_publishes_nothing(bench: Bench) -> None:
    done = replay(bench.broker, TOPIC, [], MAX, bench.pacer)
    assert (done.readings, done.last_arrival, bench.records()) == (0, None, [])


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 9.0), (10.0, 0.9), (0.5, 18.0)])
def test_the_pace_is_that_of_the_arrivals_divided_by_speed(speed: float, seconds: float, bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000, speed), bench.pacer)
    assert sum(bench.hand.waits) == pytest.approx(seconds, abs=0.01)
    stamps = sorted(record.timestamp - NOW_MS for record in bench.records() if record.value is not None)
    assert stamps == [round(number * 1000 / speed) for number in range(10)]


def test_at_max_speed_it_never_waits(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    assert bench.hand.waits == []


def test_a_wait_of_days_is_taken_in_pieces(bench: Bench) -> None:
    days = [Reading("pump-7", time, {}, time) for time in (0, 86_400_000)]
    replay(bench.broker, TOPIC, days, ReplayPolicy(60_000), bench.pacer)
    assert max(bench.hand.waits) <= 60
    assert sum(bench.hand.waits) == pytest.approx(86_400)


def test_told_to_stop_it_ends_with_what_was_sent_and_no_closing_tick(bench: Bench) -> None:
    bench.hand.stop_at_s = 3.5
    done = replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000), bench.pacer)
    assert (done.readings, done.last_arrival, done.stopped) == (4, 8_000, True)
    assert len([record for record in bench.records() if record.value is not None]) == 4
    assert len([record for record in bench.records() if is_tick(record)]) == PARTITIONS


def test_progress_tells_readings_and_event_time(bench: Bench) -> None:
    told: list[tuple[int, int]] = []
    many = [Reading("pump-7", time, {"t": 1.0}, time) for time in range(12_000)]
    replay(bench.broker, TOPIC, many, MAX, bench.pacer, lambda count, time: told.append((count, time)))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == (12_000, 11_999)
    assert all(count == time + 1 for count, time in told)


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_a_topic_whose_last_record_is_live_is_refused(partition: int, bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    before = bench.records()
    bench.publish(Message(TOPIC, b"pump-7", b"{}", partition=partition))
    with pytest.raises(ConfigurationError, match=f"the last record of partition {partition} is live.*--force"):
        replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    assert len(bench.records()) == len(before) + 1


def test_force_replays_into_a_live_topic(bench: Bench) -> None:
    bench.publish(Message(TOPIC, b"pump-7", b"{}"))
    done = replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000, speed=None, force=True), bench.pacer)
    assert done.readings == 10


def test_a_replay_may_follow_a_replay_also_over_earlier_live_records(bench: Bench) -> None:
    bench.publish(*(Message(TOPIC, b"x", b"{}", partition=partition) for partition in range(PARTITIONS)))
    replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000, speed=None, force=True), bench.pacer)
    assert replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer).readings == 10


def test_the_last_record_of_each_partition_is_found_behind_many(bench: Bench) -> None:
    bench.publish(*(Message(TOPIC, b"x", b"%d" % number, (arrival_header(1),), partition=number % 2) for number in range(3_001)))
    assert sorted((record.partition, record.value) for record in last_records(bench.broker, TOPIC)) == [(0, b"3000"), (1, b"2999")]


def test_readings_out_of_order_are_refused(bench: Bench) -> None:
    with pytest.raises(SensorlineError, match="reading 2, of pump-7, is not in replay order"):
        replay(bench.broker, TOPIC, [Reading("pump-7", 1, {}, 2), Reading("pump-7", 1, {}, 1)], MAX, bench.pacer)


def test_a_reading_larger_than_the_topic_takes_is_named(bench: Bench) -> None:
    with pytest.raises(SensorlineError, match=r"reading of pump-7 at 1: .*leave it out"):
        replay(bench.broker, TOPIC, [Reading("pump-7", 1, {"mode": "x" * 2_000}, 1)], MAX, bench.pacer)


def test_a_missing_topic_is_an_error_also_for_an_empty_recording(bench: Bench) -> None:
    with pytest.raises(MissingTopic):
        replay(bench.broker, "nowhere", [], MAX, bench.pacer)


def test_a_topic_without_partitions_in_use_is_replayed_to(bench: Bench) -> None:
    bench.broker.create_topic(TopicSettings("fresh", 1))
    assert replay(bench.broker, "fresh", READINGS, MAX, bench.pacer).readings == 10
    assert bench.broker.end_offsets("fresh") == {0: 12}


@pytest.mark.parametrize(
    ("policy", "complaint"), [({"speed": 0.0}, "speed = 0.0"), ({"speed": float("nan")}, "speed"), ({"idle_timeout_ms": 0}, "idle")]
)
def test_a_pace_that_is_none_is_refused(policy: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        ReplayPolicy(**{"idle_timeout_ms": 1, **policy})  # type: ignore[arg-type]


def test_told_to_stop_it_ends_at_max_speed_too(bench: Bench) -> None:
    bench.hand.stop_at_s = 0
    assert replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer).stopped


def test_a_log_that_does_not_take_what_is_sent_ends_the_replay_with_its_error(bench: Bench) -> None:
    def readings_of_a_topic_that_goes_away() -> Iterator[Reading]:
        yield from READINGS
        bench.broker.delete_topic(TOPIC)

    with pytest.raises(MissingTopic):
        replay(bench.broker, TOPIC, readings_of_a_topic_that_goes_away(), MAX, bench.pacer)
