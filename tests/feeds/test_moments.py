"""Times as other systems write them."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire import mapping, moments, topic_pattern
from pipeline.wire.moments import PER_SECOND, TimeFormat, parse_moment

MOMENTS = st.integers(0, 4_102_444_800_000)


@given(MOMENTS, st.sampled_from(sorted(PER_SECOND)))
def test_a_moment_is_the_same_in_each_unit(ms: int, unit: str) -> None:
    count = ms * PER_SECOND[unit] // 1_000
    expected = count * 1_000 // PER_SECOND[unit]
    assert parse_moment(count, TimeFormat(unit)) == expected
    assert parse_moment(str(count), TimeFormat(unit)) == expected


@given(MOMENTS)
def test_fractions_of_a_second_keep_their_milliseconds(ms: int) -> None:
    assert parse_moment(ms / 1_000, TimeFormat("s")) == ms
    assert parse_moment(f"{ms // 1_000}.{ms % 1_000:03d}", TimeFormat("s")) == ms


@given(MOMENTS)
def test_texts_are_read_as_their_format_says(ms: int) -> None:
    moment = datetime.fromtimestamp(ms // 1_000, UTC)
    assert parse_moment(moment.isoformat(), TimeFormat("rfc3339")) == ms // 1_000 * 1_000
    assert parse_moment(moment.strftime("%d.%m.%Y %H:%M:%S"), TimeFormat("%d.%m.%Y %H:%M:%S", "UTC")) == ms // 1_000 * 1_000


def test_a_text_without_a_zone_is_in_the_configured_one() -> None:
    assert parse_moment("2026-07-01 12:00", TimeFormat("%Y-%m-%d %H:%M", "Europe/Berlin")) == 1_782_900_000_000
    assert parse_moment("2026-07-01T12:00:00+02:00", TimeFormat("rfc3339", "UTC")) == 1_782_900_000_000


@pytest.mark.parametrize(
    ("value", "form", "said"),
    [
        (True, TimeFormat("ms"), "neither a number nor a text"),
        ([1], TimeFormat("ms"), "neither a number nor a text"),
        ("soon", TimeFormat("s"), "is no number in s"),
        (float("inf"), TimeFormat("s"), "is no number in s"),
        ("1e-999999999", TimeFormat("s"), None),
        ("9" * 101, TimeFormat("s"), "is no number in s"),
        (10**30, TimeFormat("ms"), r"more than 2\^62 ms"),
        (1e30, TimeFormat("s"), r"more than 2\^62 ms"),
        ("2026-01-01T00:00:00", TimeFormat("rfc3339"), "has no zone"),
        ("1.1.2026", TimeFormat("rfc3339"), "is not as rfc3339 says"),
        ("1.13.2026", TimeFormat("%d.%m.%Y", "UTC"), "is not as %d.%m.%Y says"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(value: object, form: TimeFormat, said: str | None) -> None:
    if said is None:
        assert parse_moment(value, form) == 0
        return
    with pytest.raises(ValueError, match=said):
        parse_moment(value, form)


def test_a_format_without_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match="strptime"):
        TimeFormat("minutes")


@pytest.mark.parametrize("module", [moments, mapping, topic_pattern], ids=lambda module: module.__name__)
def test_the_examples_of_the_docstrings_hold(module: object) -> None:
    results = doctest.testmod(module)  # type: ignore[arg-type]
    assert results.attempted > 0
    assert results.failed == 0
