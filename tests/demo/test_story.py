"""The story of a machine: lives, alerts beside the real wear, and which machine is shown."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from pipeline.cli.demo.picture import draw
from pipeline.cli.demo.place import prepare
from pipeline.cli.demo.story import Episode, Machine, Score, best_to_show, lives, tell
from pipeline.cli.demo.table import verdict
from pipeline.config import load
from pipeline.records import Alert, AlertState, CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary
from producers.simulator.spec import SENSORS
from tests.support.windows import make_window


def scores(*real: float | None) -> tuple[Score, ...]:
    return tuple(Score(end, end + 5, 30, 0.5, wear) for end, wear in enumerate(real))


def prediction(name: str, end: int, wear: float, device: str = "a") -> Prediction:
    return Prediction(
        id=name,
        device=device,
        window=WindowSummary(f"window {name}", end - 10, end, 7, CloseReason.IDLE, True, 1, 0, 0),
        outputs={"wear": wear},
        model=ModelIdentity("wear", "1", "", "keras"),
        source=Source("sensor.windows", 0, 0, 0, end, end + 5),
        padded_to=8,
        times=PredictionTimes(end + 5, 0),
    )


def alert(state: AlertState, time: int, causes: tuple[str, ...], since: int) -> Alert:
    return Alert("episode", "a", "worn", state, since, time, 0.9, causes)


def test_a_life_ends_where_real_wear_falls() -> None:
    found = lives(scores(0.7, 0.9, None, 0.98, 0.02, 0.1))
    assert [[score.real for score in life] for life in found] == [[0.7, 0.9, None, 0.98], [0.02, 0.1]]


@pytest.mark.parametrize(
    ("real", "worn"), [((0.7, 0.8), 0), ((0.7, 0.81, 0.9), 1), ((0.9, 0.1, 0.5), 1), ((0.9, 0.1, 0.9), 2), ((None,), 0)]
)
def test_a_life_has_worn_out_once_its_real_wear_is_past_the_bound(real: tuple[float | None, ...], worn: int) -> None:
    assert Machine("a", scores(*real), (), 0).worn == worn


def test_an_alert_stands_beside_the_real_wear_of_the_window_that_raised_it() -> None:
    predictions = [prediction("p2", 200, 0.9), prediction("p1", 100, 0.8), prediction("p2", 200, 0.9)]
    alerts = [alert(AlertState.RAISED, 205, ("p1", "p2"), 205), alert(AlertState.CLEARED, 305, ("p3",), 205)]
    (machine,) = tell(predictions, alerts, {("a", 100): 0.7, ("a", 200): 0.85}, {"a": 3})
    assert [(score.end, score.real) for score in machine.scores] == [(100, 0.7), (200, 0.85)], "what is there twice counts once"
    assert machine.episodes == (Episode(205, 305, 0.85),)
    assert machine.alarmed_since is None
    assert machine.refused == 3


def test_an_alert_that_was_not_cleared_still_stands() -> None:
    (machine,) = tell([prediction("p1", 100, 0.8)], [alert(AlertState.RAISED, 105, ("p1",), 105)], {}, {})
    assert machine.alarmed_since == 105


def test_a_machine_that_was_refused_altogether_is_told_too() -> None:
    assert tell([], [], {}, {"a": 3}) == [Machine("a", (), (), 3)]


def test_the_verdict_names_the_machines_on_which_the_alerts_are_wrong() -> None:
    right, early, missed = (
        Machine("right", scores(0.5), (), 0),
        Machine("early", scores(0.5), (Episode(1, None, 0.5),), 0),
        Machine("missed", scores(0.9), (), 0),
    )
    assert verdict([right]).startswith("1 of 1 machines")
    told = verdict([right, early, missed])
    assert told.startswith("1 of 3 machines")
    assert told.endswith("early has 1 more, missed has 1 fewer.")


def test_the_machine_with_most_to_see_is_shown() -> None:
    cleared, standing = Episode(1, 2, 0.9), Episode(1, None, 0.9)
    quiet = Machine("quiet", scores(0.5), (), 0)
    full = Machine("full", scores(0.9), (cleared,), 0)
    open_ = Machine("open", scores(0.9), (standing,), 0)
    wrong_clock = Machine("wrong clock", (Score(0, 86_400_000, 30, 0.9, 0.9),), (cleared, cleared), 0)
    assert best_to_show([quiet, wrong_clock, full, open_]) == full
    assert best_to_show([Machine("silent", (), (), 9)]) is None


def test_a_machine_without_alerts_can_be_drawn(tmp_path: Path) -> None:
    place, _ = prepare(tmp_path / "demo", "")
    settings = load(place.configuration, {}).settings
    windows = [
        make_window([[20.0, 0.1, 4.0], [float("nan"), 0.2, 5.0]], SENSORS, times=(begin, begin + 4_000)) for begin in (0, 100_000, 200_000)
    ]
    seen = tuple(Score(window.end, window.source.last_arrival, 2, 0.3, 0.2) for window in windows[:2])
    draw(Machine("pump-1", seen, (), 0), windows, settings, place.picture)
    assert matplotlib.image.imread(place.picture).shape[1] > 1000
