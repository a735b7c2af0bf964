"""Fixtures of the training tests: a small simulated fleet, its windows and its labels."""

from __future__ import annotations

import pytest

from pipeline.core.policy import WindowPolicy
from tests.support.windows import session_policy
from tests.training.fleet import Fleet, record_small_fleet


@pytest.fixture(scope="session")
def policy() -> WindowPolicy:
    """Sessions as the simulator's machines work, at most 40 steps long."""
    return session_policy(max_length=40)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return record_small_fleet(tmp_path_factory.mktemp("fleet"))
