"""The model of failure finds each known wrong way: a model that lets one pass proves nothing about the right way.

The streams are those of the model's own test. In a usual run the first that fails is enough; with SENSORLINE_SOAK=1 all are
counted, and the table goes to the log of the run (`pytest --log-cli-level=INFO`).
"""

from __future__ import annotations

import logging
from random import Random

import pytest

from tests.support.mutations import ALL, Mutation
from tests.support.scenarios import SOAK, scenario
from tests.support.streams import random_event, random_policy
from tests.support.window_promises import check_windows

STREAMS = 300

log = logging.getLogger(__name__)


def failing(mutation: Mutation) -> tuple[int, int]:
    """(played, failed) streams; ends at the first failure unless all are to be counted."""
    played = failed = 0
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        for seed in range(STREAMS):
            played += 1
            failed += fails(Random(seed))
            if failed and not SOAK:
                break
    return played, failed


def fails(random: Random) -> bool:
    policy = random_policy(random)
    try:
        check_windows(policy, scenario(random, random_event))
    except Exception:  # a broken promise, or a machine that no longer knows what it does
        return True
    return False


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.__name__)
def test_a_wrong_way_to_recover_is_found(mutation: Mutation) -> None:
    played, failed = failing(mutation)
    log.info("%s: %d of %d streams fail", mutation.__name__, failed, played)
    assert failed, f"none of {played} streams shows that this is wrong: {mutation.__doc__}"
