"""Records of other people's topics become readings, on all logs, with the runner that drives every stage."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pipeline.brokers.protocol import Broker, Message, Record, TopicSettings
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import Settings
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from pipeline.stages.ingest import IngestStage, IngestTopics
from pipeline.wire.headers import header
from pipeline.wire.mapping import FieldMapping, Mapper
from pipeline.wire.readings import ReadingDecoder
from producers.ingest import ingester
from tests.support.broker_logs import publish, unique_name
from tests.support.flows import own_settings

Connect = Callable[[], Broker]


def settings_for(connect: Connect) -> Settings:
    """A configuration on topics of its own, which are created, the foreign one too."""
    source = unique_name("raw")
    fields = {"topic": source, "device_field": "machine.id", "time_field": "at", "sensors": {"temperature": "t"}}
    settings = own_settings(2, sensors={"names": ["temperature"]}, ingest=fields)
    broker = connect()
    for topic in (*settings.topics.all(), TopicSettings(source, 3)):
        assert broker.create_topic(topic)
    return settings


def run(connect: Connect, settings: Settings) -> IngestStage:
    stage = ingester(settings)
    options = SessionOptions(settings.group(stage.name), max_records=50)
    Runner(connect, stage, options, SystemClock(), Finish.UNTIL_END).run(threading.Event())
    return stage


def records(connect: Connect, topic: str) -> list[Record]:
    broker = connect()
    return list(read_now(broker, topic, broker.end_offsets(topic)))


def test_each_record_becomes_a_reading_or_is_rejected_and_none_is_read_twice(connect: Connect) -> None:
    settings = settings_for(connect)
    assert settings.ingest is not None
    topic = settings.ingest.topic
    good = [b'{"machine":{"id":"m%d"},"at":%d,"t":%d.5}' % (number % 5, number, number) for number in range(200)]
    bad = [b"{", b'{"machine":{},"at":1,"t":2}', b'{"machine":{"id":"a"},"at":1,"t":"hot"}']
    publish(connect(), *[Message(topic, b"%d" % place, body, (("arrival", b"1"),)) for place, body in enumerate(good + bad)])
    assert dict(run(connect, settings).counts()) == {"received": 203, "readings": 200, "rejected_json": 1, "rejected_schema": 2}
    assert dict(run(connect, settings).counts()) == {}, "all was committed"

    readings = records(connect, settings.topics.readings)
    decoder = ReadingDecoder(["temperature"])
    assert len(readings) == 200
    assert all(record.key in {b"m0", b"m1", b"m2", b"m3", b"m4"} for record in readings)
    assert all(not isinstance(decoder.decode(record.key, record.value), tuple) for record in readings)
    assert not any(record.headers for record in readings), "a foreign header would move clocks"
    rejected = records(connect, settings.topics.rejected)
    assert sorted(record.value or b"" for record in rejected) == sorted(bad)
    assert {header(record.headers, "source.topic") for record in rejected} == {topic.encode()}


def stage(mapping: FieldMapping) -> IngestStage:
    mapper = Mapper(mapping, ReadingDecoder(["temperature"]))
    return IngestStage(IngestTopics("raw", "readings", "rejected"), mapper)


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record("raw", 0, 7, 1_000, key, value)


def test_without_fields_the_key_is_the_device_and_the_timestamp_the_time() -> None:
    messages = stage(FieldMapping({"temperature": "t"})).step([record(b"pump", b'{"t":1}')], 0)
    assert messages == [Message("readings", b"pump", b'{"device":"pump","time":1000,"values":{"temperature":1}}')]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [(None, b'{"t":1}', b"no device"), (b"\xff", b'{"t":1}', b"no device"), (b"a", None, b"empty"), (None, None, b"empty")],
)
def test_records_that_other_clients_may_write_are_rejected(key: bytes | None, value: bytes | None, said: bytes) -> None:
    (message,) = stage(FieldMapping({"temperature": "t"})).step([record(key, value)], 0)
    assert message.topic == "rejected"
    assert said in (header(message.headers, "error") or b"")
    assert message.key is not None or message.value is not None, "a log takes no record without both"


def test_of_a_record_that_is_larger_than_the_rejected_topic_takes_the_beginning_is_kept() -> None:
    large = b'{"note":"' + b"x" * 3_000_000
    (message,) = stage(FieldMapping({"temperature": "t"})).step([record(b"pump", large)], 0)
    assert message.topic == "rejected"
    assert message.value == large[: len(message.value or b"")]
    assert 900_000 < len(message.value or b"") < 1_048_576
    assert b"only the beginning of a record of 3000" in (header(message.headers, "error") or b"")
