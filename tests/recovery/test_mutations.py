"""The model of failure finds each known wrong way: a model that lets one pass proves nothing about the right way.

The streams are always the same. In a usual run the first that fails is enough; with SENSORLINE_SOAK=1 all are counted, and the
table goes to the log of the run (`pytest --log-cli-level=INFO`).
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from pipeline.core.policy import WindowPolicy
from tests.support.failure_model import Scenario
from tests.support.mutations import ALL, Mutation
from tests.support.scenarios import SOAK, scenarios
from tests.support.streams import Event, events, policies
from tests.support.window_promises import check_windows

STREAMS = 300

log = logging.getLogger(__name__)


def failing(mutation: Mutation | None) -> tuple[int, int]:
    """(played, failed) streams; ends at the first failure unless all are to be counted."""
    results: list[bool] = []

    @seed(1)
    @settings(max_examples=STREAMS, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(policies(), scenarios(events))
    def play_one(policy: WindowPolicy, scenario: Scenario[Event]) -> None:
        if True in results and not SOAK:
            return
        with pytest.MonkeyPatch.context() as patch:
            if mutation is not None:
                mutation(patch)
            results.append(fails(policy, scenario))

    play_one()
    return len(results), sum(results)


def fails(policy: WindowPolicy, scenario: Scenario[Any]) -> bool:
    try:
        check_windows(policy, scenario)
    except Exception:  # a broken promise, or a machine that no longer knows what it does
        return True
    return False


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.__name__)
def test_a_wrong_way_to_recover_is_found(mutation: Mutation) -> None:
    played, failed = failing(mutation)
    log.info("%s: %d of %d streams fail", mutation.__name__, failed, played)
    assert failed, f"none of {played} streams shows that this is wrong: {mutation.__doc__}"


def test_the_right_way_passes_the_same_streams() -> None:
    assert failing(None) == (STREAMS, 0)
