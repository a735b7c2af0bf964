"""Windows and alerts are functions of the log, whatever happens to those who make them.

The streams are random, but always the same. SENSORLINE_SOAK=1 plays ten times as many, SENSORLINE_SOAK=n n times those.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.brokers.protocol import Record
from pipeline.core.policy import WindowPolicy
from pipeline.stages.protocol import Handover
from pipeline.wire.windows import decode_window
from tests.support.alert_rules import threshold_rule
from tests.support.alert_scenarios import clock_flow, group_flow, random_closed, random_stands, random_wrong, window_alert_flow
from tests.support.failure_model import Flow, Scenario, play
from tests.support.scenarios import SOAK, alert_flow, random_scored, scenario, smallest, window_flow
from tests.support.streams import DEVICES, Event, events, log_of, policies, random_event, random_policy, unusual_policy
from tests.support.window_promises import check_windows

RULES = (
    threshold_rule("worn", "rul", below=20, clear_above=30, needed=2, of=3),
    threshold_rule("soon", "rul", below=14, early=True, cooldown_ms=90_000),
)
BLOCKS = range(10 * SOAK or 1)
STREAMS = 300  # in a block


@pytest.mark.parametrize("block", BLOCKS)
def test_the_windows_after_any_faults_are_those_of_the_log(block: int) -> None:
    for seed in range(block * STREAMS, (block + 1) * STREAMS):
        random = Random(seed)
        policy = random_policy(random)
        check(f"stream {seed}, {policy}", scenario(random, random_event), partial(check_windows, policy))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_windows_of_unusual_policies_after_any_faults_are_those_of_the_log(block: int) -> None:
    for seed in range(block * STREAMS // 3, (block + 1) * STREAMS // 3):
        random = Random(seed)
        policy = unusual_policy(random)
        check(f"stream {seed}, {policy}", scenario(random, random_event), partial(check_windows, policy))


@pytest.mark.parametrize("block", BLOCKS)
def test_the_alerts_after_any_faults_are_those_of_the_log(block: int) -> None:
    for seed in range(block * STREAMS, (block + 1) * STREAMS):
        check(f"stream {seed}", scenario(Random(seed), random_scored), partial(play, alert_flow(RULES)))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    ("flow", "event"),
    [(window_alert_flow(), random_closed), (clock_flow(), random_wrong), (group_flow(), random_stands)],
    ids=["windows", "clocks", "groups"],
)
def test_the_other_alerts_after_any_faults_are_those_of_the_log(flow: Flow[Any], event: Callable[[Random], Any], block: int) -> None:
    for seed in range(block * STREAMS // 3, (block + 1) * STREAMS // 3):
        check(f"stream {seed}", scenario(Random(seed), event), partial(play, flow))


@given(policies(), st.lists(events, min_size=10, max_size=60), st.sampled_from(DEVICES))
def test_a_device_keeps_its_windows_when_the_others_say_something_else(policy: WindowPolicy, stream: list[Event], device: str) -> None:
    """P5. What the others said is refused, so all that is left of it is its arrival."""
    log = log_of(stream)
    alone = [record if record.key in (device.encode(), b"") else msgspec.structs.replace(record, value=b"{") for record in log]
    assert windows_of_device(policy, log, device) == windows_of_device(policy, alone, device)


def check(name: str, whole: Scenario[Any], play_it: Callable[[Scenario[Any]], object]) -> None:
    """Plays a scenario; one that fails is told with as few operations as still fail."""

    def fails(part: Scenario[Any]) -> bool:
        try:
            play_it(part)
        except Exception:
            return True
        return False

    if fails(whole):
        least = smallest(whole, fails)
        print(f"{name}\n{least.partitions} partitions, polls of {least.max_records}", *least.operations, sep="\n  ")  # noqa: T201
        play_it(least)


def windows_of_device(policy: WindowPolicy, log: list[Record], device: str) -> list[tuple[str, int, int, str]]:
    stage = window_flow(policy).stage()
    stage.assign(Handover(0, 0, writer="first"))
    windows = [decode_window(message.value or b"") for message in stage.step(log, 0) if message.topic == "windows"]
    return [(window.id, window.sequence, window.revision, window.hash) for window in windows if window.device == device]
