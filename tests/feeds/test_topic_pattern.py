"""Which topics a pattern describes, and what it finds in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wire.topic_pattern import Named, TopicPattern

LEVELS = st.text(st.characters(exclude_characters="/+#{}\0", exclude_categories=["Cs"]), max_size=8)


@given(LEVELS, LEVELS, LEVELS)
def test_levels_are_found_by_their_names(plant: str, device: str, sensor: str) -> None:
    pattern = TopicPattern("plant/+/{device}/x/{sensor}")
    assert pattern.filter == "plant/+/+/x/+"
    assert pattern.match(f"plant/{plant}/{device}/x/{sensor}") == Named(device, sensor)
    assert pattern.match(f"plant/{plant}/{device}/x/{sensor}/more") is None
    assert pattern.match(f"plant/{plant}/{device}/x") is None


def test_a_last_hash_stands_for_any_number_of_levels() -> None:
    pattern = TopicPattern("{device}/#")
    assert [pattern.match(topic) for topic in ("a", "a/b", "a/b/c")] == [Named("a", None)] * 3


@pytest.mark.parametrize("text", ["", "a/#/b", "a+/b", "{device}/{device}", "a/{unit}", "a/{device}s", "#a"])
def test_what_mqtt_could_not_subscribe_to_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|no level"):
        TopicPattern(text)
