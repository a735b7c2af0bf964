"""What is remembered of one device under one alert rule: plain values, so that they can be dumped and loaded.

Knows which predictions were judged already and which are the last M; knows no rule and no bound.

**Repeats.** At-least-once delivery repeats a bounded stretch of a log, but that stretch may lie far behind: after a restart
that could commit nothing it is all of the log. A set of the last ids would have to hold the whole stretch. So what is
remembered is an order. Of one device, a window that comes for the first time is never *behind* one that was judged, where
behind means: ends before that one begins, and reaches less far into the same log of readings. Within an episode of the
device only windows that overlap can overtake each other (by early or split ones); a later episode reaches further into the
log; a window made or revised by a late reading reaches as far as that. Whatever is behind a judged window is a repeat.
Only windows that no judged window has left behind need an entry of their own (`Mark`): the newest, those that overlap them,
those whose readings were out of order among each other, those that end in one batch record. Older than the newest `MARKS`,
such an entry is given up, and its repeats count again until the device's next windows leave them behind.

A second replay of a recording reaches further into the log: it is judged again and gives alerts with the same ids.
Ordering by arrival instead would take the replay of an older recording for a repeat, and lose its alerts.
"""

from __future__ import annotations

import msgspec

from pipeline.records import Prediction, Source, Window

MARKS = 512  # twice the usual max_length: count windows that move on by one step overlap that many


class Sighting(msgspec.Struct, frozen=True):
    """A version of a window as it was seen: itself, or by way of a prediction about it. `time` is its last arrival."""

    device: str
    cause: str  # id of the prediction, else of the window
    window: str
    sequence: int
    revision: int
    final: bool
    start: int
    end: int
    source: Source
    time: int


def sighting(seen: Prediction | Window) -> Sighting:
    """Where and what the window is that was seen or predicted about."""
    window, time = (seen, seen.source.last_arrival) if isinstance(seen, Window) else (seen.window, seen.times.last_arrival)
    version = (window.id, window.sequence, window.revision, window.final)
    return Sighting(seen.device, seen.id, *version, window.start, window.end, seen.source, time)


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The latest judged version of a window, and where that window lies."""

    window: str
    sequence: int
    revision: int
    start: int
    end: int
    topic: str
    partition: int
    last_offset: int

    def covers(self, other: Mark) -> bool:
        """Whether `other`, coming after this one, can only be a repeat."""
        if other.window == self.window:
            return (other.sequence, other.revision) <= (self.sequence, self.revision)
        is_behind = other.end < self.start and other.last_offset < self.last_offset
        return is_behind and (other.topic, other.partition) == (self.topic, self.partition)


class Judgement(msgspec.Struct, array_like=True):
    """What a rule measured of a window or a prediction."""

    window: str
    sequence: int
    revision: int
    final: bool
    start: int
    cause: str  # id of the prediction, else of the window
    value: float
    spent: bool = False  # it was there when an alert was raised or cleared: no evidence for the next one
    end: int = 0

    def replaces(self, other: Judgement) -> bool:
        """Whether this is another version of the same judgement: the final one of a window, or its n-th early one."""
        return self.window == other.window and self.final == other.final and (self.final or self.sequence == other.sequence)


class OpenEpisode(msgspec.Struct, frozen=True, array_like=True):
    """A raised alert that is not yet cleared, with all that clearing it without its rule takes; times in ms."""

    id: str
    since: int
    time: int = 0  # of what was judged last
    value: float = 0.0  # what the rule's bound was compared with last
    grouped: bool = False  # only the device's groups were told of it

    def judged(self, time: int, value: float) -> OpenEpisode:
        """The same, still open after one more judgement."""
        return msgspec.structs.replace(self, time=time, value=value)


class RuleMemory(msgspec.Struct, array_like=True):
    """One device under one rule. Bounded: `MARKS` marks and the rule's M judgements."""

    marks: list[Mark] = []
    judgements: list[Judgement] = []
    episode: OpenEpisode | None = None
    cleared_at: int | None = None  # ms; end of the last episode
    number: int = 0  # of the last episode; 0: there was none

    def take(self, seen: Sighting) -> bool:
        """Marks it as judged; False where it, or a later version of it, was judged before."""
        mark = _mark(seen)
        if any(earlier.covers(mark) for earlier in self.marks):
            return False
        self.marks = [earlier for earlier in self.marks if not _outdates(mark, earlier)][1 - MARKS :]
        self.marks.append(mark)
        return True

    def judge(self, seen: Sighting, value: float, keep: int) -> Judgement:
        """Puts what was measured among the last `keep`: in place of an earlier version, else at the end.

        A revision of a window that has no judgement here goes to its place by event time. Where that is before all the
        others and there are `keep` of them, it has left them already (or would have) and stays outside.
        """
        judgement = _judgement(seen, value)
        for place, earlier in enumerate(self.judgements):
            if judgement.replaces(earlier):
                judgement.spent = earlier.spent
                self.judgements[place] = judgement
                return judgement
        place = len(self.judgements)
        while judgement.revision and place and self.judgements[place - 1].start > judgement.start:
            place -= 1
        self.judgements.insert(place, judgement)
        del self.judgements[:-keep]
        return judgement

    def spend(self) -> None:
        """What was judged so far has had its effect."""
        for judgement in self.judgements:
            judgement.spent = True


def _outdates(mark: Mark, earlier: Mark) -> bool:
    return earlier.window == mark.window or mark.covers(earlier)


def next_number(before: int, time: int) -> int:
    """The number of an episode: one more than that before; the first of a memory has the time (ms) when it was raised.

    So numbers grow also where a state was deleted and the log begins later than it did, and are the same where it does not.
    """
    return before + 1 if before else max(time, 1)


def _mark(seen: Sighting) -> Mark:
    place = (seen.source.topic, seen.source.partition, seen.source.last_offset)
    return Mark(seen.window, seen.sequence, seen.revision, seen.start, seen.end, *place)


def _judgement(seen: Sighting, value: float) -> Judgement:
    version = (seen.window, seen.sequence, seen.revision, seen.final)
    return Judgement(*version, seen.start, seen.cause, value, end=seen.end)
