"""Bodies of requests: what is published of them, and what their senders are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import RejectReason
from pipeline.wire.readings import Decoded, ReadingDecoder
from producers.feeds.bodies import MAX_ITEMS, MAX_TOLD, Answer, BodyReader, TooManyItems

DECODER = ReadingDecoder(("temperature", "vibration"))
READER = BodyReader("readings", DECODER, 10_000)

VALUES = st.sampled_from([1, 2.5, None, "hot", 1e99, True, float("nan"), [1]])
SINGLES = st.fixed_dictionaries(
    {"device": st.sampled_from(["a", "b", "", 3]), "values": st.dictionaries(st.sampled_from(["temperature", "vibration", "x"]), VALUES)},
    optional={"time": st.sampled_from([1, 2, "2026-01-01T00:00:00Z", "soon", None])},
)


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    length = draw(st.integers(0, 4))
    times = draw(st.lists(st.sampled_from([1, 2, 3, "soon"]), min_size=length, max_size=length))
    column = st.lists(VALUES, min_size=length, max_size=length) | st.lists(VALUES, max_size=2)
    return {"device": "a", "times": times, "values": draw(st.dictionaries(st.sampled_from(["temperature", "x"]), column))}


ITEMS = st.lists(SINGLES | batches() | st.none() | st.integers(), max_size=6)


def published(body: bytes, lines: bool = False) -> tuple[list[Any], Answer]:
    messages, answer = READER.read(body, lines)
    return [json.loads(message.value or b"") for message in messages], answer


@given(ITEMS)
def test_what_is_published_is_good_and_what_is_not_is_told(items: list[Any]) -> None:
    messages, answer = READER.read(json.dumps(items).encode(), lines=False)
    decoded = [DECODER.decode(message.key, message.value) for message in messages]
    rows = [row for found in decoded if isinstance(found, Decoded) for row in found.rows]
    assert all(isinstance(found, Decoded) for found in decoded)
    assert all(isinstance(row, tuple) for row in rows)
    assert len(rows) == answer.accepted
    assert answer.refused == len(answer.errors)
    assert len(messages) + len({refusal.item for refusal in answer.errors}) >= len(items)


@given(ITEMS)
def test_lines_are_judged_as_a_list_is(items: list[Any]) -> None:
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    as_lines, as_list = published(lines, lines=True), published(json.dumps(items).encode())
    assert json.dumps(as_lines[0]) == json.dumps(as_list[0])
    assert as_lines[1] == as_list[1]


def test_a_good_body_is_published_as_it_came() -> None:
    body = b' {"device": "pump-7", "time": 1, "values": {"temperature": 1}, "note": "kept"}'
    messages, answer = READER.read(body, lines=False)
    assert [(message.topic, message.key, message.value) for message in messages] == [("readings", b"pump-7", body)]
    assert answer == Answer(accepted=1)


def test_of_a_batch_the_good_readings_are_published() -> None:
    body = json.dumps({"device": "a", "times": [1, 2, 3], "values": {"temperature": [1, "hot", None], "vibration": [None, 2, 3], "x": [0]}})
    found, answer = published(body.encode())
    assert found == [{"device": "a", "times": [1, 3], "values": {"temperature": [1, None], "vibration": [None, 3]}}]
    assert (answer.accepted, answer.refused) == (2, 1)
    assert [(refusal.item, refusal.index, refusal.reason) for refusal in answer.errors] == [(0, 1, RejectReason.SCHEMA)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", RejectReason.JSON),
        (b"{", RejectReason.JSON),
        (b"[{]", RejectReason.JSON),
        (b"[" * 100_000, RejectReason.JSON),
        (b'{"device":' * 100_000, RejectReason.JSON),
        (b"\xff\xfe", RejectReason.JSON),
        (b'{"device":"a","time":1,"values":{"temperature":1},"\xbb":0}', RejectReason.JSON),
        (b"3", RejectReason.SCHEMA),
        (b'{"device":"a","values":{"temperature":1}}', RejectReason.SCHEMA),
        (b'{"device":"a","time":1,"values":{"temperature":NaN}}', RejectReason.NOT_FINITE),
        (b'{"device":"\\ud800","time":1,"values":{"temperature":NaN}}', RejectReason.SCHEMA),
        (b'{"device":"a","time":1,"values":{"pressure":1}}', RejectReason.EMPTY),
        (b'{"device":"a","time":1,"values":{"temperature":1},"note":"%s"}' % (b"x" * 10_000), RejectReason.TOO_LARGE),
    ],
)
def test_a_bad_body_is_refused_for_the_reason_of_the_rejected_topic(body: bytes, reason: RejectReason) -> None:
    found, answer = published(body)
    assert found == []
    assert (answer.accepted, answer.refused) == (0, 1)
    assert answer.errors[0].reason is reason


@pytest.mark.parametrize(("body", "lines"), [(b"[" + b"0," * MAX_ITEMS + b"0]", False), (b"0\n" * (MAX_ITEMS + 1), True)])
def test_items_are_bounded(body: bytes, lines: bool) -> None:
    with pytest.raises(TooManyItems):
        READER.read(body, lines)


def test_all_refusals_are_counted_but_only_some_told() -> None:
    _, answer = published(b"[" + b"0," * MAX_TOLD + b"0]")
    assert (answer.refused, len(answer.errors)) == (MAX_TOLD + 1, MAX_TOLD)
