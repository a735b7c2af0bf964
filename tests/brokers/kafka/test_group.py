"""Groups with several members, as only Kafka has them: sharing, handing over, dying, and coming back too late."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from pipeline.brokers.protocol import Assignment, Consumer, Message, Position
from pipeline.errors import LostPartitions
from tests.brokers.kafka.conftest import Cluster
from tests.support.broker_logs import join, publish, read, texts, unique_name, values
from tests.support.busy_member import BusyMember, until
from tests.support.kafka_member import member_process


@pytest.fixture
def members() -> Iterator[list[BusyMember]]:
    """Those that a test starts; they end with it."""
    started: list[BusyMember] = []
    yield started
    for member in started:
        member.stop()


def are_sharing(*members: BusyMember, partitions: int) -> bool:
    """They hold all partitions, each of them some, none of them two have."""
    held = [member.held for member in members]
    return all(held) and sum(map(len, held)) == partitions == len(frozenset().union(*held))


def group_state(address: str, group: str) -> str:
    """The group's state as the broker sees it."""
    client = KafkaAdminClient(bootstrap_servers=[address])
    state: str = client.describe_groups([group])[group]["group_state"]
    client.close()
    return state


def test_two_members_share_the_partitions_and_one_that_leaves_hands_its_part_over(cluster: Cluster, members: list[BusyMember]) -> None:
    topic, group = cluster.topic(partitions=4), unique_name("group")
    members += [BusyMember(cluster.connect().consumer(topic, group)) for _ in range(2)]
    first, second = members
    until(lambda: are_sharing(first, second, partitions=4))
    assert len(first.held) == len(second.held) == 2

    publish(cluster.connect(), *(Message(topic, b"key", f"{n}".encode(), partition=n % 4) for n in range(40)))
    until(lambda: len(first.values) == len(second.values) == 20)
    assert sorted(first.values + second.values, key=int) == [f"{n}" for n in range(40)]

    handed_over = {partition: Position(partition, 10, "by the second") for partition in second.held}
    second.does(lambda consumer: consumer.commit(list(handed_over.values())))
    second.stop()
    until(lambda: len(first.held) == 4)
    assert {partition: first.committed[partition] for partition in handed_over} == handed_over


def test_a_partition_that_was_handed_over_cannot_be_committed_and_the_others_are(cluster: Cluster, members: list[BusyMember]) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    members += [BusyMember(cluster.connect().consumer(topic, group)) for _ in range(2)]
    first, second = members
    until(lambda: are_sharing(first, second, partitions=2))
    kept, lost = first.held, second.held
    with pytest.raises(LostPartitions, match=rf"partitions \[{min(lost)}\]"):
        first.does(lambda consumer: consumer.commit([Position(partition, 0, "kept") for partition in (*kept, *lost)]))
    first.stop()
    second.stop()
    committed = {assignment.partition: assignment.committed for assignment in join(cluster.connect().consumer(topic, group), 2)}
    assert committed == {partition: Position(partition, 0, "kept") for partition in kept} | dict.fromkeys(lost)


def test_a_commit_waits_while_the_group_waits_for_another_member(cluster: Cluster, members: list[BusyMember]) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    members.append(BusyMember(cluster.connect().consumer(topic, group)))
    with member_process(cluster.address, topic, group) as dreamer:
        dreamer.does("join 1")  # and then it does not poll, though it is alive: nobody can join without it
        members.append(BusyMember(cluster.connect().consumer(topic, group)))
        first = members[0]
        until(lambda: group_state(cluster.address, group) == "PreparingRebalance")
        polls = first.polls
        until(lambda: first.polls == polls + 3)  # by then its heartbeat has told it
        kept = [Position(partition, 0, "kept") for partition in first.held]
        begun = threading.Event()

        def commit(consumer: Consumer) -> None:
            begun.set()
            consumer.commit(kept)

        committing = first.begins(commit)
        begun.wait(timeout=20)
        dreamer.does("poll 2")
        committing.result(timeout=20)
    for member in members:
        member.stop()
    committed = [assignment.committed for assignment in join(cluster.connect().consumer(topic, group), 2)]
    assert [position for position in committed if position] == kept


def test_a_killed_member_hands_over_after_its_session_and_nothing_is_lost(cluster: Cluster) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    publish(cluster.connect(), *(Message(topic, b"key", f"{n}".encode(), partition=n % 2) for n in range(100)))
    with member_process(cluster.address, topic, group) as doomed:
        committed = set(doomed.does("read 35"))
        assert doomed.does("commit") is None
        doomed.does("read 60")
        doomed.kill()
    rest = texts(read(cluster.connect().consumer(topic, group), 100 - len(committed)))
    assert sorted([*committed, *rest], key=int) == [f"{n}" for n in range(100)]


def test_a_member_that_wakes_up_too_late_cannot_commit(cluster: Cluster) -> None:
    topic, group = cluster.topic(), unique_name("group")
    publish(cluster.connect(), *values(topic, "a", "b", "c"))
    with member_process(cluster.address, topic, group) as sleeper:
        assert sleeper.does("read 3") == ["a", "b", "c"]
        sleeper.freeze()
        heir = cluster.connect().consumer(topic, group)
        assert texts(read(heir, 3)) == ["a", "b", "c"]
        heir.commit([Position(0, 1, "the heir's")])
        sleeper.thaw()
        assert sleeper.does("commit") == "LostPartitions"
    heir.close()
    assert join(cluster.connect().consumer(topic, group)) == [Assignment(0, Position(0, 1, "the heir's"))]


@pytest.mark.parametrize("offset", [4, 100], ids=["after a topic was made again", "far beyond"])
def test_a_commit_outside_the_log_is_told_and_reading_begins_at_the_start(cluster: Cluster, offset: int) -> None:
    topic, group = cluster.topic(), unique_name("group")
    publish(cluster.connect(), *values(topic, "a", "b", "c"))
    consumer = cluster.connect().consumer(topic, group)
    join(consumer)
    consumer.commit([Position(0, offset)])
    consumer.close()
    heir = cluster.connect().consumer(topic, group)
    assert join(heir) == [Assignment(0, Position(0, offset))]
    assert texts(read(heir, 3)) == ["a", "b", "c"]


def test_fresh_members_always_get_their_partitions_however_short_their_polls(cluster: Cluster) -> None:
    topic = cluster.topic(partitions=2)
    broker = cluster.connect()
    for _ in range(10):
        consumer = broker.consumer(topic, unique_name("group"))
        held: set[int] = set()
        while held != {0, 1}:
            held |= {assignment.partition for assignment in consumer.poll(0.0).assigned}
        consumer.close()
