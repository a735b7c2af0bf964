"""Whether a process is alive and ready, by the turns of its stages and a clock that a test moves."""

from __future__ import annotations

import threading

import pytest

from consumers.windower import windower
from pipeline.brokers.memory import MemoryBroker
from pipeline.clock import ManualClock
from pipeline.metrics.health import ALIVE_WITHIN_S, READY_WITHIN_S, alive, ready
from pipeline.runner import Finish, Runner
from pipeline.session import SessionOptions
from tests.support.dashboards import House


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000_000)


@pytest.fixture
def runner(clock: ManualClock) -> Runner:
    house = House.build()
    return Runner(house.broker, windower(house.settings), SessionOptions(house.settings.group("window")), clock, Finish.UNTIL_END)


def test_a_stage_is_ready_once_it_has_partitions_and_made_a_turn(runner: Runner, clock: ManualClock) -> None:
    assert not ready([runner], clock).good
    runner.run(threading.Event())
    verdict = ready([runner], clock)
    assert (verdict.good, verdict.said) == (True, ("window: 2 partitions",))


def test_a_stage_without_a_recent_turn_is_not_ready(runner: Runner, clock: ManualClock) -> None:
    runner.run(threading.Event())
    clock.advance(int(1000 * READY_WITHIN_S) + 1)
    verdict = ready([runner], clock)
    assert not verdict.good
    assert "last turn 30 s ago" in verdict.said[0]


def test_one_stage_that_is_not_ready_is_enough(runner: Runner, clock: ManualClock) -> None:
    house = House.build()
    other = Runner(house.broker, windower(house.settings), SessionOptions("other"), clock)
    runner.run(threading.Event())
    assert not ready([runner, other], clock).good


def test_a_stage_that_is_stuck_is_not_alive(runner: Runner, clock: ManualClock) -> None:
    assert alive([runner], clock).good
    clock.advance(int(1000 * ALIVE_WITHIN_S) + 1)
    assert not alive([runner], clock).good
    runner.run(threading.Event())
    assert alive([runner], clock).good, "it has ended in peace"


def test_a_stage_whose_broker_is_gone_is_alive_but_not_ready(clock: ManualClock) -> None:
    house = House.build()
    stop = threading.Event()
    verdicts: list[tuple[bool, bool]] = []

    def connect() -> MemoryBroker:
        clock.advance(int(600 * ALIVE_WITHIN_S))
        verdicts.append((alive([watched], clock).good, ready([watched], clock).good))
        if len(verdicts) == 3:
            stop.set()
        broker = house.connect()
        house.away.set()
        return broker

    watched = Runner(connect, windower(house.settings), SessionOptions(house.settings.group("window")), clock)
    watched.run(stop)
    assert verdicts == [(True, False)] * 3
