"""When a consumer that brings nothing is stuck, and when it only waits."""

from __future__ import annotations

from pipeline.brokers.kafka.watchdog import Watchdog
from pipeline.clock import ManualClock


class Polling:
    """A consumer that polls in seconds of a manual clock."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.watchdog = Watchdog(patience_s=10.0)

    def polls(self, seconds: int, *, stable: bool = True, heard: bool = False) -> None:
        for _ in range(seconds):
            self.watchdog.poll_began(self.clock.monotonic_s())
            self.clock.advance(1_000)
            self.watchdog.poll_ended(self.clock.monotonic_s(), stable, heard)

    def settled(self) -> bool:
        return self.watchdog.settled(self.clock.monotonic_s())


def test_a_member_is_stuck_when_it_has_polled_for_its_patience_and_is_not_stable() -> None:
    polling = Polling()
    polling.polls(9, stable=False)
    assert not polling.watchdog.stuck_in_join
    polling.polls(1, stable=False)
    assert polling.watchdog.stuck_in_join


def test_a_member_that_gets_stable_in_time_has_all_its_patience_again() -> None:
    polling = Polling()
    polling.polls(9, stable=False)
    polling.polls(1)
    polling.polls(9, stable=False)
    assert not polling.watchdog.stuck_in_join


def test_time_between_polls_does_not_count() -> None:
    polling = Polling()
    polling.polls(1, stable=False)
    polling.clock.advance(3_600_000)
    polling.polls(1, stable=False)
    assert not polling.watchdog.stuck_in_join
    assert not polling.watchdog.wants_ends


def test_a_member_is_settled_when_it_has_been_stable_for_some_seconds() -> None:
    polling = Polling()
    assert not polling.settled()
    polling.polls(3)
    assert not polling.settled()
    polling.polls(1)
    assert polling.settled()
    polling.polls(1, stable=False)
    assert not polling.settled()


def test_silence_asks_for_the_ends_of_the_log_and_records_end_it() -> None:
    polling = Polling()
    polling.polls(4)
    assert not polling.watchdog.wants_ends
    polling.polls(1)
    assert polling.watchdog.wants_ends
    polling.polls(1, heard=True)
    assert not polling.watchdog.wants_ends


def test_silence_at_the_end_of_the_log_is_right_for_ever() -> None:
    polling = Polling()
    for _ in range(10):
        polling.polls(5)
        assert polling.watchdog.compare(positions={0: 7, 1: 0}, ends={0: 7, 1: 0}) == ()


def test_a_partition_that_stands_behind_its_end_through_two_silences_is_stuck() -> None:
    polling = Polling()
    polling.polls(5)
    assert polling.watchdog.compare(positions={0: 5, 1: 7}, ends={0: 7, 1: 7}) == ()
    assert not polling.watchdog.wants_ends
    polling.polls(5)
    assert polling.watchdog.compare(positions={0: 5, 1: 7}, ends={0: 9, 1: 7}) == (0,)


def test_a_partition_that_has_moved_in_between_is_not() -> None:
    polling = Polling()
    polling.polls(5)
    polling.watchdog.compare(positions={0: 5}, ends={0: 7})
    polling.polls(5)
    assert polling.watchdog.compare(positions={0: 6}, ends={0: 7}) == ()


def test_records_that_came_in_between_start_the_comparison_afresh() -> None:
    polling = Polling()
    polling.polls(5)
    polling.watchdog.compare(positions={0: 5, 1: 1}, ends={0: 7, 1: 1})
    polling.polls(1, heard=True)
    polling.polls(5)
    assert polling.watchdog.compare(positions={0: 5, 1: 2}, ends={0: 7, 1: 2}) == ()


def test_nothing_is_called_silence_while_a_group_is_being_shared_out() -> None:
    polling = Polling()
    polling.polls(5)
    polling.watchdog.compare(positions={0: 5}, ends={0: 7})
    polling.polls(9, stable=False)
    assert not polling.watchdog.wants_ends
    polling.polls(5)
    assert polling.watchdog.compare(positions={0: 5}, ends={0: 7}) == ()


def test_a_member_that_waits_for_another_one_is_forgiven_until_its_patience_is_over_again() -> None:
    polling = Polling()
    polling.polls(10, stable=False)
    polling.watchdog.forgive()
    polling.polls(9, stable=False)
    assert not polling.watchdog.stuck_in_join
    polling.polls(1, stable=False)
    assert polling.watchdog.stuck_in_join
