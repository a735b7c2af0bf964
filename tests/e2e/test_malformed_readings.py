"""Malformed readings of every kind in a good stream: each is on the rejected topic, and its neighbours are in their windows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from pipeline.brokers.protocol import Broker, Headers, Message, Record
from pipeline.wire.headers import ARRIVAL, arrival_header, header, is_tick, tick
from pipeline.wire.windows import window_times
from tests.support.broker_logs import publish
from tests.support.flows import Flow, own_settings

START_MS = 1_767_225_600_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
STEPS = 6  # good readings of each device, a second apart
KEPT = 4  # of them in its window: max_length

WINDOW = {
    "gap": "10s",
    "max_length": KEPT,
    "overflow": "truncate",
    "keep": "first",
    "out_of_orderness": "1s",
    "max_behind": "1h",
}


class Bad(NamedTuple):
    """One record, and the (index, reason) that should come of it. `arrival` None: a header that says no time."""

    key: str
    value: bytes | None
    reasons: Sequence[tuple[int | None, str]]
    arrival: bytes | None = None


def reading(device: str, time: object, **values: object) -> bytes:
    return json.dumps({"device": device, "time": time, "values": values or {"a": 1.0}}).encode()


def malformed(device: str, now: int) -> Iterator[Bad]:
    """Records that a device sends at `now`, each of them wrong in its own way."""
    whole = [
        (b"{", "json"),
        (b"", "json"),
        (None, "json"),
        (b'{"device":"\xff"}', "json"),
        (json.dumps({"device": device, "values": {"a": 1}}).encode(), "schema"),
        (json.dumps({"time": now, "values": {"a": 1}}).encode(), "schema"),
        (reading(device, "yesterday"), "schema"),
        (reading(device, now, a="warm"), "schema"),
        (json.dumps({"device": device, "times": [now, now], "values": {"a": [1.0]}}).encode(), "schema"),
        (reading("somebody else", now), "key"),
        (reading(device, now, a=float("nan")), "not_finite"),
        (reading(device, now, a=1e39), "not_finite"),
        (reading(device, now, colour=7), "empty"),
        (reading(device, now, a=None), "empty"),
        (reading(device, now + 5 * MINUTE_MS + 1), "future"),
        (reading(device, now - HOUR_MS - 1), "past"),
        (reading(device, now - 1001), "late"),
    ]
    yield from (Bad(device, value, [(None, reason)]) for value, reason in whole)
    yield Bad(device, reading(device, now, a=2.0), [(None, "schema")], arrival=b"soon")


def batch(device: str, now: int) -> Bad:
    """A good batch of two readings, a second apart, with five bad ones among them."""
    times = [now, now, now + 5 * MINUTE_MS + 1, now - HOUR_MS - 1, now + 1000, "noon", now - 1]
    values = [5.0, 1e39, 1.0, 1.0, 6.0, 1.0, 1.0]
    value = json.dumps({"device": device, "times": times, "values": {"a": values}}).encode()
    return Bad(device, value, [(1, "not_finite"), (2, "future"), (3, "past"), (5, "schema"), (6, "late")])


DEVICES = [f"pump-{number}" for number in range(1, 19)]  # one for each malformed record, and so in every partition
BAD = [list(malformed(device, START_MS + 2000))[place] for place, device in enumerate(DEVICES)]
BATCH = batch("batches", START_MS + 2000)


def good(device: str, number: int) -> Message:
    now = START_MS + number * 1000
    return Message("", device.encode(), reading(device, now, a=number), (arrival_header(now),))


def stream() -> list[Message]:
    """The good readings of all devices, the third of them twice, with the malformed records after it."""
    messages = []
    for number in range(STEPS):
        messages += [good(device, number) for device in DEVICES]
        if number == 2:
            messages += [good(device, number) for device in DEVICES]
            for bad in (*BAD, BATCH):
                headers: Headers = ((ARRIVAL, bad.arrival or b"%d" % (START_MS + 2000)), ("trace", b"kept"))
                messages.append(Message("", bad.key.encode(), bad.value, headers))
    return messages


@pytest.fixture
def flow(connect: Callable[[], Broker]) -> Flow:
    """The stream has been published, closed by a tick, and windowed."""
    settings = own_settings(3, sensors={"names": ("a", "b")}, window=WINDOW)
    begun = Flow.begin(connect, settings)
    topic = settings.topics.readings
    closing = [tick(topic, partition, (arrival_header(START_MS + HOUR_MS),)) for partition in range(3)]
    publish(begun.broker, *[Message(topic, m.key, m.value, m.headers) for m in stream()], *closing)
    return begun


def source(record: Record, index: int | None) -> tuple[Any, ...]:
    return record.topic, record.partition, record.offset, index


def told_source(rejected: Record) -> tuple[Any, ...]:
    texts = {name: (header(rejected.headers, name) or b"").decode() for name in ("source.topic", "source.partition", "source.offset")}
    index = header(rejected.headers, "index")
    return texts["source.topic"], int(texts["source.partition"]), int(texts["source.offset"]), None if index is None else int(index)


def refused_bytes(bad: Bad, index: int | None) -> bytes | None:
    """The record as it was; of a batch the reading alone."""
    if index is None:
        return bad.value
    whole = json.loads(bad.value or b"")
    one = {"device": whole["device"], "time": whole["times"][index], "values": {"a": whole["values"]["a"][index]}}
    return json.dumps(one, separators=(",", ":")).encode()


def test_each_malformed_reading_is_rejected_with_its_reason_place_bytes_and_key(flow: Flow) -> None:
    flow.run()
    expected = {}
    for record in flow.records("readings"):
        for bad in (*BAD, BATCH):
            if (record.key, record.value) == (bad.key.encode(), bad.value) and not is_tick(record):
                for index, reason in bad.reasons:
                    expected[source(record, index)] = (reason, record.key, refused_bytes(bad, index))
    assert len(expected) == len(BAD) + len(BATCH.reasons)
    rejected = flow.records("rejected")
    assert {told_source(r): ((header(r.headers, "reason") or b"").decode(), r.key, r.value) for r in rejected} == expected
    assert len(rejected) == len(expected), "each once"
    assert all(header(record.headers, "trace") == b"kept" for record in rejected)
    assert all(header(record.headers, "error") for record in rejected)


def test_every_reason_for_a_reading_is_among_them() -> None:
    reasons = {reason for bad in BAD for _, reason in bad.reasons}
    assert reasons == {"json", "schema", "key", "not_finite", "empty", "future", "past", "late"}
    assert len(BAD) == len(list(malformed("any", 0))) == len(DEVICES)


def test_their_neighbours_are_in_their_windows(flow: Flow) -> None:
    flow.run()
    windows = {window.device: window for window in flow.windows()}
    kept = tuple(START_MS + number * 1000 for number in range(KEPT))
    assert {device: window_times(window) for device, window in windows.items()} == {
        **dict.fromkeys(DEVICES, kept),
        "batches": (START_MS + 2000, START_MS + 3000),
    }
    assert len(flow.windows()) == len(windows)


def test_nothing_disappears_by_the_counters_and_on_the_topics(flow: Flow) -> None:
    counts = flow.run()
    windows, rejected = flow.windows(), flow.records("rejected")
    merged, dropped = sum(window.merged for window in windows), sum(window.dropped for window in windows)
    windowed = sum(window.length - window.carried for window in windows)
    sent = len(stream()) - 1 + len(json.loads(BATCH.value or b"")["times"])
    assert sent == windowed + merged + dropped + len(rejected)
    assert (merged, dropped) == (len(DEVICES), len(DEVICES) * (STEPS - KEPT))
    rejections = sum(count for name, count in counts.items() if name.startswith("rejected_"))
    assert counts["received"] == sent
    assert (counts["merged"], counts["dropped"], rejections) == (merged, dropped, len(rejected))
    assert counts["open_steps"] == 0
