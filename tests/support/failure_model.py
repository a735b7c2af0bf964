"""A model of failure: what people, machines and the network do to a stage, and the promises that hold afterwards.

A `Scenario` is a list of operations on a log in memory: readings come, members of the group take turns, make checkpoints,
crash between any two steps, lose partitions with or without learning of it, come back late and go on writing; the state is
compacted at any time. In the end an uninterrupted session closes everything. `play` raises `AssertionError` where a promise
of the design (P1 to P6) is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.protocol import Message, Position, Record, TopicSettings
from pipeline.clock import ManualClock
from pipeline.errors import LostPartitions
from pipeline.session import Session, SessionOptions
from pipeline.stages.protocol import Handover, Stage
from tests.support.faulty_broker import FaultyBroker, Step

Event = TypeVar("Event")

GROUP = "house"
REFERENCE = "reference"  # whose state nobody else believes
NEVER_MS = 10**9
MEMBERS = 2


class Happens(Enum):
    """What can come between two steps of a member."""

    CRASH = "it crashes"
    REBALANCE = "it loses partitions"
    TAKEOVER = "it loses partitions, and their next owner goes on with them at once"
    STALL = "the same, but it does not learn of it and goes on"
    COMPACTION = "the state is compacted"
    ZOMBIE = "an earlier owner wakes up and writes"


@dataclass(frozen=True)
class Publish(Generic[Event]):
    """Some things are published to the stage's source, one after the other."""

    events: tuple[Event, ...]


@dataclass(frozen=True)
class Turn:
    """A member takes turns and, with `commits`, makes a checkpoint; one that is not there is started."""

    member: int
    turns: int
    commits: bool


@dataclass(frozen=True)
class Fault:
    """A member, perhaps a new one, takes turns and makes a checkpoint; before its `number`-th step of a kind something happens."""

    member: int
    is_new: bool
    turns: int
    step: Step
    number: int
    happens: Happens
    partitions: frozenset[int]


@dataclass(frozen=True)
class Crash:
    """A member is gone, and with it all that it has not committed."""

    member: int


@dataclass(frozen=True)
class Stop:
    """A member stops cleanly, and is started again with the same stage."""

    member: int


@dataclass(frozen=True)
class Rebalance:
    """Partitions are taken from their owners; whoever polls first gets them."""

    partitions: frozenset[int]


@dataclass(frozen=True)
class Stall:
    """A member is given up by the group without knowing it; from now on it is a zombie."""

    member: int
    partitions: frozenset[int]


@dataclass(frozen=True)
class Zombie:
    """The oldest zombie reads on, publishes and ticks; with `commits` it also writes its state and tries to commit."""

    turns: int
    commits: bool


@dataclass(frozen=True)
class Compact:
    """The state topic is compacted."""


@dataclass(frozen=True)
class Change:
    """All that there is has been read and all members have stopped cleanly; from now on they are configured otherwise."""


Operation = Publish[Event] | Turn | Fault | Crash | Stop | Rebalance | Stall | Zombie | Compact | Change


@dataclass(frozen=True)
class Flow(Generic[Event]):
    """A stage and what surrounds it."""

    stage: Callable[[], Stage]
    outputs: tuple[str, ...]
    messages: Callable[[Event, int, int], list[Message]]  # of an event, the time in ms, the number of partitions
    wait_ms: Callable[[Event], int]  # time that passes before the event
    closing: Callable[[int], list[Message]]  # closes everything, given the number of partitions
    changed: Callable[[], Stage] | None = None  # the stage after a change of the configuration


@dataclass(frozen=True)
class Scenario(Generic[Event]):
    """What happens."""

    partitions: int
    max_records: int
    operations: tuple[Operation[Event], ...]


class Crashed(Exception):
    """A process ends here."""


@dataclass
class _Member:
    broker: FaultyBroker
    session: Session
    stage: Stage


class World(Generic[Event]):
    """The log, the members of the group, and a reference: a stage that nothing ever happens to."""

    def __init__(self, flow: Flow[Event], scenario: Scenario[Event]) -> None:
        self.flow = flow
        self.partitions = scenario.partitions
        self.log = MemoryLog(clock := ManualClock(1_000))
        self.broker = MemoryBroker(self.log)
        self.reference = flow.stage()
        self.expected: set[Message] = set()
        self._clock = clock
        self._options = SessionOptions(GROUP, NEVER_MS, scenario.max_records)
        self._source = self.reference.source
        self.state_topic = self._options.state_topic(self._source)
        self._publisher = self.broker.publisher()
        self._members: list[_Member | None] = [None] * MEMBERS
        self._stages: list[Stage | None] = [None] * MEMBERS  # of members that stopped cleanly
        self._zombies: list[_Member] = []
        self._judged = dict.fromkeys(range(scenario.partitions), 0)
        for topic in (self._source, *flow.outputs):
            self.broker.create_topic(TopicSettings(topic, scenario.partitions))
        self.broker.create_topic(TopicSettings(self.state_topic, scenario.partitions, compacted=True))
        for partition in range(scenario.partitions):
            self.reference.assign(Handover(partition, 0, writer=REFERENCE, partitions=scenario.partitions))

    def do(self, operation: Operation[Event]) -> None:
        """One operation."""
        match operation:
            case Publish(events):
                self._pass(events)
            case Turn(number, turns, commits):
                self._drive(number, turns, commits)
            case Fault(number):
                self._fail(number, operation)
            case Crash(number):
                self._crash(number)
            case Stop(number):
                self._stop(number)
            case Stall(number, partitions):
                self._stall(number, partitions)
            case Zombie(turns, commits):
                self._wake(turns, commits)
            case Rebalance() | Compact() | Change():
                self._befall(operation)

    def finish(self) -> Stage:
        """All are gone; an uninterrupted session reads to the end, where everything closes."""
        self._end_all()
        self._publish(self.flow.closing(self.partitions))
        return self._read_to_end().stage

    def records(self, topic: str) -> list[Record]:
        """Everything in a topic."""
        return [record for partition in range(self.partitions) for record in self.log.read(topic, partition, 0, NEVER_MS)]

    def source(self, partition: int) -> list[Record]:
        """The stage's input."""
        return self.log.read(self._source, partition, 0, NEVER_MS)

    def published(self) -> set[Message]:
        """What the members have published so far."""
        records = (record for topic in self.flow.outputs for record in self.records(topic))
        return {Message(record.topic, record.key, record.value, record.headers) for record in records}

    def judge(self, partition: int, offset: int) -> set[Message]:
        """What the reference makes of the records before `offset` that it has not yet been given."""
        before, self._judged[partition] = self._judged[partition], max(offset, self._judged[partition])
        records = self.log.read(self._source, partition, before, max(0, offset - before))
        made = set(self.reference.step(records, 0))
        self.expected |= made
        return made

    def _befall(self, operation: Rebalance | Compact | Change) -> None:
        """What comes from outside of the members."""
        match operation:
            case Rebalance(partitions):
                self.log.evict(GROUP, partitions)
            case Compact():
                self.log.compact(self.state_topic)
            case Change():
                self._change()

    def _change(self) -> None:
        assert self.flow.changed is not None
        self._end_all()
        self._read_to_end().session.close()
        for partition, end in self.log.ends(self._source).items():
            self.judge(partition, end)
        before, self.reference = self.reference, self.flow.changed()
        for partition, end in self.log.ends(self._source).items():
            left = before.checkpoint(partition)
            state = [Record("state", partition, 0, 0, write.key, write.value) for write in left.writes]
            self.reference.assign(Handover(partition, end, left.position, state, REFERENCE, self.partitions))
            self.expected |= set(self.reference.checkpoint(partition).messages)
        self.flow = replace(self.flow, stage=self.flow.changed)

    def _end_all(self) -> None:
        for number in range(MEMBERS):
            self._crash(number)
        for zombie in self._zombies:
            zombie.broker.close()
        self._zombies.clear()

    def _read_to_end(self) -> _Member:
        last = self._start(self.flow.stage())
        last.session.turn(0)
        while last.session.turn(0):
            pass
        last.session.checkpoint()
        last.session.checkpoint()  # what the first one allowed to be deleted
        return last

    def _pass(self, events: tuple[Event, ...]) -> None:
        for event in events:
            self._clock.advance(self.flow.wait_ms(event))
            self._publish(self.flow.messages(event, self._clock.now_ms(), self.partitions))

    def _publish(self, messages: list[Message]) -> None:
        for message in messages:
            self._publisher.send(message)
        self._publisher.flush()

    def _on_commit(self, topic: str, position: Position) -> None:
        lost = self.judge(position.partition, position.offset)
        assert not lost or lost <= self.published(), "P4: a committed offset passes an output that is not in the log"

    def _start(self, stage: Stage) -> _Member:
        broker = FaultyBroker(self.log, self._on_commit)
        return _Member(broker, Session(broker, stage, self._options, self._clock), stage)

    def _member(self, number: int) -> _Member:
        member = self._members[number]
        if member is None:
            member = self._members[number] = self._start(self._stages[number] or self.flow.stage())
        return member

    def _drive(self, number: int, turns: int, checkpoint: bool) -> None:
        member = self._member(number)
        try:
            for _ in range(turns):
                member.session.turn(0)
            if checkpoint:
                member.session.checkpoint()
        except Crashed:
            self._crash(number)
        except LostPartitions:
            self._leave(number)

    def _fail(self, number: int, fault: Fault) -> None:
        if fault.is_new:
            self._crash(number)
        member = self._member(number)
        member.broker.steps.at(fault.step, fault.number, lambda: self._happen(number, fault.happens, fault.partitions))
        self._drive(number, fault.turns, checkpoint=True)
        member.broker.steps.clear()

    def _happen(self, number: int, happens: Happens, partitions: frozenset[int]) -> None:
        match happens:
            case Happens.CRASH:
                raise Crashed
            case Happens.REBALANCE:
                self.log.evict(GROUP, partitions)
            case Happens.TAKEOVER | Happens.STALL:
                member = self._members[number]
                if happens is Happens.STALL and member is not None:
                    member.broker.stall(partitions)
                self.log.evict(GROUP, partitions)
                for _ in range(2):  # what the first commit allows to be deleted is deleted by the second
                    self._drive((number + 1) % MEMBERS, 2, checkpoint=True)
            case Happens.COMPACTION:
                self.log.compact(self.state_topic)
            case Happens.ZOMBIE:
                self._wake(2, commits=True)

    def _crash(self, number: int) -> None:
        member, self._members[number], self._stages[number] = self._members[number], None, None
        if member is not None:
            member.broker.close()

    def _leave(self, number: int) -> None:
        """A life of the clients is over: the stage goes on with new ones."""
        member, self._members[number] = self._members[number], None
        if member is not None:
            member.session.close()
            self._stages[number] = member.stage

    def _stop(self, number: int) -> None:
        if self._members[number] is not None:
            self._drive(number, 0, checkpoint=True)
            self._leave(number)

    def _stall(self, number: int, partitions: frozenset[int]) -> None:
        member = self._members[number]
        if member is None or not member.broker.stall(partitions):
            return
        self.log.evict(GROUP, member.broker.lost)
        self._members[number], self._stages[number] = None, None
        self._zombies.append(member)

    def _wake(self, turns: int, commits: bool) -> None:
        if not self._zombies:
            return
        zombie = self._zombies[0]
        for _ in range(turns):
            zombie.session.turn(0)
        if not commits:
            return
        del self._zombies[0]
        with suppress(LostPartitions):
            zombie.session.checkpoint()
        zombie.session.close()


def play(flow: Flow[Event], scenario: Scenario[Event]) -> tuple[World[Event], Stage]:
    """Plays the scenario to its end and checks what holds for every stage; returns what further promises are about."""
    world = World(flow, scenario)
    for operation in scenario.operations:
        world.do(operation)
    stage = world.finish()
    for partition in range(world.partitions):
        world.judge(partition, world.log.ends(world.reference.source)[partition])
    published = world.published()
    assert world.expected - published == set(), "P3: something is missing"
    assert published - world.expected == set(), "P3: something is there that one uninterrupted pass does not make"
    return world, stage
