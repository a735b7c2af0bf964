"""Parcels on their way to one destination: in order for each device, several devices side by side, each tried until taken.

A device has a lane. Only the first parcel of a lane is tried; the next ones wait until it is taken, however often that fails.
Lanes do not wait for each other. Knows no broker: what was taken is told by partition and offset, so that the caller can
commit up to the first parcel that is still on its way.

One whose content was refused too often is given up: its lane goes on with the next, and it counts as on its way until the
caller, who puts it elsewhere, has said so (`settle`).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from random import Random

from pipeline.clock import Clock
from pipeline.destinations.backoff import Backoff
from pipeline.destinations.protocol import ContentRefused, Destination, NotDelivered, Parcel

log = logging.getLogger(__name__)

WORKERS = 4  # lanes that are tried at the same time
JOIN_S = 2.0

Lane = tuple[int, str]  # partition, device


@dataclass
class _Waiting:
    offset: int
    parcel: Parcel
    failures: int = 0
    refusals: int = 0


@dataclass(frozen=True)
class GivenUp:
    """A parcel that the receiver will not take, and what it answered last."""

    partition: int
    offset: int
    problem: str


class Lanes:
    """Used by one thread, with workers of its own; `close` ends them."""

    def __init__(self, name: str, destination: Destination, backoff: Backoff, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self._name = name
        self._destination = destination
        self._backoff = backoff
        self._clock = clock
        self._random = Random()
        self._change = threading.Condition()  # guards all that follows
        self._lanes: dict[Lane, deque[_Waiting]] = {}
        self._due: list[tuple[float, int, Lane]] = []  # each lane that is not being tried right now, once
        self._order = count()
        self._next: dict[int, int] = {}  # by partition: the offset after the last that was put
        self._open: dict[int, dict[int, None]] = {}  # by partition: offsets that are not taken yet, in order
        self._given_up: list[GivenUp] = []
        self._closed = False
        self._workers = [threading.Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(WORKERS)]
        for worker in self._workers:
            worker.start()

    @property
    def waiting(self) -> int:
        """Number of parcels that are not taken yet."""
        with self._change:
            return sum(map(len, self._open.values()))

    def pass_over(self, partition: int, offset: int) -> None:
        """There is nothing to deliver at this place."""
        with self._change:
            self._next[partition] = offset + 1

    def put(self, partition: int, offset: int, parcel: Parcel) -> None:
        """Takes the next parcel of a partition."""
        with self._change:
            self._next[partition] = offset + 1
            self._open.setdefault(partition, {})[offset] = None
            lane = (partition, parcel.alert.device)
            waiting = self._lanes.setdefault(lane, deque())
            waiting.append(_Waiting(offset, parcel))
            if len(waiting) == 1:
                self._schedule(lane, 0.0)

    def taken(self) -> Mapping[int, int]:
        """By partition: the offset before which everything was taken or passed over."""
        with self._change:
            return {partition: next(iter(self._open.get(partition, ())), end) for partition, end in self._next.items()}

    def given_up(self) -> Sequence[GivenUp]:
        """What was given up and is not settled yet."""
        with self._change:
            return tuple(self._given_up)

    def settle(self, given_up: Sequence[GivenUp]) -> None:
        """These are where they are kept: nothing is left to be done about them."""
        with self._change:
            for one in given_up:
                self._given_up.remove(one)
                del self._open[one.partition][one.offset]
            self._change.notify_all()

    def forget(self, partition: int) -> None:
        """Another member delivers what is left of the partition. What is being tried right now may still be taken."""
        with self._change:
            self._next.pop(partition, None)
            self._open.pop(partition, None)
            self._given_up = [one for one in self._given_up if one.partition != partition]
            self._lanes = {lane: waiting for lane, waiting in self._lanes.items() if lane[0] != partition}

    def await_room(self, most: int, timeout_s: float) -> bool:
        """Waits until fewer than `most` parcels are on their way; False where they still are after `timeout_s`."""
        with self._change:
            return self._change.wait_for(lambda: sum(map(len, self._open.values())) < most, timeout_s)

    def close(self) -> None:
        """Ends the workers; what is being tried gets a moment."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for worker in self._workers:
            worker.join(JOIN_S / WORKERS)

    def _schedule(self, lane: Lane, wait_s: float) -> None:
        heappush(self._due, (self._clock.monotonic_s() + wait_s, next(self._order), lane))
        self._change.notify_all()

    def _work(self) -> None:
        while (chosen := self._choose()) is not None:
            lane, first = chosen
            problem: NotDelivered | None = None
            try:
                self._destination.deliver(first.parcel)
            except NotDelivered as error:
                problem = error
            except Exception as error:  # a bug must not end the worker, and the alert is not lost by trying again
                problem = NotDelivered(f"unexpected {type(error).__name__}")
                log.exception("%s: %s", self._name, problem)
            self._conclude(lane, first, problem)

    def _choose(self) -> tuple[Lane, _Waiting] | None:
        """Waits for a lane that is due; None at the end."""
        with self._change:
            while not self._closed:
                wait_s = self._due[0][0] - self._clock.monotonic_s() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    lane = heappop(self._due)[2]
                    if self._lanes.get(lane):
                        return lane, self._lanes[lane][0]
                    continue
                self._change.wait(wait_s)
            return None

    def _conclude(self, lane: Lane, tried: _Waiting, problem: NotDelivered | None) -> None:
        with self._change:
            waiting = self._lanes.get(lane)
            if not waiting or waiting[0] is not tried:
                return  # forgotten meanwhile
            if problem is None:
                self.counts["delivered"] += 1
                del self._open[lane[0]][tried.offset]
            else:
                tried.failures += 1
                tried.refusals += isinstance(problem, ContentRefused)
                self.counts["failed"] += 1
                if tried.refusals < self._backoff.most_refusals:
                    wait_s = self._backoff.wait_s(tried.failures, self._random)
                    self._tell(tried, problem, wait_s)
                    self._schedule(lane, wait_s)
                    return
                self._given_up.append(GivenUp(lane[0], tried.offset, str(problem)))
            waiting.popleft()
            if waiting:
                self._schedule(lane, 0.0)
            else:
                del self._lanes[lane]
            self._change.notify_all()

    def _tell(self, tried: _Waiting, problem: NotDelivered, wait_s: float) -> None:
        """Every failure would be too many lines: the first, the second, the fourth, the eighth..."""
        if tried.failures & (tried.failures - 1) == 0:
            told = "%s: alert %s of %s was not delivered (try %d): %s; next try in %.1f s"
            log.warning(told, self._name, tried.parcel.key, tried.parcel.alert.device, tried.failures, problem, wait_s)
