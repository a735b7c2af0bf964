"""Scenarios of failure for the two stages that keep state, and how many of them a test plays."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from pipeline.brokers.protocol import Message
from pipeline.core.alert_rules import AlertRule
from pipeline.core.policy import WindowPolicy
from pipeline.records import CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary
from pipeline.stages.alert import AlertStage, AlertTopics, prediction_alerts
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.headers import arrival_header, tick
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.readings import ReadingDecoder
from tests.support import streams
from tests.support.failure_model import (
    Change,
    Compact,
    Crash,
    Fault,
    Flow,
    Happens,
    Operation,
    Publish,
    Rebalance,
    Scenario,
    Stall,
    Stop,
    Turn,
    Zombie,
)
from tests.support.faulty_broker import Step

SOAK = int(os.environ.get("SENSORLINE_SOAK", "0"))  # 1: a long run; n: one n times as long
FAR_MS = 1_000_000
TICK_MS = 3


def scenario(random: Random, event: Callable[[Random], Any]) -> Scenario[Any]:
    """Such events, read by members to whom things happen."""
    operations = tuple(_operation(random, event) for _ in range(random.randint(15, 50)))
    return Scenario(random.randint(1, 2), random.choice([1, 4, 100]), operations)


def with_change(random: Random, event: Callable[[Random], Any]) -> Scenario[Any]:
    """The same, with a change of the configuration in the midst of it."""
    before, after = scenario(random, event), scenario(random, event)
    return replace(before, operations=(*before.operations, Change(), *after.operations))


def _operation(random: Random, event: Callable[[Random], Any]) -> Operation[Any]:
    member, turns = random.randint(0, 1), random.randint(1, 4)
    partitions = random.choice([frozenset({0, 1}), frozenset({0, 1}), frozenset({0}), frozenset({1})])
    match random.choices(
        ["publish", "turn", "fault", "crash", "stop", "rebalance", "stall", "zombie", "compact"], [6, 3, 6, 2, 1, 1, 1, 1, 1]
    )[0]:
        case "turn":
            return Turn(member, turns, random.random() < 0.3)
        case "fault":
            is_new, step, happens = random.random() < 0.5, random.choice(list(Step)), random.choice(list(Happens))
            return Fault(member, is_new, turns, step, random.randint(1, 3), happens, partitions)
        case "crash":
            return Crash(member)
        case "stop":
            return Stop(member)
        case "rebalance":
            return Rebalance(partitions)
        case "stall":
            return Stall(member, partitions)
        case "zombie":
            return Zombie(turns - 1, random.random() < 0.5)
        case "compact":
            return Compact()
    return Publish(tuple(event(random) for _ in range(random.randint(1, 8))))


def smallest(given: Scenario[Any], fails: Callable[[Scenario[Any]], bool]) -> Scenario[Any]:
    """What is left of a failing scenario when every operation is left out without which it still fails."""
    place = 0
    while place < len(given.operations):
        without = replace(given, operations=given.operations[:place] + given.operations[place + 1 :])
        if fails(without):
            given = without
        else:
            place += 1
    return given


def window_flow(policy: WindowPolicy) -> Flow[streams.Event]:
    """The window stage, in which a live device asks for the time after `TICK_MS`."""

    def stage() -> WindowStage:
        return WindowStage(WindowTopics(streams.TOPIC, "windows", "rejected"), policy, ReadingDecoder(streams.SENSORS), TICK_MS)

    def closing(partitions: int) -> list[Message]:
        return [tick(streams.TOPIC, partition, (arrival_header(FAR_MS),)) for partition in range(partitions)]

    return Flow(stage, ("windows", "rejected"), streams.messages, streams.wait_of, closing)


@dataclass(frozen=True)
class Scored:
    """A prediction about the device's window `number`, which may come twice or early, or something that is none."""

    device: str
    number: int
    rul: float
    final: bool
    broken: bool


def random_scored(random: Random) -> Scored:
    """One of few windows, so that many come again."""
    return Scored(
        random.choice(streams.DEVICES),
        random.randint(0, 20),
        random.choice([10.0, 12.0, 15.0, 25.0, 60.0]),
        random.random() < 0.8,
        random.random() < 0.1,
    )


def alert_flow(rules: tuple[AlertRule, ...], changed: tuple[AlertRule, ...] = ()) -> Flow[Scored]:
    """The alert stage; `changed`: the rules after a change."""
    topics = AlertTopics("predictions", "alerts", "rejected")

    def stage(rules: tuple[AlertRule, ...]) -> Callable[[], AlertStage]:
        return lambda: prediction_alerts(topics, rules)

    return Flow(stage(rules), ("alerts", "rejected"), _predictions, lambda _: 1, lambda _: [], stage(changed))


def _predictions(event: Scored, now_ms: int, partitions: int) -> list[Message]:
    start = 60_000 * event.number
    prediction = Prediction(
        id=f"{event.device}-{event.number}-{event.final}-{event.rul}",
        device=event.device,
        window=WindowSummary(f"{event.device}-{event.number}", start, start + 1, 2, CloseReason.GAP, event.final, 1 + event.final, 0, 0),
        outputs={"rul": event.rul},
        model=ModelIdentity("pump", "1", "0" * 64, "keras"),
        source=Source(streams.TOPIC, 0, 2 * event.number, 2 * event.number + 1, start, start + 1),
        padded_to=8,
        times=PredictionTimes(start + 1, start + 2),
    )
    return [Message("predictions", event.device.encode(), b"{" if event.broken else encode_prediction(prediction))]
