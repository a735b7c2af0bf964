"""What is done to the processes, in what order: equal seeds give equal plans."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from tests.soak.crew import Crew
from tests.support.failing_process import Place

PARTITIONS = 4
MOST_MEMBERS = 3  # of one stage, besides those that fail: a member without a partition reaches no checkpoint
MOST_SCORERS = 2  # a model library takes seconds of CPU to load
ROOM_WITHIN_S = 30.0


@dataclass(frozen=True)
class Action:
    """Something that is done to a stage."""

    name: str
    stage: str
    do: Callable[[Crew, str], None]


def actions(random: Random) -> Iterator[Action]:
    """Without end: each round has every kind of action at least once, in an order of its own."""
    for turn in count():
        round_ = [*_failures(turn), *_kills(), *_zombies(random), *_changes()]
        random.shuffle(round_)
        yield from round_


def round_length() -> int:
    """Number of actions in which every kind comes at least once."""
    random = Random(0)
    return len([*_failures(0), *_kills(), *_zombies(random), *_changes()])


def _failures(turn: int) -> Iterator[Action]:
    for place in Place:
        yield _fail("window", place, signal.SIGKILL)
    places = list(Place)
    yield _fail("alert", places[turn % len(places)], signal.SIGKILL)


def _kills() -> Iterator[Action]:
    for stage in ("window", "window", "alert", "score"):
        yield Action("kill", stage, _kill)
    yield Action("kill all", "window", _kill_all)


def _zombies(random: Random) -> Iterator[Action]:
    yield Action("freeze", "alert", _freeze)
    yield _fail("window", random.choice([Place.AFTER_OUTPUTS, Place.MIDDLE_OF_STATE, Place.BEFORE_COMMIT]), signal.SIGSTOP)


def _changes() -> Iterator[Action]:
    for stage in ("window", "score", "alert"):
        yield Action("add or remove", stage, _change)


def _fail(stage: str, place: Place, number: signal.Signals) -> Action:
    def do(crew: Crew, stage: str) -> None:
        crew.tend(ROOM_WITHIN_S, lambda: len(crew.of(stage)) < PARTITIONS)
        crew.hire_failing(stage, place, number)

    return Action(f"{number.name} {place.name.lower().replace('_', ' ')}", stage, do)


def _kill(crew: Crew, stage: str) -> None:
    for member in crew.random.sample(crew.regulars(stage), k=min(1, len(crew.regulars(stage)))):
        crew.kill(member)


def _kill_all(crew: Crew, stage: str) -> None:
    for member in crew.regulars(stage):
        crew.kill(member)


def _freeze(crew: Crew, stage: str) -> None:
    for member in crew.random.sample(crew.regulars(stage), k=min(1, len(crew.regulars(stage)))):
        crew.freeze(member)


def _change(crew: Crew, stage: str) -> None:
    """One more or one less, under load."""
    most = MOST_SCORERS if stage == "score" else MOST_MEMBERS
    wanted = crew.wanted[stage]
    crew.wanted[stage] = wanted + 1 if wanted == 1 or (wanted < most and crew.random.random() < 0.5) else wanted - 1
    crew.events["members added or removed"] += 1
