"""Dashboards on a log in memory."""

from __future__ import annotations

import pytest

from tests.support.dashboards import House


@pytest.fixture
def house() -> House:
    return House.build()
