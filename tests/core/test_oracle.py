"""The windower and the oracle make the same windows of every log."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.brokers.protocol import Record
from pipeline.core.policy import Shape, WindowPolicy
from pipeline.stages.protocol import Handover
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window
from tests.support.oracle import Shown, shown, windows_of
from tests.support.streams import SENSORS, SHAPES, events, log_of, policies, random_event, random_policy, unusual_policy

CLOSING = Record("readings", 0, 10_000, 0, b"", None, (("arrival", b"100000"),))


def windows_by_the_stage(log: list[Record], policy: WindowPolicy) -> list[Shown]:
    stage = WindowStage(WindowTopics("readings", "windows", "rejected"), policy, ReadingDecoder(SENSORS), None)
    stage.assign(Handover(0, 0, writer="first"))
    return [shown(decode_window(message.value or b"")) for message in stage.step(log, 0) if message.topic == "windows"]


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
@given(st.data())
def test_the_windows_of_a_log_are_those_of_the_design(shape: Shape, data: st.DataObject) -> None:
    policy = data.draw(policies([shape]))
    log = [*log_of(data.draw(st.lists(events, min_size=5, max_size=40))), CLOSING]
    assert Counter(windows_by_the_stage(log, policy)) == Counter(windows_of(log, policy, SENSORS))


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_the_windows_of_long_streams_are_those_of_the_design(shape: Shape) -> None:
    """Hypothesis prefers simple streams; these are crowded."""
    for seed in range(150):
        random = Random(seed)
        policy = random_policy(random, [shape])
        log = [*log_of(random_event(random) for _ in range(120)), CLOSING]
        assert Counter(windows_by_the_stage(log, policy)) == Counter(windows_of(log, policy, SENSORS)), f"stream {seed}, {policy}"


def test_the_windows_of_unusual_policies_are_those_of_the_design() -> None:
    for seed in range(150):
        random = Random(seed)
        policy = unusual_policy(random)
        log = [*log_of(random_event(random) for _ in range(120)), CLOSING]
        assert Counter(windows_by_the_stage(log, policy)) == Counter(windows_of(log, policy, SENSORS)), f"stream {seed}, {policy}"
