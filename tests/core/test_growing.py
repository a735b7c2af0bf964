"""Windows scored while they grow give the answers of the whole windows, whatever is remembered, forgotten or given again."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.growing import Continuation, GrowingWindows
from pipeline.records import Window
from tests.support.windows import make_window

LARGE = 1 << 20


def part(values: list[float], final: bool = False, device: str = "pump-1") -> Window:
    """A window as it is with these steps."""
    return msgspec.structs.replace(make_window(values, ["x"], device=device), id=device, final=final)


class Answers(NamedTuple):
    """What a model that adds up all steps says, and how many steps it went over."""

    by_index: dict[int, float]
    steps: int


def answer(growing: GrowingWindows, windows: list[Window]) -> Answers:
    """Scores windows by the plan, with a model whose state is the sum so far."""
    continuations, whole = growing.plan(windows)
    found = {index: float(np.frombuffer(windows[index].values, "<f4").sum()) for index in whole}
    steps = sum(windows[index].length for index in whole)
    for continuation in continuations:
        steps += continuation.window.length - continuation.seen
        found |= _continued(growing, continuation)
    return Answers(found, steps)


def _continued(growing: GrowingWindows, continuation: Continuation) -> dict[int, float]:
    before = continuation.standing.state if continuation.standing else np.zeros(1, np.float32)
    further = np.frombuffer(continuation.window.values, "<f4")[continuation.seen :]
    sums = np.concatenate([before, before + np.cumsum(further)]).astype(np.float32)
    growing.keep(continuation, None, sums[-1:], sums[-1:])
    return {index: float(sums[steps - continuation.seen]) for index, steps in continuation.answers}


def test_only_the_further_steps_of_a_growing_window_are_gone_over() -> None:
    growing = GrowingWindows(LARGE)
    assert answer(growing, [part([1, 2, 3])]) == Answers({0: 6}, 3)
    assert answer(growing, [part([1, 2, 3, 4])]) == Answers({0: 10}, 1)
    assert answer(growing, [part([1, 2, 3, 4, 5, 6], final=True)]) == Answers({0: 21}, 2)


def test_parts_of_one_window_that_come_together_are_answered_by_one_pass() -> None:
    assert answer(GrowingWindows(LARGE), [part([1]), part([1, 2]), part([1, 2, 3], final=True)]) == Answers({0: 1, 1: 3, 2: 6}, 3)


def test_a_closed_window_is_forgotten_and_one_that_never_grew_is_never_remembered() -> None:
    growing = GrowingWindows(LARGE)
    answer(growing, [part([1, 2]), part([5], final=True, device="pump-2")])
    assert len(growing) == 1
    answer(growing, [part([1, 2, 3], final=True)])
    assert len(growing) == 0


def test_a_window_whose_beginning_changed_is_scored_anew() -> None:
    growing = GrowingWindows(LARGE)
    answer(growing, [part([1, 2, 3])])
    assert answer(growing, [part([2, 3, 4, 5])]) == Answers({0: 14}, 4)


def test_the_same_part_given_again_costs_nothing_and_an_earlier_one_is_scored_as_a_whole() -> None:
    growing = GrowingWindows(LARGE)
    answer(growing, [part([1, 2, 3])])
    assert answer(growing, [part([1, 2, 3])]) == Answers({0: 6}, 0)
    assert answer(growing, [part([1, 2])]).by_index == {0: 3}


def test_memory_is_bounded_and_what_was_not_seen_for_longest_is_forgotten_first() -> None:
    kept = part([1, 2, 3])
    growing = GrowingWindows(2 * (len(kept.times) + len(kept.values) + 8))
    for number in range(5):
        answer(growing, [part([1, 2, 3], device=f"pump-{number}")])
    assert len(growing) == 2
    assert answer(growing, [part([1, 2, 3, 4], device="pump-4")]) == Answers({0: 10}, 1), "the last one is known"
    assert answer(growing, [part([1, 2, 3, 4], device="pump-0")]) == Answers({0: 10}, 4), "the first one was forgotten"


parts = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3), st.integers(1, 6), st.booleans())


@given(st.lists(st.lists(parts, max_size=5), max_size=8), st.sampled_from([0, 60, LARGE]))
def test_answers_are_those_of_the_whole_windows_in_whatever_order_and_memory(
    polls: list[list[tuple[str, int, int, bool]]], memory: int
) -> None:
    growing = GrowingWindows(memory)
    for poll in polls:
        windows = [part([float(begin + step) for step in range(length)], final, device) for device, begin, length, final in poll]
        expected = {index: float(np.frombuffer(window.values, "<f4").sum()) for index, window in enumerate(windows)}
        assert answer(growing, windows).by_index == pytest.approx(expected)
