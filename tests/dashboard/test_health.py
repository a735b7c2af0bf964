"""What the page says of the pipeline as a whole."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.dashboard.health import BIN_S, BINS, HealthModel
from pipeline.dashboard.views import Health, RefusedView
from pipeline.records import Window
from tests.support.shown import prediction_of
from tests.support.windows import START_MS, make_window

SENSORS = ("temperature",)


def seen(model: HealthModel, now_ms: int = START_MS) -> Health:
    return model.view(now_ms, {}, 0)


def windows(number: int) -> list[Window]:
    return [make_window([[1], [2]], SENSORS, times=[place * 10_000, place * 10_000 + 1]) for place in range(number)]


def test_rates_are_of_the_last_minute_by_the_log_s_time() -> None:
    model = HealthModel()
    for second in range(120):
        model.count("readings", START_MS - 1000 * (second + 1), 7)
    health = seen(model)
    assert health.rates["readings"] == 7
    assert health.rates["windows"] == 0
    assert health.history["readings"][-20:] == [7.0] * 20
    assert len(health.history["readings"]) == BINS
    assert health.newest["readings"] == START_MS - 1000


def test_old_bins_are_given_up() -> None:
    model = HealthModel()
    for place in range(10 * BINS):
        model.count("readings", START_MS + 1000 * BIN_S * place)
    health = seen(model, START_MS + 1000 * BIN_S * 10 * BINS)
    assert sum(health.history["readings"]) * BIN_S == pytest.approx(BINS)


def test_delays_are_from_the_closing_reading_and_from_the_window() -> None:
    model = HealthModel()
    for place, window in enumerate(windows(100)):
        model.close(window, START_MS + 40, START_MS)
        model.score(prediction_of(window, 0.5), START_MS + 40 + place)
    health = seen(model)
    assert (health.scoring_ms.median, health.scoring_ms.most) == (49.5, 99)
    assert (health.delay_ms.median, health.delay_ms.count) == (89.5, 100)


def test_windows_wait_until_they_are_scored_or_refused() -> None:
    model = HealthModel()
    scored, refused, waiting = windows(3)
    short = msgspec.structs.replace(make_window([[1]], SENSORS, device="short"), too_short=True)
    for window in (scored, refused, waiting, short):
        model.close(window, START_MS, None)
    model.score(prediction_of(scored, 0.5), START_MS)
    model.refuse(RefusedView("model", "not finite", "pump-1", "windows[0]@1", START_MS, ""), f"{refused.id}.1.0")
    assert seen(model).waiting == 1


def test_a_prediction_that_is_read_before_its_window_leaves_nothing_waiting() -> None:
    model = HealthModel()
    (window,) = windows(1)
    model.score(prediction_of(window, 0.5), START_MS)
    model.close(window, START_MS, None)
    assert seen(model).waiting == 0


def test_windows_with_the_same_time_of_scoring_were_a_batch() -> None:
    model = HealthModel()
    for place, window in enumerate(windows(9)):
        model.score(prediction_of(window, 0.5, scored=START_MS + place // 4, padding=1), START_MS)
    health = seen(model)
    assert (health.batch.count, health.batch.most) == (2, 4)  # the last one may still grow
    assert health.padding_ratio == 1.5


def test_rejections_are_counted_by_reason_with_the_last_samples() -> None:
    model = HealthModel()
    for place in range(6):
        model.refuse(RefusedView("late", f"error {place}", "a", "readings[0]@1", START_MS, "{}"), None)
    model.refuse(RefusedView("json", "not JSON", None, "readings[0]@2", START_MS, "x"), None)
    health = seen(model)
    assert health.refused == {"late": 6, "json": 1}
    assert [sample.error for sample in health.samples["late"]] == ["error 5", "error 4", "error 3", "error 2"]


def test_every_model_that_scores_is_named() -> None:
    model = HealthModel()
    (window,) = windows(1)
    prediction = prediction_of(window, 0.5)
    newer = msgspec.structs.replace(prediction.model, version="4", sha256="cd")
    model.score(prediction, START_MS)
    model.score(msgspec.structs.replace(prediction, model=newer), START_MS + 1)
    assert [(found.version, found.predictions) for found in seen(model).models] == [("4", 1), ("3", 1)]


def test_nothing_seen_is_no_number() -> None:
    health = seen(HealthModel())
    assert (health.delay_ms.median, health.padding_ratio, health.models, health.closed) == (None, None, [], {})
