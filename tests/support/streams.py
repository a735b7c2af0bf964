"""Random streams of readings, as people's machines send them, and random window policies; all times are small numbers of ms.

A stream is a list of events. `messages` turns one into what a producer publishes; `log_of` into the records of one
partition, without a broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random

from hypothesis import strategies as st

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.core.policy import Count, Hopping, Keep, Overflow, Session, Shape, Tumbling, WindowPolicy
from pipeline.wire.headers import RESET, arrival_header, tick

TOPIC = "readings"
SENSORS = ("a", "b")
DEVICES = "pqrs"
START_MS = 1_000
CELLS: Sequence[tuple[float | None, float | None]] = ((1.0, None), (2.0, 0.1), (None, 3.5), (4.0, 4.0), (None, None))
SHAPES: Sequence[Shape] = (Session(10), Tumbling(10), Hopping(12, 4), Count(4, 2, True), Count(4, 3, False))

Cells = tuple[float | None, float | None]


class Broken(Enum):
    """A record that is refused as a whole."""

    NOT_JSON = b"{"
    NO_VALUE = None
    EMPTY = b""
    UNKNOWN_SENSOR = b'{"device":"%s","time":1000,"values":{"z":1}}'
    UNEQUAL_ARRAYS = b'{"device":"%s","times":[1000,1001],"values":{"a":[1]}}'
    OTHER_DEVICE = b'{"device":"other %s","time":1000,"values":{"a":1}}'


@dataclass(frozen=True)
class Said:
    """One record of one device: readings by clocks that are so many ms behind its arrival, a batch where there are several."""

    device: str
    behind_ms: tuple[int, ...]
    cells: tuple[Cells, ...]
    broken: Broken | None = None

    def body(self, arrival: int) -> bytes | None:
        """The record's value."""
        if self.broken is not None:
            text: bytes | None = self.broken.value
            return text and text.replace(b"%s", self.device.encode())
        times = [arrival - behind for behind in self.behind_ms]
        if len(times) == 1:
            return json.dumps({"device": self.device, "time": times[0], "values": dict(zip(SENSORS, self.cells[0], strict=True))}).encode()
        columns = {sensor: [row[place] for row in self.cells] for place, sensor in enumerate(SENSORS)}
        return json.dumps({"device": self.device, "times": times, "values": columns}).encode()


@dataclass(frozen=True)
class Live:
    """After `wait_ms` a device says something, `copies` times."""

    wait_ms: int
    said: Said
    copies: int = 1


@dataclass(frozen=True)
class Silence:
    """Nothing happens for a while."""

    wait_ms: int


@dataclass(frozen=True)
class Heartbeat:
    """A tick that somebody else publishes, with or without an arrival of its own."""

    wait_ms: int
    arrival: int | None = None


@dataclass(frozen=True)
class BadHeader:
    """A reading whose arrival header is no number."""

    wait_ms: int
    said: Said


@dataclass(frozen=True)
class Replay:
    """A recording from `first_ms` on: a reset in each partition, the readings with their recorded arrivals, perhaps closing ticks."""

    first_ms: int
    readings: tuple[tuple[int, Said], ...]  # (wait in the recording, what was said)
    close_after_ms: int | None


Event = Live | Silence | Heartbeat | BadHeader | Replay


def wait_of(event: Event) -> int:
    """The time that passes before the event, ms."""
    return 0 if isinstance(event, Replay) else event.wait_ms


def messages(event: Event, now_ms: int, partitions: int) -> list[Message]:
    """What the event publishes when it is `now_ms`."""
    every = range(partitions)
    match event:
        case Live(_, said, copies):
            return [_reading(said, now_ms)] * copies
        case Silence():
            return []
        case Heartbeat(_, arrival):
            headers: Headers = () if arrival is None else (arrival_header(arrival),)
            return [tick(TOPIC, partition, headers) for partition in every]
        case BadHeader(_, said):
            return [_reading(said, now_ms, (("arrival", b"-1"),))]
        case Replay(first_ms, readings, close_after_ms):
            out = [tick(TOPIC, partition, (arrival_header(first_ms), (RESET, b""))) for partition in every]
            arrival = first_ms
            for wait_ms, said in readings:
                arrival += wait_ms
                out.append(_reading(said, arrival, (arrival_header(arrival),)))
            if close_after_ms is not None:
                out += [tick(TOPIC, partition, (arrival_header(arrival + close_after_ms),)) for partition in every]
            return out


def log_of(events: Iterable[Event]) -> list[Record]:
    """The records of the only partition of a log that nobody else writes to."""
    records: list[Record] = []
    now = START_MS
    for event in events:
        now += wait_of(event)
        for message in messages(event, now, 1):
            records.append(Record(TOPIC, 0, len(records), now, message.key, message.value, message.headers))
    return records


def _reading(said: Said, arrival: int, headers: Headers = ()) -> Message:
    return Message(TOPIC, said.device.encode(), said.body(arrival), headers)


def random_event(random: Random) -> Event:
    """Mostly something that a device says; sometimes silence, a heartbeat, a bad header or a replay."""
    kind = random.choices(["live", "silence", "heartbeat", "header", "replay"], [80, 12, 4, 2, 2])[0]
    match kind:
        case "silence":
            return Silence(random.randint(10, 60))
        case "heartbeat":
            return Heartbeat(_wait(random), random.choice([None, random.randint(900, 1_300)]))
        case "header":
            return BadHeader(_wait(random), _said(random))
        case "replay":
            readings = tuple((_wait(random), _said(random)) for _ in range(random.randint(1, 8)))
            return Replay(random.randint(900, 1_200), readings, random.choice([None, random.randint(0, 80)]))
    return Live(_wait(random), _said(random), random.choice([1, 1, 1, 2]))


def random_policy(random: Random, shapes: Sequence[Shape] = SHAPES) -> WindowPolicy:
    """Any policy that does not contradict itself; rare keys are rarely set."""
    shape = random.choice(shapes)
    is_count = isinstance(shape, Count)
    carry = 0 if is_count else random.choice([0, 0, 1, 3])
    return WindowPolicy(
        shape=shape,
        out_of_orderness_ms=random.randint(0, 8),
        idle_timeout_ms=random.randint(18, 40),
        max_length=random.randint(4, 6),
        overflow=Overflow.SPLIT if carry else random.choice(list(Overflow)),
        keep=random.choice(list(Keep)),
        max_duration_ms=None if is_count else random.choice([None, random.randint(0, 15)]),
        carry=carry,
        min_length=random.randint(1, 3),
        emit_every=0 if is_count else random.choice([0, 0, 1, 2]),
        allowed_lateness_ms=0 if is_count or carry else random.choice([0, 0, 5, 20]),
        max_ahead_ms=random.choice([None, 30]),
        max_behind_ms=random.choice([None, 30]),
        max_pending=random.choice([1, 3, 10_000]),
    )


def unusual_policy(random: Random) -> WindowPolicy:
    """At the edges of what does not contradict itself: windows of one step, all carried, disorder and lateness beyond everything."""
    unit, times = random.choice([1, 2, 5]), random.choice([1, 2, 3, 7])
    size = random.randint(1, 7)
    shapes: list[Shape] = [
        Session(random.choice([1, 2, 3, 10, 25])),
        Tumbling(random.choice([1, 2, 7, 30])),
        Hopping(unit * times, unit),
        Count(size, random.randint(1, size), random.random() < 0.5),
    ]
    shape = random.choice(shapes)
    is_count = isinstance(shape, Count)
    max_length = random.randint(size if is_count else 1, 9)
    carry = 0 if is_count else random.choice([0, 0, max_length - 1])
    out_of_orderness_ms = random.choice([0, 1, 5, 20, 60])
    least_idle_ms = shape.gap_ms + out_of_orderness_ms if isinstance(shape, Session) else 1
    return WindowPolicy(
        shape=shape,
        out_of_orderness_ms=out_of_orderness_ms,
        idle_timeout_ms=max(least_idle_ms, random.choice([1, 2, 10, 30, 100])),
        max_length=max_length,
        overflow=Overflow.SPLIT if carry else random.choice(list(Overflow)),
        keep=random.choice(list(Keep)),
        max_duration_ms=None if is_count else random.choice([None, None, 0, 1, 5, 12, 40]),
        carry=carry,
        min_length=random.randint(1, max_length),
        emit_every=0 if is_count else random.choice([0, 0, 1, 2, 3, max_length]),
        allowed_lateness_ms=0 if is_count or carry else random.choice([0, 1, 5, 20, 100, 1000]),
        max_ahead_ms=random.choice([None, 0, 5, 30]),
        max_behind_ms=random.choice([None, 0, 5, 30]),
        max_pending=random.choice([1, 2, 3, 10_000]),
    )


def _wait(random: Random) -> int:
    return random.choice([0, 1, 1, 2, 3, 4, 5, 8, 13, 21])


def _said(random: Random) -> Said:
    device = random.choice(DEVICES)
    if random.random() < 0.1:
        return Said(device, (), (), random.choice(list(Broken)))
    readings = random.choice([1, 1, 1, random.randint(2, 5)])
    behind = tuple(random.choice([random.randint(0, 4), random.randint(0, 14), random.randint(-45, 45)]) for _ in range(readings))
    return Said(device, behind, tuple(random.choice(CELLS) for _ in range(readings)))


_randoms = st.randoms(use_true_random=False)
events: st.SearchStrategy[Event] = st.builds(random_event, _randoms)


def policies(shapes: Sequence[Shape] = SHAPES) -> st.SearchStrategy[WindowPolicy]:
    """Any policy for one of these shapes."""
    return st.builds(random_policy, _randoms, st.just(shapes))
