"""What a group gave and took, noted on the library's I/O thread and read by ours.

A listener may do nothing else there: a call to the client from it would wait for the thread that it runs on.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka import ConsumerRebalanceListener, TopicPartition


class Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # the library is untyped
    """The events of a member in the order in which they came. A list's append and swap are atomic."""

    def __init__(self) -> None:
        self._events: list[tuple[bool, frozenset[int]]] = []

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._events.append((True, frozenset(place.partition for place in assigned)))

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._events.append((False, frozenset(place.partition for place in revoked)))

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)

    @property
    def waiting(self) -> bool:
        """Whether there is something to drain. (Not the object's truth: the library ignores a listener that is false.)"""
        return bool(self._events)

    @property
    def taken(self) -> frozenset[int]:
        """Partitions that were taken since the last `drain`, even if they came back."""
        return frozenset().union(*(partitions for given, partitions in self._events if not given))

    def drain(self) -> tuple[frozenset[int], frozenset[int]]:
        """(revoked, assigned) since the last time; a partition that was lost and came back is in both."""
        events, self._events = self._events, []
        revoked: set[int] = set()
        assigned: set[int] = set()
        for given, partitions in events:
            if given:
                assigned |= partitions
            else:
                revoked |= partitions - assigned  # what came and went in between was never told to anybody
                assigned -= partitions
        return frozenset(revoked), frozenset(assigned)
