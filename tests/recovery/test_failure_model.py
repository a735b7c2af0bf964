"""Windows and alerts are functions of the log, whatever happens to those who make them.

100 random streams in a usual run; with SENSORLINE_SOAK=1 many more.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.brokers.protocol import Record
from pipeline.core.alerting import AlertRule
from pipeline.core.policy import WindowPolicy
from pipeline.stages.protocol import Handover
from pipeline.wire.windows import decode_window
from tests.support.failure_model import Scenario, play
from tests.support.scenarios import Scored, alert_flow, how_many, scenarios, scored, window_flow
from tests.support.streams import DEVICES, Event, events, log_of, policies
from tests.support.window_promises import check_windows

RULES = (
    AlertRule("worn", "rul", below=20, clear_above=30, needed=2, of=3),
    AlertRule("soon", "rul", below=14, early=True, cooldown_ms=90_000),
)


@how_many(fast=100, soak=600)
@given(policies(), scenarios(events))
def test_the_windows_after_any_faults_are_those_of_the_log(policy: WindowPolicy, scenario: Scenario[Event]) -> None:
    check_windows(policy, scenario)


@how_many(fast=60, soak=600)
@given(scenarios(scored))
def test_the_alerts_after_any_faults_are_those_of_the_log(scenario: Scenario[Scored]) -> None:
    play(alert_flow(RULES), scenario)


@how_many(fast=60, soak=600)
@given(policies(), st.lists(events, min_size=10, max_size=60), st.sampled_from(DEVICES))
def test_a_device_keeps_its_windows_when_the_others_say_something_else(policy: WindowPolicy, stream: list[Event], device: str) -> None:
    """P5. What the others said is refused, so all that is left of it is its arrival."""
    log = log_of(stream)
    alone = [record if record.key in (device.encode(), b"") else msgspec.structs.replace(record, value=b"{") for record in log]
    assert windows_of_device(policy, log, device) == windows_of_device(policy, alone, device)


def windows_of_device(policy: WindowPolicy, log: list[Record], device: str) -> list[tuple[str, int, int, str]]:
    stage = window_flow(policy).stage()
    stage.assign(Handover(0, 0, writer="first"))
    windows = [decode_window(message.value or b"") for message in stage.step(log, 0) if message.topic == "windows"]
    return [(window.id, window.sequence, window.revision, window.hash) for window in windows if window.device == device]
