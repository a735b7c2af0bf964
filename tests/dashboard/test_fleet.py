"""The model of the fleet: what the page knows after records of the topics, in any order, and that it stays small."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dashboard.contents import ENTRY_BYTES, Contents, window_view
from pipeline.dashboard.fleet import FleetModel
from pipeline.dashboard.track import MOST_READINGS, MOST_WINDOWS, place_of
from pipeline.dashboard.views import DeviceView, Limit, RefusedView, Row
from pipeline.records import AlertState, Window
from pipeline.wire.windows import encode_window
from tests.support.shown import alert_of, prediction_of
from tests.support.windows import START_MS, make_window

SENSORS = ("temperature", "vibration")
LIMITS = (Limit("wear", above=0.8),)


def a_fleet(**changes: int) -> FleetModel:
    return FleetModel(SENSORS, LIMITS, **changes)


def read(model: FleetModel, device: str, *times_s: float, first_offset: int = 0) -> None:
    for offset, time_s in enumerate(times_s, first_offset):
        time = START_MS + round(time_s * 1000)
        model.read(device, [(time, None, struct.pack("<2f", time_s, math.nan))], offset, time + 50, time + 50)


def close(model: FleetModel, window: Window) -> None:
    model.close(window, encode_window(window))


def refuse(model: FleetModel, device: str, offset: int, index: int | None = None) -> None:
    model.refuse(RefusedView("late", "too late", device, "readings[0]@0", START_MS, "{}"), place_of(offset, index))


def view(model: FleetModel, device: str) -> DeviceView:
    found = model.device(device)
    assert found is not None
    return found


def test_a_device_shows_its_readings_in_the_order_of_event_time() -> None:
    model = a_fleet()
    read(model, "pump", 1, 4, 2)
    shown = view(model, "pump").readings
    assert shown.times == [START_MS + 1000, START_MS + 2000, START_MS + 4000]
    assert shown.values == [[1, 2, 4], [None, None, None]]


def test_the_open_window_is_what_came_after_the_last_one_closed() -> None:
    model = a_fleet()
    read(model, "pump", 0, 1, 2, 30, 31, 31)
    assert view(model, "pump").row.open_steps == 5
    close(model, make_window([[1, 2]] * 3, SENSORS, device="pump"))
    row = view(model, "pump").row
    assert (row.open_steps, row.open_since) == (2, START_MS + 30_000)


def test_an_early_publication_leaves_its_window_open() -> None:
    model = a_fleet()
    read(model, "pump", 0, 1)
    close(model, msgspec.structs.replace(make_window([[1, 2]] * 2, SENSORS, device="pump"), final=False))
    assert view(model, "pump").row.open_steps == 2


@pytest.mark.parametrize("refused_first", [True, False])
def test_a_rejected_reading_is_marked_whichever_topic_is_read_first(refused_first: bool) -> None:
    model = a_fleet()
    if refused_first:
        refuse(model, "pump", 1)
    read(model, "pump", 5, 1)
    if not refused_first:
        refuse(model, "pump", 1)
    found = view(model, "pump")
    assert found.readings.times == [START_MS + 1000, START_MS + 5000]
    assert found.readings.refused == [True, False]
    assert (found.row.open_steps, found.row.refused) == (1, 1)


def test_of_a_batch_only_the_reading_that_was_rejected_is_marked() -> None:
    model = a_fleet()
    rows = [(START_MS + place, place, struct.pack("<2f", 1, 1)) for place in range(3)]
    model.read("pump", rows, 7, START_MS, START_MS)
    refuse(model, "pump", 7, index=1)
    assert view(model, "pump").readings.refused == [False, True, False]


def test_a_score_belongs_to_the_publication_of_its_window() -> None:
    model = a_fleet()
    early = msgspec.structs.replace(make_window([[1, 2]] * 3, SENSORS, device="pump"), final=False)
    close(model, early)
    final = msgspec.structs.replace(early, final=True, sequence=2)
    close(model, final)
    model.score(prediction_of(early, 0.1))
    assert view(model, "pump").windows[0].prediction is None
    model.score(prediction_of(final, 0.5, padding=4))
    (window,) = view(model, "pump").windows
    assert (window.score, window.padded_to, window.length) == (0.5, 7, 3)
    assert [score.final for score in view(model, "pump").scores] == [False, True]


def test_what_is_published_twice_is_shown_once() -> None:
    model = a_fleet()
    window = make_window([[1, 2]] * 3, SENSORS, device="pump")
    for _ in range(2):
        close(model, window)
        model.score(prediction_of(window, 0.9))
        model.alert(alert_of(prediction_of(window, 0.9)))
    found = view(model, "pump")
    assert (len(found.windows), len(found.scores), len(found.alerts)) == (1, 1, 1)
    assert found.windows[0].prediction == found.scores[0].id


def test_the_worst_come_first() -> None:
    model = a_fleet()
    scores = {"calm": 0.1, "near": 0.7, "alarmed": 0.5, "over": 0.95}
    for device, wear in scores.items():
        window = make_window([[1, 2]], SENSORS, device=device)
        close(model, window)
        model.score(prediction_of(window, wear))
    model.alert(alert_of(prediction_of(make_window([[1, 2]], SENSORS, device="alarmed"), 0.5)))
    rows = model.fleet().rows
    assert [row.device for row in rows] == ["alarmed", "over", "near", "calm"]
    assert [row.alerts for row in rows] == [("worn",), (), (), ()]
    assert [row.nearness for row in rows] == [pytest.approx(4 / 7, abs=1e-3), 1, pytest.approx(6 / 7, abs=1e-3), 0]


def test_a_cleared_alert_holds_no_more_but_is_remembered() -> None:
    model = a_fleet()
    prediction = prediction_of(make_window([[1, 2]], SENSORS, device="pump"), 0.9)
    model.alert(alert_of(prediction))
    model.alert(alert_of(prediction, AlertState.CLEARED))
    found = view(model, "pump")
    assert found.row.alerts == ()
    assert [alert.state for alert in found.alerts] == ["raised", "cleared"]


def test_the_alert_of_a_group_is_the_fleet_s_not_a_device_s() -> None:
    model = a_fleet()
    prediction = prediction_of(make_window([[1, 2]], SENSORS, device="hall-3"), 0.9)
    raised = msgspec.structs.replace(alert_of(prediction), devices=("a", "b"))
    model.alert(raised)
    assert [(group.group, group.devices) for group in model.fleet().groups] == [("hall-3", ("a", "b"))]
    model.alert(msgspec.structs.replace(raised, state=AlertState.CLEARED, devices=()))
    fleet = model.fleet()
    assert (fleet.groups, fleet.devices) == ([], 0)


def test_only_what_has_changed_is_sent_again() -> None:
    model = a_fleet()
    read(model, "a", 1)
    read(model, "b", 1)
    first = model.fleet()
    assert (first.whole, {row.device for row in first.rows}) == (True, {"a", "b"})
    read(model, "b", 2)
    second = model.fleet(first.version)
    assert (second.whole, [row.device for row in second.rows], second.devices) == (False, ["b"], 2)
    assert model.fleet(second.version).rows == []


def test_who_was_not_heard_of_for_longest_is_forgotten_first_unless_it_has_an_alert() -> None:
    model = a_fleet(most_devices=3)
    model.alert(alert_of(prediction_of(make_window([[1, 2]], SENSORS, device="alarmed"), 0.9)))
    for device in ("b", "c"):
        read(model, device, 1)
    seen = model.fleet()
    read(model, "d", 1)
    changed = model.fleet(seen.version)
    assert (changed.gone, [row.device for row in changed.rows]) == (["b"], ["d"])
    assert {row.device for row in model.fleet().rows} == {"alarmed", "c", "d"}


def test_a_device_is_bounded_whatever_comes() -> None:
    model = a_fleet()
    read(model, "pump", *range(3 * MOST_READINGS))
    for place in range(3 * MOST_WINDOWS):
        close(model, make_window([[1, 2]], SENSORS, times=[place * 1000], device="pump"))
    found = view(model, "pump")
    assert len(found.readings.times) == MOST_READINGS
    assert found.readings.times[-1] == START_MS + (3 * MOST_READINGS - 1) * 1000
    assert len(found.windows) == MOST_WINDOWS


def test_the_steps_of_a_window_are_shown_until_the_budget_is_spent() -> None:
    windows = [make_window([[place, math.nan]] * 2, SENSORS, times=[place * 1000, place * 1000 + 1], device="pump") for place in range(4)]
    size = len(encode_window(windows[0])) + ENTRY_BYTES
    contents = Contents(budget_bytes=2 * size + size // 2)
    for window in windows:
        contents.keep(window_view(window).key, encode_window(window))
    shown = [contents.steps(window_view(window)) for window in windows]
    assert [content is not None for content in shown] == [False, False, True, True]
    assert shown[3] is not None
    assert shown[3].values == [[3, 3], [None, None]]
    assert shown[3].times == [START_MS + 3000, START_MS + 3001]


def test_what_the_model_said_of_the_last_steps_stands_at_the_last_steps() -> None:
    model = a_fleet()
    window = make_window([[1, 2]] * 4, SENSORS, device="pump")
    close(model, window)
    key = window_view(window).key
    prediction = prediction_of(window, 0.5)
    model.score(prediction)
    content = model.content("pump", key)
    assert content is not None
    assert content.weights == {}, "it was not published"
    model.score(msgspec.structs.replace(prediction, steps={"attention": (0.25, 0.75)}))
    content = model.content("pump", key)
    assert content is not None
    assert content.weights == {"attention": [None, None, 0.25, 0.75]}


def test_missing_values_of_a_window_are_counted() -> None:
    shown = window_view(make_window([[1, math.nan], [math.nan, math.nan], [1, 2]], SENSORS))
    assert (shown.missing, shown.cells, shown.length) == (3, 6, 3)


Event = tuple[str, int, bool]
EVENTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.booleans()), max_size=40)


@given(EVENTS, st.integers(0, 40))
def test_updates_add_up_to_the_whole_fleet(events: Sequence[Event], cut: int) -> None:
    model = a_fleet(most_devices=2)
    seen: dict[str, Row] = {}

    def follow(since: int) -> int:
        update = model.fleet(since)
        if update.whole:
            seen.clear()
        seen.update({row.device: row for row in update.rows})
        for device in update.gone:
            seen.pop(device, None)
        return update.version

    version = follow(0)
    for place, (device, time_s, alarmed) in enumerate(events):
        read(model, device, time_s)
        if alarmed:
            model.alert(alert_of(prediction_of(make_window([[1, 2]], SENSORS, device=device), 0.9)))
        if place == cut:
            version = follow(version)
    follow(version)
    assert seen == {row.device: row for row in model.fleet().rows}
