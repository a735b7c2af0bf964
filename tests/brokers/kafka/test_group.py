"""Groups with several members, as only Kafka has them: sharing, handing over, dying, and coming back too late."""

from __future__ import annotations

from collections import defaultdict

import pytest

from pipeline.brokers.protocol import Assignment, Consumer, Message, Poll, Position
from pipeline.errors import LostPartitions, SensorlineError, Transient
from tests.brokers.kafka.conftest import Cluster
from tests.support.broker_logs import join, polls_until, publish, read, records_of, texts, unique_name, values
from tests.support.kafka_member import member_process


class Holder:
    """Follows what a member holds."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.held: set[int] = set()

    def poll(self) -> Poll:
        poll = self.consumer.poll(0.2)
        assert set(poll.revoked) <= self.held
        self.held -= set(poll.revoked)
        assert {record.partition for record in poll.records} <= self.held
        self.held |= {assignment.partition for assignment in poll.assigned}
        return poll


def poll_until_shared(*members: Holder, partitions: int) -> None:
    """Polls all in turn until they hold all partitions, each of them some, none two."""
    for _ in range(60):
        for member in members:
            member.poll()
        held = [member.held for member in members]
        if all(held) and sum(map(len, held)) == partitions == len(set().union(*held)):
            return
    raise AssertionError(f"not shared: {[member.held for member in members]}")


def test_two_members_share_the_partitions_and_one_that_leaves_hands_its_part_over(cluster: Cluster) -> None:
    topic, group = cluster.topic(partitions=4), unique_name("group")
    first, second = (Holder(cluster.connect().consumer(topic, group)) for _ in range(2))
    poll_until_shared(first, partitions=4)
    poll_until_shared(first, second, partitions=4)
    assert len(first.held) == len(second.held) == 2

    publish(cluster.connect(), *(Message(topic, b"key", f"{n}".encode(), partition=n % 4) for n in range(40)))
    got: dict[int, list[str]] = defaultdict(list)
    for number, member in enumerate([first, second]):
        while len(got[number]) < 20:
            got[number] += texts(list(member.poll().records))
    assert sorted(got[0] + got[1], key=int) == [f"{n}" for n in range(40)]

    second.consumer.commit([Position(partition, 10, "by the second") for partition in second.held])
    second.consumer.close()
    handed_over = polls_until(first.consumer, lambda polls: sum(len(poll.assigned) for poll in polls) == 2)
    assert {assignment for poll in handed_over for assignment in poll.assigned} == {
        Assignment(partition, Position(partition, 10, "by the second")) for partition in second.held
    }
    assert not any(poll.revoked for poll in handed_over)


def test_a_partition_that_was_handed_over_cannot_be_committed_and_the_others_are(cluster: Cluster) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    first, second = (Holder(cluster.connect().consumer(topic, group)) for _ in range(2))
    poll_until_shared(first, partitions=2)
    poll_until_shared(first, second, partitions=2)
    kept, lost = first.held.copy(), second.held.copy()
    with pytest.raises(LostPartitions, match=f"partitions {sorted(lost)}"):
        first.consumer.commit([Position(partition, 7) for partition in (*kept, *lost)])
    first.consumer.close()
    second.consumer.close()
    committed = {assignment.partition: assignment.committed for assignment in join(cluster.connect().consumer(topic, group), 2)}
    assert committed == {partition: Position(partition, 7) for partition in kept} | dict.fromkeys(lost)


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


def test_a_commit_waits_for_a_rebalance_to_end(cluster: Cluster) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    first = Holder(cluster.connect().consumer(topic, group))
    poll_until_shared(first, partitions=2)
    with member_process(cluster.address, topic, group) as newcomer:
        newcomer.does("join 0")
        first.consumer.commit([Position(partition, 0, "kept") for partition in sorted(first.held)])
        first.poll()
    first.consumer.close()
    committed = [assignment.committed for assignment in join(cluster.connect().consumer(topic, group), 2)]
    assert committed == [Position(0, 0, "kept"), Position(1, 0, "kept")]


def test_records_of_partitions_that_come_later_are_read_from_their_start(cluster: Cluster) -> None:
    topic, group = cluster.topic(partitions=2), unique_name("group")
    publish(cluster.connect(), *(Message(topic, b"key", b"value", partition=n % 2) for n in range(10)))
    consumer = cluster.connect().consumer(topic, group)
    polls = polls_until(consumer, lambda polls: len(records_of(polls)) == 10)
    assert sorted((record.partition, record.offset) for record in records_of(polls)) == [(p, o) for p in (0, 1) for o in range(5)]


@pytest.mark.parametrize("offset", [4, 100], ids=["after a topic was made again", "far beyond"])
def test_a_commit_outside_the_log_is_refused_with_all_that_is_to_be_known(cluster: Cluster, offset: int) -> None:
    topic, group = cluster.topic(), unique_name("group")
    publish(cluster.connect(), *values(topic, "a", "b", "c"))
    consumer = cluster.connect().consumer(topic, group)
    join(consumer)
    consumer.commit([Position(0, offset)])
    consumer.close()
    with pytest.raises(SensorlineError, match=rf"{group}.*{topic}.*partition 0 is committed at {offset}.*offsets 0 to 3") as raised:
        join(cluster.connect().consumer(topic, group))
    assert not isinstance(raised.value, Transient)


def test_fresh_members_always_get_their_partitions_however_short_their_polls(cluster: Cluster) -> None:
    topic = cluster.topic(partitions=2)
    broker = cluster.connect()
    for _ in range(10):
        member = Holder(broker.consumer(topic, unique_name("group")))
        poll_until_shared(member, partitions=2)
        member.consumer.close()
        assert member.held == {0, 1}
