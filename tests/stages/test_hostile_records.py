"""Whatever clients write to the readings topic, the windower goes on: it can save what it has, and others can read what it says."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.brokers.admission import check_message, size_bytes
from pipeline.brokers.protocol import Message, Record
from pipeline.config.sections import TopicsSettings
from pipeline.core.policy import Count, Hopping, Keep, Overflow, Session, Shape, Tumbling, WindowPolicy
from pipeline.stages.protocol import Handover
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.headers import header
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window
from tests.support.streams import random_policy

TOPICS = TopicsSettings()
SETTINGS = {topic.name: topic for topic in TOPICS.all()}
SHAPES: list[Shape] = [Session(10), Tumbling(10), Hopping(20, 10), Count(4, 2, True)]
POLICY = WindowPolicy(Session(10), 0, 20, 5, Overflow.SPLIT, Keep.LAST)
EDGES = (0, 2**31, 2**53, 2**62, 2**63, 2**64)


def reading(time: int) -> bytes:
    return b'{"device":"d","time":%d,"values":{"a":1}}' % time


def published(policy: WindowPolicy, records: list[Record]) -> list[Message]:
    """What a windower publishes that lives until the records are read, and what one publishes that goes on from its state."""
    out: list[Message] = []
    handover = Handover(0, 0, writer="first")
    for ends in (False, True):
        stage = WindowStage(WindowTopics(TOPICS.readings, TOPICS.windows, TOPICS.rejected), policy, ReadingDecoder(["a"]), None)
        stage.assign(handover)
        out += stage.drain(0, 0) if ends else stage.step(records, 0)
        checkpoint = stage.checkpoint(0)
        state = [Record("state", 0, number, 0, write.key, write.value) for number, write in enumerate(checkpoint.writes)]
        handover = Handover(0, checkpoint.position.offset, checkpoint.position, state, "second")
    for message in out:
        check_message(message, SETTINGS[message.topic])
    return out


@given(
    st.builds(random_policy, st.randoms(use_true_random=False), st.just(SHAPES)),
    st.lists(st.builds(int.__add__, st.sampled_from([*EDGES, *[-edge for edge in EDGES]]), st.integers(-30, 30)), min_size=1, max_size=12),
    st.sampled_from([0, 2**53, 2**63 - 1]),
)
def test_any_event_time_is_in_a_window_or_rejected(policy: WindowPolicy, times: list[int], arrival: int) -> None:
    records = [Record(TOPICS.readings, 0, place, arrival, b"d", reading(time)) for place, time in enumerate(times)]
    for message in published(policy, records):
        if message.topic == TOPICS.windows:
            window = decode_window(message.value or b"")
            assert -(2**63) <= window.start <= window.end < 2**63


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, None, (("arrival", b"soon"),)),
        (b"", None, (("arrival", b"9" * 5_000),)),
        (b"d", b"{" + b"x" * 3_000_000, ()),
        (b"k" * 3_000_000, None, ()),
        (b"d", b"{", tuple(("h", b"") for _ in range(100_000))),
        (b"d", b"{", (("\N{SNOWMAN}" * 500_000, b""),)),
    ],
    ids=["a tick that is none", "an arrival beyond all numbers", "a large value", "a large key", "many headers", "a large header"],
)
def test_what_the_rejected_topic_would_not_take_as_it_is_comes_there_all_the_same(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    (message,) = published(POLICY, [Record(TOPICS.readings, 0, 0, 1_000, key, value, headers)])
    assert header(message.headers, "reason") in (b"json", b"schema", b"key")
    assert (value or b"").startswith(message.value or b"")


def test_a_batch_of_which_every_reading_is_refused_takes_little_more_room_than_it_had() -> None:
    behind = WindowPolicy(Session(10), 0, 20, 5, Overflow.SPLIT, Keep.LAST, max_behind_ms=1_000)
    times = list(range(2_000))
    value = json.dumps({"device": "d", "times": times, "values": {"a": [1.0] * len(times)}}).encode()
    messages = published(behind, [Record(TOPICS.readings, 0, 0, 2**40, b"d", value)])
    assert [json.loads(message.value or b"")["time"] for message in messages] == times
    assert sum(size_bytes(message) for message in messages) < 100 * len(value)


def test_of_a_large_record_the_beginning_is_kept_and_the_error_says_so() -> None:
    value = Random(1).randbytes(3_000_000)
    (message,) = published(POLICY, [Record(TOPICS.readings, 0, 0, 1_000, b"d", value)])
    assert message.value == value[:1_000_000]
    assert b"(only the beginning of a record of 3000" in (header(message.headers, "error") or b"")
