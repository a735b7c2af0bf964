"""Records as lines of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.records import Rejection, RejectReason
from pipeline.wire.lines import json_line
from pipeline.wire.rejected import rejected_message


def record(value: bytes | None, key: bytes | None = b"a", headers: Headers = ()) -> Record:
    """A record at offset 7 of partition 3."""
    return Record("sensor.any", 3, 7, 1_000, key, value, headers)


def line_of(kind: str, of: Record, topic: str | None = None) -> Any:
    """The line, read again."""
    line = json_line(kind, of, topic)
    assert line is not None
    assert b"\n" not in line
    return json.loads(line)


def test_a_reading_is_shown_as_it_is_but_on_one_line() -> None:
    sent = b'{\n "device": "a", "time": "2026-01-01T00:00:00Z", "values": {"x": null}, "more": [1]}'
    assert line_of("readings", record(sent)) == json.loads(sent)


def test_a_tick_is_not_shown() -> None:
    assert json_line("readings", record(None, key=b"")) is None


@pytest.mark.parametrize("kind", ["readings", "windows", "predictions", "alerts"])
@pytest.mark.parametrize("value", [b"", b"{", b"7", b"\xff\xfe", None])
def test_what_does_not_belong_on_the_topic_is_shown_with_its_place(kind: str, value: bytes | None) -> None:
    shown = line_of(kind, record(value))
    assert shown.keys() == {"undecodable", "partition", "offset", "value"}
    assert (shown["partition"], shown["offset"]) == (3, 7)


def test_the_topic_comes_first_where_it_is_asked_for() -> None:
    shown = line_of("alerts", record(b'{"id": "1"}'), topic="sensor.alerts")
    assert list(shown.items()) == [("topic", "sensor.alerts"), ("id", "1")]


def test_a_rejected_record_is_shown_with_what_its_headers_say() -> None:
    message: Message = rejected_message("sensor.rejected", record(b"\xffx"), Rejection(RejectReason.NOT_FINITE, "x is NaN", index=2))
    shown = line_of("rejected", Record("sensor.rejected", 0, 0, 0, message.key, message.value, message.headers))
    assert shown == {
        "reason": "not_finite",
        "error": "x is NaN",
        "source": {"topic": "sensor.any", "partition": 3, "offset": 7},
        "key": "a",
        "value": "\\xffx",
        "index": 2,
    }
