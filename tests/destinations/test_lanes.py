"""Order for each device, and what may be committed, while some are taken and some are not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.clock import SystemClock
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.lanes import Lanes
from pipeline.destinations.protocol import ContentRefused, NotDelivered, Parcel
from tests.support.commands import eventually

SOON = Backoff(0.001, 0.01)
MakeParcel = Callable[..., Parcel]
PATIENCE_S = 10


class Picky:
    """A destination that takes nothing of some devices, refuses some parcels, and takes the others at the n-th try."""

    def __init__(self, tries: int = 1) -> None:
        self.refused: set[str] = set()
        self.poison: set[str] = set()  # keys of parcels whose content is refused
        self.taken: list[Parcel] = []
        self.tries: dict[str, int] = {}
        self._needed = tries
        self._lock = threading.Lock()

    def deliver(self, parcel: Parcel) -> None:
        with self._lock:
            self.tries[parcel.key] = self.tries.get(parcel.key, 0) + 1
            if parcel.key in self.poison and self.tries[parcel.key] >= self._needed:
                raise ContentRefused("what is this?")
            if parcel.alert.device in self.refused or self.tries[parcel.key] < self._needed:
                raise NotDelivered("not this one")
            self.taken.append(parcel)

    def numbers(self, device: str) -> list[int]:
        with self._lock:
            return [parcel.alert.number for parcel in self.taken if parcel.alert.device == device]


@pytest.fixture
def opened() -> Iterator[Callable[[Picky], Lanes]]:
    """Opens lanes to a destination, and closes them at the end."""
    lanes: list[Lanes] = []

    def open_lanes(destination: Picky) -> Lanes:
        lanes.append(Lanes("ops", destination, SOON, SystemClock()))
        return lanes[-1]

    yield open_lanes
    for each in lanes:
        each.close()


def test_a_device_whose_alert_is_tried_again_keeps_its_order(opened: Callable[[Picky], Lanes], parcel: MakeParcel) -> None:
    destination = Picky(tries=3)
    lanes = opened(destination)
    for offset in range(40):
        lanes.put(0, offset, parcel(offset + 1, device=f"pump-{offset % 4}"))
    eventually(lambda: not lanes.waiting, PATIENCE_S)
    for device in range(4):
        assert destination.numbers(f"pump-{device}") == list(range(device + 1, 41, 4))
    assert lanes.taken() == {0: 40}
    assert lanes.counts == {"delivered": 40, "failed": 80}


def test_no_later_alert_of_a_device_passes_one_that_is_not_taken_but_other_devices_do(
    opened: Callable[[Picky], Lanes], parcel: MakeParcel
) -> None:
    destination = Picky()
    destination.refused.add("pump")
    lanes = opened(destination)
    for offset, device in enumerate(["fan", "pump", "fan", "pump", "fan"]):
        lanes.put(7, offset, parcel(offset, device=device))
    lanes.pass_over(7, 5)
    eventually(lambda: len(destination.numbers("fan")) == 3, PATIENCE_S)
    eventually(lambda: destination.tries.get("pump-wear-1-raised", 0) > 3, PATIENCE_S)
    assert destination.numbers("pump") == []
    assert "pump-wear-3-raised" not in destination.tries
    assert lanes.taken() == {7: 1}, "nothing is committed beyond the first that was not taken"
    destination.refused.clear()
    eventually(lambda: not lanes.waiting, PATIENCE_S)
    assert destination.numbers("pump") == [1, 3]
    assert lanes.taken() == {7: 6}


def test_a_parcel_whose_content_is_refused_is_given_up_and_its_device_goes_on(opened: Callable[[Picky], Lanes], parcel: MakeParcel) -> None:
    destination = Picky(tries=3)  # it is away at first: that does not count
    destination.poison.add("pump-wear-2-raised")
    lanes = opened(destination)
    for offset in range(4):
        lanes.put(7, offset, parcel(offset + 1))
    eventually(lambda: lanes.waiting == 1, PATIENCE_S)
    assert destination.numbers("pump") == [1, 3, 4]
    assert destination.tries["pump-wear-2-raised"] == 2 + SOON.most_refusals
    assert lanes.taken() == {7: 1}, "it is not passed before it is kept elsewhere"
    (given_up,) = lanes.given_up()
    assert (given_up.partition, given_up.offset, given_up.problem) == (7, 1, "what is this?")
    lanes.settle([given_up])
    assert (lanes.given_up(), lanes.taken(), lanes.waiting) == ((), {7: 4}, 0)


def test_a_parcel_that_was_given_up_is_forgotten_with_its_partition(opened: Callable[[Picky], Lanes], parcel: MakeParcel) -> None:
    destination = Picky()
    destination.poison.add("pump-wear-1-raised")
    lanes = opened(destination)
    lanes.put(0, 0, parcel(1))
    eventually(lanes.given_up, PATIENCE_S)
    lanes.forget(0)
    assert lanes.given_up() == ()
    assert lanes.waiting == 0


def test_a_partition_that_is_forgotten_is_tried_no_more(opened: Callable[[Picky], Lanes], parcel: MakeParcel) -> None:
    destination = Picky()
    destination.refused.add("pump")
    lanes = opened(destination)
    lanes.put(0, 0, parcel(1, device="pump"))
    lanes.put(1, 0, parcel(1, device="fan"))
    lanes.forget(0)
    eventually(lambda: lanes.waiting == 0, PATIENCE_S)
    assert lanes.taken() == {1: 1}


def test_room_is_awaited(opened: Callable[[Picky], Lanes], parcel: MakeParcel) -> None:
    destination = Picky()
    destination.refused.add("pump")
    lanes = opened(destination)
    lanes.put(0, 0, parcel(1))
    assert not lanes.await_room(1, timeout_s=0.01)
    assert lanes.await_room(2, timeout_s=0)
    destination.refused.clear()
    assert lanes.await_room(1, timeout_s=PATIENCE_S)


@given(st.integers(1, 2000), st.floats(0.001, 10), st.floats(1, 1000), st.integers())
def test_waits_grow_to_the_longest_and_are_never_the_same_for_all(failures: int, first_s: float, factor: float, seed: int) -> None:
    backoff = Backoff(first_s, first_s * factor)
    wait_s = backoff.wait_s(failures, Random(seed))
    most = min(backoff.longest_s, first_s * 2.0 ** min(failures - 1, 60))
    assert most / 2 <= wait_s <= most
    assert len({backoff.wait_s(failures, Random(other)) for other in range(10)}) > 1
