"""Durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "ms"), [("0s", 0), ("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("3h", 10_800_000), ("7d", 604_800_000)]
)
def test_a_duration_is_a_whole_number_with_a_unit(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1.5s", "10 s", "10S", "10sec", "1h30m", "none", "١s", "10s\n", "999999999999999d"])
def test_nothing_else_is_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration with a unit"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**14))
def test_a_duration_that_is_written_reads_the_same(ms: int) -> None:
    assert parse_duration(format_duration(ms)) == ms
