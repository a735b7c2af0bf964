"""Which prediction meets which label, and what becomes of the windows that meet none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from pipeline.errors import ConfigurationError
from pipeline.evaluation.cases import Cases, Gathered
from pipeline.records import Prediction, Window
from pipeline.training.labels import Key, LabelTable, last_step
from tests.support.shown import prediction_of
from tests.support.windows import make_window

SENSORS = ("temperature",)


def window(device: str, first: int, steps: int) -> Window:
    """A window with a step a second, from second `first` on."""
    return make_window(np.zeros((steps, 1)), SENSORS, times=range(1_000 * first, 1_000 * (first + steps), 1_000), device=device)


def table_of(labels: Mapping[Key, float]) -> LabelTable:
    return LabelTable(("wear",), {key: row for row, key in enumerate(labels)}, np.array([[label] for label in labels.values()], np.float32))


def match(windows: Sequence[Window], predictions: Sequence[Prediction], table: LabelTable, outputs: Sequence[str]) -> Cases:
    gathered = Gathered()
    for window in windows:
        gathered.add_window(window)
    for prediction in predictions:
        gathered.add_prediction(prediction)
    return gathered.match(table, outputs)


def test_a_prediction_has_the_label_of_its_last_step() -> None:
    one, other = window("a", 0, 3), window("b", 5, 2)
    cases = match(
        [one, other], [prediction_of(other, 7.0), prediction_of(one, 6.0)], table_of({last_step(one): 1, last_step(other): 2}), ["wear"]
    )
    assert cases.steps == (last_step(one), last_step(other))
    assert cases.found.tolist() == [[6], [7]]
    assert cases.wanted.tolist() == [[1], [2]]
    assert cases.lengths.tolist() == [3, 2]


def test_of_a_window_that_was_published_again_only_the_latest_revision_counts() -> None:
    first = window("a", 0, 3)
    again = replace(window("a", 0, 4), id=first.id, revision=1)
    predictions = [prediction_of(first, 5.0), prediction_of(again, 6.0)]
    for published in ([first, again], [again, first]):
        cases = match(published, predictions, table_of({last_step(first): 1, last_step(again): 2}), ["wear"])
        assert (cases.found.tolist(), cases.wanted.tolist(), cases.counts.windows) == ([[6]], [[2]], 1)


def test_what_was_shown_early_does_not_count() -> None:
    final = window("a", 0, 3)
    early = replace(window("a", 0, 2), id=final.id, final=False)
    labels = table_of({last_step(final): 1, last_step(early): 9})
    cases = match([early, final], [prediction_of(early, 5.0), prediction_of(final, 6.0)], labels, ["wear"])
    assert (cases.found.tolist(), cases.counts.windows) == ([[6]], 1)


def test_each_window_is_judged_or_counted_with_the_reason_why_not() -> None:
    good, unlabelled, refused = (window(device, 0, 3) for device in "abc")
    short = replace(window("d", 0, 1), too_short=True)
    labels = table_of({last_step(it): 1 for it in (good, refused, short)})
    cases = match([good, unlabelled, refused, short], [prediction_of(good, 1.0), prediction_of(unlabelled, 1.0)], labels, ["wear"])
    assert len(cases.steps) == 1
    assert cases.counts._asdict() == {"windows": 4, "too_short": 1, "refused": 1, "unlabelled": 1}


def test_the_last_window_of_a_device_is_that_with_the_latest_step() -> None:
    windows = [window("a", 0, 3), window("a", 10, 3), window("a", 5, 3), window("b", 1, 1)]
    labels = table_of({last_step(it): number for number, it in enumerate(windows)})
    last = match(windows, [prediction_of(it, 0.0) for it in windows], labels, ["wear"]).last_of_each_device()
    assert last.steps == (last_step(windows[1]), last_step(windows[3]))
    assert last.wanted.tolist() == [[1], [3]]
    assert last.counts.windows == 4


def test_predictions_without_any_label_are_an_error_that_counts_them() -> None:
    one = window("a", 0, 3)
    with pytest.raises(ConfigurationError, match="of 1 windows 0 are too short, 0 were refused by the scorer, and 1 have none"):
        match([one], [prediction_of(one, 1.0)], table_of({("a", 7): 1}), ["wear"])


def test_labels_of_something_else_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="the model gives rul, the labels are of wear"):
        match([], [], table_of({}), ["rul"])
