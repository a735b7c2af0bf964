"""What a member is told of what its group did between two polls."""

from __future__ import annotations

import pytest
from kafka import TopicPartition

from pipeline.brokers.kafka.rebalancing import Rebalances


def after(*events: tuple[str, set[int]]) -> Rebalances:
    rebalances = Rebalances()
    say = {"give": rebalances.on_partitions_assigned, "take": rebalances.on_partitions_revoked, "lose": rebalances.on_partitions_lost}
    for what, partitions in events:
        say[what]([TopicPartition("topic", partition) for partition in partitions])
    return rebalances


@pytest.mark.parametrize(
    ("events", "revoked", "assigned"),
    [
        ([], set(), set()),
        ([("give", {0, 1})], set(), {0, 1}),
        ([("take", {0}), ("give", {1})], {0}, {1}),
        ([("lose", {0, 1}), ("give", {1})], {0, 1}, {1}),
        ([("give", {0, 1}), ("take", {1})], set(), {0}),
        ([("give", {0}), ("take", {0}), ("give", {0})], set(), {0}),
        ([("take", {0}), ("give", {0}), ("take", {0})], {0}, set()),
    ],
)
def test_only_the_difference_is_told_and_what_came_back_was_away(
    events: list[tuple[str, set[int]]], revoked: set[int], assigned: set[int]
) -> None:
    assert tuple(map(set, after(*events).drain())) == (revoked, assigned)


def test_it_is_told_once() -> None:
    rebalances = after(("give", {0}))
    assert rebalances.waiting
    assert rebalances.drain() == (frozenset(), frozenset({0}))
    assert not rebalances.waiting
    assert rebalances.drain() == (frozenset(), frozenset())


def test_what_was_taken_is_known_before_it_is_told() -> None:
    assert after(("lose", {0, 1}), ("give", {0})).taken == {0, 1}
