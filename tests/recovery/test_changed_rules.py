"""Episodes whose rules were removed are cleared, once and with the same record, whatever happens while that is done.

The streams are random, but always the same; SENSORLINE_SOAK plays more of them, as in the model's own test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from pipeline.core.alert_states import RuleStates
from pipeline.core.keyed_state import decode_mark
from pipeline.records import Alert, AlertCause, AlertState
from pipeline.stages.alert import AlertStage
from pipeline.stages.protocol import Checkpoint
from pipeline.wire.alerts import decode_alert
from tests.support.alert_rules import threshold_rule
from tests.support.alert_scenarios import clock_flow, group_flow, random_closed, random_stands, random_wrong, window_alert_flow
from tests.support.failure_model import REFERENCE, Flow, play
from tests.support.scenarios import SOAK, alert_flow, random_scored, with_change

WORN = threshold_rule("worn", "rul", below=20, clear_above=30, needed=2, of=3)
SOON = threshold_rule("soon", "rul", below=14)
EARLIER = threshold_rule("soon", "rul", below=18)  # other limits
NEW = threshold_rule("new", "rul", below=20)
FLOWS: dict[str, tuple[Flow[Any], Callable[[Random], Any]]] = {
    "predictions": (alert_flow((WORN, SOON), (EARLIER, NEW)), random_scored),
    "windows": (window_alert_flow(), random_closed),
    "clocks": (clock_flow(), random_wrong),
    "groups": (group_flow(), random_stands),
}
STREAMS = 60 * (SOAK * 10 or 1)


def alerts_of(name: str, seed: int) -> list[Alert]:
    """What is on the alerts topic in the end, each record once; `play` has compared it with what nobody interrupts."""
    flow, event = FLOWS[name]
    world, _ = play(flow, with_change(Random(seed), event))
    return [decode_alert(message.value or b"") for message in world.published() if message.topic == "alerts"]


def episodes_that_never_end(alerts: Sequence[Alert], kept: set[str]) -> set[tuple[str, str, str]]:
    """Raised and not cleared, of rules that are gone."""
    by_state = {state: {(it.id, it.device, it.rule) for it in alerts if it.state is state} for state in AlertState}
    return {it for it in by_state[AlertState.RAISED] - by_state[AlertState.CLEARED] if it[2] not in kept}


@pytest.mark.parametrize("name", FLOWS)
def test_an_episode_of_a_rule_that_is_gone_is_cleared_once_whatever_happens(name: str) -> None:
    orphans = 0
    for seed in range(STREAMS):
        alerts = alerts_of(name, seed)
        assert episodes_that_never_end(alerts, kept={"soon", "new", "gone", "meagre", "stuck", "once"}) == set(), f"stream {seed}"
        ends = [it.id for it in alerts if it.state is AlertState.CLEARED]
        assert len(ends) == len(set(ends)), f"stream {seed}: an episode ends in one way only"
        orphans += sum(it.cause is AlertCause.RULE_REMOVED for it in alerts)
    assert orphans, "no stream has shown it"


def never_cleared(patch: pytest.MonkeyPatch) -> None:
    """What is open under a rule that is gone is forgotten."""
    patch.setattr(RuleStates, "take_orphans", lambda self: [])


def cleared_with_the_next_checkpoint(patch: pytest.MonkeyPatch) -> None:
    """The state is saved without the rule before the clearing is published."""
    checkpoint = AlertStage.checkpoint
    held: dict[tuple[int, int], Checkpoint] = {}

    def late(self: AlertStage, partition: int) -> Checkpoint:
        made = checkpoint(self, partition)
        mark = decode_mark(made.position.metadata)
        if mark is not None and mark.writer == REFERENCE:
            return made  # what the others are compared with
        before = held.pop((id(self), partition), None)
        held[id(self), partition] = made
        return msgspec.structs.replace(made, messages=() if before is None else before.messages)

    patch.setattr(AlertStage, "checkpoint", late)


@pytest.mark.parametrize("mutation", [cleared_with_the_next_checkpoint, never_cleared], ids=lambda it: it.__name__)
def test_a_wrong_way_to_clear_is_found(mutation: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        assert any(fails(seed) for seed in range(STREAMS)), f"no stream shows that this is wrong: {mutation.__doc__}"


def fails(seed: int) -> bool:
    try:
        alerts = alerts_of("predictions", seed)
    except Exception:  # a broken promise
        return True
    return bool(episodes_that_never_end(alerts, kept={"soon", "new"}))
