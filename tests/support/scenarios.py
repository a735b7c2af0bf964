"""Scenarios of failure for the two stages that keep state, and how many of them a test plays."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from pipeline.brokers.protocol import Message
from pipeline.core.alerting import AlertRule
from pipeline.core.policy import WindowPolicy
from pipeline.records import CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary
from pipeline.stages.alert import AlertStage, AlertTopics
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.headers import arrival_header, tick
from pipeline.wire.predictions import encode_prediction
from pipeline.wire.readings import ReadingDecoder
from tests.support import streams
from tests.support.failure_model import (
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

_members = st.integers(0, 1)
_partitions = st.sampled_from([frozenset({0, 1}), frozenset({0, 1}), frozenset({0}), frozenset({1})])
_turns = st.integers(1, 4)
_happens = st.sampled_from(Happens)
_faults = st.builds(Fault, _members, st.booleans(), _turns, st.sampled_from(Step), st.integers(1, 3), _happens, _partitions)


def how_many(fast: int, soak: int) -> settings:
    """Settings for so many streams: a fast run, or a long one with SENSORLINE_SOAK=1 (or more)."""
    return settings(
        max_examples=soak * SOAK or fast, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


def scenarios(events: st.SearchStrategy[Any]) -> st.SearchStrategy[Scenario[Any]]:
    """Streams of such events, read by members to whom things happen."""
    operation: st.SearchStrategy[Operation[Any]] = st.one_of(
        *[st.builds(Publish, st.lists(events, min_size=2, max_size=8).map(tuple))] * 6,
        *[st.builds(Turn, _members, _turns, st.sampled_from([False, False, True]))] * 3,
        *[_faults] * 6,
        *[st.builds(Crash, _members)] * 2,
        st.builds(Stop, _members),
        st.builds(Rebalance, _partitions),
        st.builds(Stall, _members, _partitions),
        st.builds(Zombie, st.integers(0, 2), st.booleans()),
        st.just(Compact()),
    )
    return st.builds(Scenario, st.integers(1, 2), st.sampled_from([1, 4, 100]), st.lists(operation, min_size=15, max_size=50).map(tuple))


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


scored = st.builds(
    Scored,
    st.sampled_from(streams.DEVICES),
    st.integers(0, 9),
    st.sampled_from([10.0, 12.0, 15.0, 25.0, 60.0]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([False] * 9 + [True]),
)


def alert_flow(rules: tuple[AlertRule, ...]) -> Flow[Scored]:
    """The alert stage."""
    topics = AlertTopics("predictions", "alerts", "rejected")
    return Flow(lambda: AlertStage(topics, rules), ("alerts", "rejected"), _predictions, lambda _: 1, lambda _: [])


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
