"""Publishing on Kafka: what is refused before it is sent, and what happens when nobody acknowledges."""

from __future__ import annotations

import random
import threading

import pytest

from pipeline.brokers.kafka import KafkaBroker, KafkaOptions
from pipeline.brokers.kafka.in_flight import InFlight
from pipeline.brokers.protocol import Message, Publisher, TopicSettings
from pipeline.clock import SystemClock
from pipeline.errors import Transient
from tests.brokers.kafka.conftest import Cluster, SecuredKafka
from tests.support.broker_logs import read, unique_name

NOISE = random.Random(1).randbytes(4_000)  # does not get smaller by compression


def test_the_largest_record_that_is_admitted_is_taken_by_the_broker(cluster: Cluster) -> None:
    topic = cluster.topic(max_message_bytes=2_000)
    broker = cluster.connect()
    publisher = broker.publisher()
    headers = tuple((f"name {n}", b"value") for n in range(3))

    def admitted(size: int) -> bool:
        try:
            publisher.send(Message(topic, b"key", NOISE[:size], headers))
        except ValueError:
            return False
        publisher.flush()
        return True

    largest = max(size for size in range(1_600, 2_000, 10) if admitted(size))
    assert largest > 1_700
    assert broker.end_offsets(topic)[0] == (largest - 1_600) // 10 + 1


def test_many_small_records_are_taken_by_a_topic_with_small_batches(cluster: Cluster) -> None:
    topic = cluster.topic(max_message_bytes=3_000)
    broker = cluster.connect()
    publisher = broker.publisher()
    sent = [NOISE[n : n + 500] for n in range(100)]
    for value in sent:
        publisher.send(Message(topic, b"key", value))
    publisher.flush()
    publisher.send(Message(topic, b"key", b"the last"))
    publisher.flush()
    assert [record.value for record in read(broker.consumer(topic, None), 101)] == [*sent, b"the last"]


def test_a_topic_that_goes_while_its_records_are_on_the_way_ends_the_publisher(cluster: Cluster) -> None:
    broker = cluster.connect(KafkaOptions(delivery_timeout_ms=1_500))
    topic = cluster.topic()
    publisher = broker.publisher()
    publisher.send(Message(topic, b"key", b"value"))
    publisher.flush()
    broker.delete_topic(topic)
    publisher.send(Message(topic, b"key", b"value"))
    with pytest.raises(Transient, match=topic):
        publisher.flush()
    with pytest.raises(Transient, match=topic):
        publisher.send(Message(topic, b"key", b"value"))


def sent_before_failure(publisher: Publisher, message: Message, most: int) -> tuple[int, str]:
    for sent in range(most):
        try:
            publisher.send(message)
        except Transient as error:
            return sent, str(error)
    return most, ""


def test_without_a_broker_what_waits_is_bounded_and_a_flush_says_that_it_failed(secured_kafka: SecuredKafka) -> None:
    broker = KafkaBroker((secured_kafka.server.address,), KafkaOptions(delivery_timeout_ms=2_000), SystemClock())
    topic = unique_name("topic")
    broker.create_topic(TopicSettings(topic, 1))
    publisher = broker.publisher()
    publisher.send(Message(topic, b"key", b"value"))
    publisher.flush()
    secured_kafka.server.pause()
    try:
        # Where there is no room in 32 MiB, it waits until the first has failed; a few may have been acknowledged before.
        sent, failure = sent_before_failure(publisher, Message(topic, b"key", bytes(900_000)), most=60)
        assert 37 <= sent < 60
        assert topic in failure
        with pytest.raises(Transient, match=topic):
            publisher.flush()
        publisher.close()
    finally:
        secured_kafka.server.resume()
    broker.close()


def test_closing_with_records_on_the_way_waits_for_nobody(secured_kafka: SecuredKafka) -> None:
    broker = KafkaBroker((secured_kafka.server.address,), KafkaOptions(), SystemClock())
    topic = unique_name("topic")
    broker.create_topic(TopicSettings(topic, 1))
    publisher = broker.publisher()
    publisher.send(Message(topic, b"key", b"value"))
    publisher.flush()
    threads = {thread for thread in threading.enumerate() if thread.is_alive()}
    secured_kafka.server.pause()
    try:
        publisher.send(Message(topic, b"key", b"value"))
        publisher.close()
    finally:
        secured_kafka.server.resume()
    assert len([thread for thread in threads if thread.is_alive()]) < len(threads)
    broker.close()


def test_a_flight_has_room_for_so_many_records() -> None:
    flight = InFlight(max_records=2, max_bytes=1_000)
    assert flight.enter(10, timeout_s=0)
    assert flight.enter(10, timeout_s=0)
    assert not flight.enter(10, timeout_s=0)
    flight.leave(10)
    assert flight.enter(10, timeout_s=0)


def test_a_flight_has_room_for_so_many_bytes_but_always_for_one_record() -> None:
    flight = InFlight(max_records=10, max_bytes=100)
    assert flight.enter(500, timeout_s=0)
    assert not flight.enter(1, timeout_s=0)
    flight.leave(500)
    assert flight.enter(60, timeout_s=0)
    assert not flight.enter(60, timeout_s=0)
    assert flight.enter(40, timeout_s=0)


def test_who_waits_for_a_flight_goes_on_when_it_gets_room_and_when_it_is_empty() -> None:
    flight = InFlight(max_records=1, max_bytes=100)
    assert flight.enter(10, timeout_s=0)
    assert not flight.wait_until_over(timeout_s=0)
    landing = threading.Timer(0.05, flight.leave, [10])
    landing.start()
    assert flight.enter(20, timeout_s=30)
    landing.join()
    landing = threading.Timer(0.05, flight.leave, [20])
    landing.start()
    assert flight.wait_until_over(timeout_s=30)
    landing.join()
    assert flight.records == 0


def test_when_a_record_has_failed_nobody_waits_for_the_others() -> None:
    flight = InFlight(max_records=2, max_bytes=100)
    flight.enter(10, timeout_s=0)
    flight.enter(10, timeout_s=0)
    failing = threading.Timer(0.05, flight.leave, [10, "the first reason"])
    failing.start()
    assert not flight.enter(10, timeout_s=30)
    failing.join()
    flight.leave(10, "another one")
    assert flight.wait_until_over(timeout_s=0)
    assert flight.failure == "the first reason"
