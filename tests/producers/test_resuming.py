"""A replay that was stopped or killed goes on where it was: the topic then holds what one uninterrupted replay puts there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from pipeline.brokers.protocol import Record
from pipeline.errors import ConfigurationError
from pipeline.recordings.selection import Selection
from pipeline.records import Reading
from producers.replay import ReplayPolicy, replay
from producers.resuming import Published
from tests.producers.bench import PARTITIONS, TOPIC, Bench

MAX = ReplayPolicy(idle_timeout_ms=60_000, speed=None)
RESUMED = replace(MAX, resume=True)
READINGS = [Reading(f"pump-{number % 7}", number * 1000, {"t": number / 2}, 5_000 + number * 1000) for number in range(50)]


class Killed(Exception):
    """The process dies; nothing is said to anybody."""


def content(records: list[Record]) -> list[tuple[int, bytes | None, bytes | None, object]]:
    return sorted((record.partition, record.key, record.value, record.headers) for record in records)


def whole(bench: Bench) -> list[tuple[int, bytes | None, bytes | None, object]]:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    records = content(bench.records())
    bench.broker.delete_topic(TOPIC)
    bench.create()
    return records


@pytest.mark.parametrize("seconds", [0.5, 1, 17.5, 48.5])
def test_a_stopped_replay_is_resumed_without_a_reading_twice(seconds: float, bench: Bench) -> None:
    wanted = whole(bench)
    bench.hand.stop_at_s = bench.clock.monotonic_s() - bench.hand.begun_s + seconds
    stopped = replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000), bench.pacer)
    assert stopped.stopped
    bench.hand.stop_at_s = float("inf")
    done = replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer)
    assert done.readings + stopped.readings == len(READINGS)
    assert content(bench.records()) == wanted


@pytest.mark.parametrize("seed", range(10))
def test_a_killed_replay_that_reached_the_partitions_unequally_is_resumed(seed: int, bench: Bench) -> None:
    """Of what was in flight any beginning of each partition may be in the log."""
    wanted = whole(bench)
    random = Random(seed)
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    sent = bench.records()
    bench.broker.delete_topic(TOPIC)
    bench.create()
    for partition in range(PARTITIONS):
        of_it = [record for record in sent if record.partition == partition]
        bench.republish(of_it[: random.randint(0 if partition else 1, len(of_it))])
    replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer)
    assert {*content(bench.records())} == {*wanted}
    assert len([record for record in bench.records() if record.value is not None]) == len(READINGS)


def test_a_replay_that_has_ended_has_nothing_to_resume(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    before = bench.records()
    assert replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer).readings == 0
    assert bench.records() == before


def test_a_replay_killed_by_its_recording_is_resumed(bench: Bench) -> None:
    def broken() -> Iterator[Reading]:
        yield from READINGS[:20]
        raise Killed

    with pytest.raises(Killed):
        replay(bench.broker, TOPIC, broken(), replace(MAX, speed=1000), bench.pacer)
    replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer)
    assert len([record for record in bench.records() if record.value is not None]) == len(READINGS)


def test_without_a_beginning_there_is_nothing_to_resume(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match=r"no beginning of this replay.*leave out --resume"):
        replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer)


def test_another_recording_is_not_resumed(bench: Bench) -> None:
    bench.hand.stop_at_s = 20
    replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000), bench.pacer)
    bench.hand.stop_at_s = float("inf")
    other = [READINGS[0], *(replace_arrival(reading) for reading in READINGS[1:])]
    with pytest.raises(ConfigurationError, match="it is not the same recording"):
        replay(bench.broker, TOPIC, other, RESUMED, bench.pacer)


def replace_arrival(reading: Reading) -> Reading:
    return Reading(reading.device, reading.time, reading.values, (reading.arrival or 0) + 1)


def test_what_is_published_is_known_by_device(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS[:10], MAX, bench.pacer)
    published = Published(bench.broker, TOPIC)
    begun = published.begun(5_000)
    left = list(published.remaining(((reading.arrival or 0, reading) for reading in READINGS), begun))
    assert [reading for _, reading in left] == READINGS[10:]


def test_each_reading_is_asked_for_when_it_goes_step_by_step(bench: Bench) -> None:
    asked: list[Reading] = []

    def ask(reading: Reading) -> bool:
        assert len([record for record in bench.records() if record.value is not None]) == len(asked), "the last one is in the log"
        asked.append(reading)
        return len(asked) < 4

    done = replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000), replace(bench.pacer, ask=ask))
    assert (done.readings, done.stopped, asked) == (3, True, READINGS[:4])
    assert bench.hand.waits == []


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(from_ms=10_000), range(5, 50)),
        (Selection(to_ms=10_000), range(5)),
        (Selection(from_ms=7_000, to_ms=20_000, devices=frozenset({"pump-3"})), [3, 10]),
    ],
    ids=str,
)
def test_a_selection_is_by_arrival_and_device(selection: Selection, numbers: list[int]) -> None:
    assert list(selection.of(READINGS)) == [READINGS[number] for number in numbers]


def test_a_selected_reading_keeps_the_arrival_that_it_has_in_the_whole_recording() -> None:
    readings = [Reading("a", 9, {}), Reading("b", 3, {}), Reading("b", 12, {})]
    assert [reading.arrival for reading in Selection(devices=frozenset({"b"})).of(readings)] == [9, 12]


def test_copies_are_other_devices(bench: Bench) -> None:
    done = replay(bench.broker, TOPIC, Selection(copies=3).of(READINGS), MAX, bench.pacer)
    assert done.readings == 150
    keys = {record.key for record in bench.records() if record.value is not None}
    assert keys == {f"pump-{number}{copy}".encode() for number in range(7) for copy in ("", "~2", "~3")}


def test_a_replay_after_an_earlier_one_is_resumed_from_its_own_beginning(bench: Bench) -> None:
    replay(bench.broker, TOPIC, READINGS, MAX, bench.pacer)
    bench.hand.stop_at_s = 17.5
    stopped = replay(bench.broker, TOPIC, READINGS, ReplayPolicy(60_000), bench.pacer)
    bench.hand.stop_at_s = float("inf")
    assert 0 < stopped.readings < len(READINGS)
    done = replay(bench.broker, TOPIC, READINGS, RESUMED, bench.pacer)
    assert done.readings == len(READINGS) - stopped.readings
    assert len([record for record in bench.records() if record.value is not None]) == 2 * len(READINGS)
