"""Alert rules: what each key refuses, transcripts of devices' predictions, and the properties that hold for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core.alert_limits import Bounds
from pipeline.core.alert_memory import MARKS, RuleMemory, sighting
from pipeline.core.alert_rules import AlertRule
from pipeline.core.alerting import AlertMachine
from pipeline.core.policy import PolicyError
from pipeline.records import Alert, AlertState, CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary
from tests.support.alert_rules import threshold_rule

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "alerting"
WEAR = threshold_rule("wear", "rul", below=20)


class Place(msgspec.Struct, frozen=True):
    """Where a window lies, and which version of it was scored."""

    window: str
    start: int
    end: int
    offset: int
    sequence: int = 0
    revision: int = 0
    early: bool = False
    partition: int = 0  # of the readings


def predicted(place: Place, outputs: dict[str, float], arrival: int, device: str = "pump", prediction: str | None = None) -> Prediction:
    version = f"{place.window}.{place.sequence}.{place.revision}" if place.sequence or place.revision else place.window
    return Prediction(
        id=prediction or version,
        device=device,
        window=WindowSummary(
            id=place.window,
            start=place.start,
            end=place.end,
            length=1,
            reason=CloseReason.GAP,
            final=not place.early,
            sequence=place.sequence,
            revision=place.revision,
            dropped=0,
        ),
        outputs=outputs,
        model=ModelIdentity("pump", "1", "0" * 64, "keras"),
        source=Source("sensor.readings", place.partition, 0, place.offset, 0, arrival),
        padded_to=8,
        times=PredictionTimes(last_arrival=arrival, scored=arrival + 1),
    )


# --- rules


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("name", {"name": ""}),
        ("output", {"output": ""}),
        ("below", {"below": None}),
        ("below", {"below": float("nan")}),
        ("above", {"above": 90.0}),
        ("above", {"below": None, "above": float("inf")}),
        ("clear_above", {"clear_above": 19.0}),
        ("clear_below", {"clear_below": 10.0}),
        ("clear_above", {"below": None, "above": 90.0, "clear_above": 95.0}),
        ("clear_below", {"below": None, "above": 90.0, "clear_below": 91.0}),
        ("for", {"needed": 0}),
        ("for", {"needed": 3, "of": 2}),
        ("cooldown", {"cooldown_ms": -1}),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_with_the_key_to_change(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(PolicyError) as refused:
        threshold_rule(**{"name": "wear", "output": "rul", "below": 20, **changes})
    assert refused.value.key == key
    assert str(refused.value).startswith(f"{key} = ")


def test_a_clearing_bound_may_equal_the_bound() -> None:
    assert Bounds(below=20, clear_above=20).clears(20)


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(PolicyError, match="name = wear"):
        AlertMachine([WEAR, threshold_rule("wear", "rul", below=5)])


# --- transcripts


class Transcript:
    """A list of predictions of one device, and what each is expected to raise or clear."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.rules = [threshold_rule(**rule) for rule in case["rules"]]
        self._places: dict[str, Place] = {}
        self.entries = [dict(entry) for entry in case["predictions"]]
        self.predictions = [self._prediction(entry) for entry in self.entries]

    def _prediction(self, entry: Mapping[str, Any]) -> Prediction:
        """A window that is named again lies where it lay, unless the entry says otherwise."""
        window = entry["window"]
        number = len(self._places)
        known = self._places.get(window, Place(window, 1000 * number, 1000 * number + 900, 10 * number))
        said = {key: entry[key] for key in ("start", "end", "offset", "sequence", "revision", "early", "partition") if key in entry}
        place = msgspec.structs.replace(Place(window, known.start, known.end, known.offset), **said)
        self._places.setdefault(window, place)
        outputs = {"rul": float(entry["rul"])} if "rul" in entry else {}
        return predicted(place, outputs, arrival=entry.get("at", place.start), prediction=entry.get("id"))

    def expected(self) -> list[list[tuple[str, AlertState, tuple[str, ...]]]]:
        states = {"raises": AlertState.RAISED, "clears": AlertState.CLEARED}
        return [
            [(entry.get("rule", self.rules[0].name), state, tuple(entry[key])) for key, state in states.items() if key in entry]
            for entry in self.entries
        ]

    def actual(self) -> list[list[tuple[str, AlertState, tuple[str, ...]]]]:
        machine = AlertMachine(self.rules)
        alerts = (machine.judge(prediction) for prediction in self.predictions)
        return [[(alert.rule, alert.state, alert.predictions) for alert in of_one] for of_one in alerts]


def transcripts(wrong: bool) -> list[Any]:
    files = [path for path in sorted(TRANSCRIPTS.glob("*.yaml")) if (path.stem == "must_fail") is wrong]
    return [pytest.param(case, id=f"{path.stem}: {case['name']}") for path in files for case in yaml.safe_load(path.read_text("utf-8"))]


@pytest.mark.parametrize("case", transcripts(wrong=False))
def test_the_machine_keeps_to_the_transcript(case: Mapping[str, Any]) -> None:
    transcript = Transcript(case)
    assert transcript.actual() == transcript.expected()


@pytest.mark.parametrize("case", transcripts(wrong=True))
def test_a_wrong_transcript_is_told_from_what_happens(case: Mapping[str, Any]) -> None:
    transcript = Transcript(case)
    assert transcript.actual() != transcript.expected()


# --- records


def in_order(values: Sequence[float], device: str = "pump", minutes: int = 1) -> list[Prediction]:
    """One window for each value, `minutes` apart."""
    width = 60_000 * minutes
    places = [Place(f"w{number}", width * number, width * number + 1, number) for number in range(len(values))]
    return [predicted(place, {"rul": value}, place.end, device) for place, value in zip(places, values, strict=True)]


def judge_all(rules: Sequence[AlertRule], predictions: Sequence[Prediction]) -> list[Alert]:
    machine = AlertMachine(rules)
    return [alert for prediction in predictions for alert in machine.judge(prediction)]


def test_an_episode_has_one_id_and_counts_time_by_the_windows_last_arrival() -> None:
    raised, cleared = judge_all([WEAR], in_order([80, 10, 11, 44.5]))
    assert raised.id == cleared.id
    assert (raised.device, raised.rule, raised.state, raised.value) == ("pump", "wear", AlertState.RAISED, 10)
    assert raised.since == raised.time == 60_001
    assert (cleared.state, cleared.since, cleared.time, cleared.value) == (AlertState.CLEARED, 60_001, 180_001, 44.5)


def test_the_id_differs_by_rule_device_and_raising_window_and_is_the_same_when_derived_again() -> None:
    rules = [WEAR, replace(WEAR, name="worn")]
    predictions = in_order([10, 80, 10]) + in_order([10, 80, 10], device="fan")
    episodes = {alert.id for alert in judge_all(rules, predictions)}
    assert len(episodes) == 2 * 2 * 2
    assert episodes == {alert.id for alert in judge_all(rules, predictions)}


def test_early_predictions_of_one_window_raise_episodes_of_their_own() -> None:
    places = [Place("a", 0, 1, 0, sequence=sequence, early=True) for sequence in (1, 2, 3)]
    values = [10.0, 80.0, 10.0]
    alerts = judge_all(
        [replace(WEAR, early=True)], [predicted(place, {"rul": value}, 0) for place, value in zip(places, values, strict=True)]
    )
    assert len({alert.id for alert in alerts if alert.state is AlertState.RAISED}) == 2


def test_what_is_passed_over_is_counted() -> None:
    machine = AlertMachine([WEAR])
    place = Place("a", 0, 1, 0)
    for prediction in (
        predicted(place, {"rul": 10.0}, 0),
        predicted(place, {"rul": 10.0}, 0),
        predicted(Place("b", 2, 3, 1), {"anomaly": 1.0}, 0),
        predicted(Place("c", 4, 5, 2, sequence=1, early=True), {"rul": 10.0}, 0),
        predicted(Place("c", 4, 5, 2, sequence=2), {"rul": 80.0}, 0),
    ):
        machine.judge(prediction)
    counts = machine.counts
    assert (counts.judged, counts.repeated, counts.missing_output, counts.early) == (2, 1, 1, 1)
    assert (counts.raised, counts.cleared) == (1, 1)


def test_a_prediction_without_any_rules_output_leaves_no_memory() -> None:
    machine = AlertMachine([WEAR])
    machine.judge(predicted(Place("a", 0, 1, 0), {"anomaly": 1.0}, 0))
    assert not machine.remembers("pump")


def test_a_dumped_and_loaded_state_goes_on_where_it_was() -> None:
    first = AlertMachine([WEAR])
    predictions = in_order([80, 10, 11, 44.5])
    before = [alert for offset, prediction in enumerate(predictions[:2]) for alert in first.take(prediction, offset)]
    dumped = first.dump("pump")
    assert dumped is not None
    assert first.touched == {"pump"}
    second = AlertMachine([WEAR])
    second.load("pump", *dumped)
    after = [alert for offset, prediction in enumerate(predictions) for alert in second.take(prediction, offset)]
    assert before + after == judge_all([WEAR], predictions)
    assert second.dump("stranger") is None


def test_a_rule_that_is_gone_takes_its_memory_with_it() -> None:
    machine = AlertMachine([WEAR])
    for offset, prediction in enumerate(in_order([10, 10])):
        machine.take(prediction, offset)
    dumped = machine.dump("pump")
    assert dumped is not None
    other = AlertMachine([replace(WEAR, name="other")])
    other.load("pump", *dumped)
    assert [alert.rule for alert in other.take(in_order([10, 10, 10])[2], 2)] == ["other"]


# --- properties


@st.composite
def histories(draw: st.DrawFn, device: str = "pump") -> list[Prediction]:
    """A device's predictions as they come without any fault: episodes, readings out of order, early ones, revisions."""
    predictions: list[Prediction] = []
    for episode in range(draw(st.integers(1, 3))):
        start = end = draw(st.integers(0, 500))
        first_offset = 1000 * episode
        offsets = draw(st.lists(st.integers(0, 500), min_size=1, max_size=10))
        places: list[Place] = []
        for number, offset in enumerate(offsets):
            start = start + draw(st.integers(0, 100))
            end = max(start, end + draw(st.integers(0, 100)))
            place = Place(f"{device}-{episode}-{number}", start, end, first_offset + offset, sequence=1)
            if draw(st.booleans()):
                predictions.append(draw(scored(msgspec.structs.replace(place, early=True), device)))
                place = msgspec.structs.replace(place, sequence=2)
            places.append(place)
            predictions.append(draw(scored(place, device)))
            if draw(st.integers(0, 4)) == 0:
                # A late reading has a higher offset than all before.
                late = draw(st.sampled_from(range(len(places))))
                places[late] = msgspec.structs.replace(places[late], revision=places[late].revision + 1, offset=first_offset + 501 + number)
                predictions.append(draw(scored(places[late], device)))
    return predictions


def scored(place: Place, device: str) -> st.SearchStrategy[Prediction]:
    outputs = st.sampled_from([{"rul": 10.0}, {"rul": 10.0}, {"rul": 25.0}, {"rul": 80.0}, {}])
    return outputs.map(lambda values: predicted(place, values, 60 * place.offset, device))


@st.composite
def with_repeats(draw: st.DrawFn) -> tuple[list[Prediction], list[Prediction]]:
    """A history, and the same with any of its predictions once more at any later place."""
    history = draw(histories())
    repeats = draw(st.lists(st.tuples(st.sampled_from(range(len(history))), st.sampled_from(range(len(history)))), max_size=30))
    stream: list[Prediction] = []
    for number, prediction in enumerate(history):
        stream.append(prediction)
        stream.extend(history[earlier] for earlier, place in repeats if place == number and earlier <= number)
    return history, stream


RULES = st.builds(
    lambda needed, spare, cooldown_ms, early, clear_above: threshold_rule(
        "wear", "rul", below=20, clear_above=clear_above, needed=needed, of=needed + spare, cooldown_ms=cooldown_ms, early=early
    ),
    st.integers(1, 3),
    st.integers(0, 3),
    st.sampled_from([0, 5_000, 60_000]),
    st.booleans(),
    st.sampled_from([None, 30.0]),
)


@settings(deadline=None)
@given(RULES, with_repeats())
def test_repeats_anywhere_never_change_the_alerts(rule: AlertRule, streams: tuple[list[Prediction], list[Prediction]]) -> None:
    history, stream = streams
    assert judge_all([rule], stream) == judge_all([rule], history)


@settings(deadline=None)
@given(RULES, histories())
def test_what_comes_for_the_first_time_is_never_taken_for_a_repeat(rule: AlertRule, history: list[Prediction]) -> None:
    machine = AlertMachine([replace(rule, early=True)])
    for prediction in history:
        machine.judge(prediction)
    assert machine.counts.repeated == 0
    assert machine.counts.judged == sum("rul" in prediction.outputs for prediction in history)


@settings(deadline=None)
@given(st.lists(RULES, min_size=1, max_size=3), with_repeats())
def test_raised_and_cleared_alternate_and_share_an_id(rules: list[AlertRule], streams: tuple[list[Prediction], list[Prediction]]) -> None:
    named = [replace(rule, name=f"rule-{number}") for number, rule in enumerate(rules)]
    alerts = judge_all(named, streams[1])
    for rule in named:
        of_rule = [alert for alert in alerts if alert.rule == rule.name]
        raised, cleared = of_rule[::2], of_rule[1::2]
        assert all(alert.state is AlertState.RAISED for alert in raised)
        assert all(alert.state is AlertState.CLEARED for alert in cleared)
        assert all(begin.id == end.id and begin.since == end.since for begin, end in zip(raised, cleared, strict=False))
        assert len({alert.id for alert in raised}) == len(raised)
        assert all(rule.needed <= len(alert.predictions) <= rule.of for alert in of_rule)


@settings(deadline=None)
@given(RULES, histories("pump"), histories("fan"), st.randoms(use_true_random=False))
def test_devices_do_not_influence_each_other(rule: AlertRule, pump: list[Prediction], fan: list[Prediction], random: Any) -> None:
    turns = ["pump"] * len(pump) + ["fan"] * len(fan)
    random.shuffle(turns)
    left = {"pump": iter(pump), "fan": iter(fan)}
    alerts = judge_all([rule], [next(left[device]) for device in turns])
    assert [alert for alert in alerts if alert.device == "pump"] == judge_all([rule], pump)
    assert [alert for alert in alerts if alert.device == "fan"] == judge_all([rule], fan)


@pytest.mark.parametrize("windows_in_a_record", [1, 200])
def test_a_whole_log_read_again_raises_nothing_new(windows_in_a_record: int) -> None:
    places = [Place(f"w{number}", number, number + 1, number // windows_in_a_record) for number in range(3000)]
    predictions = [predicted(place, {"rul": 10.0 if place.start % 7 == 0 else 80.0}, place.end) for place in places]
    assert judge_all([WEAR], predictions + predictions) == judge_all([WEAR], predictions)


@pytest.mark.parametrize(("step", "marks"), [(60_000, 1), (-60_000, MARKS)], ids=["in order", "a clock set back each time"])
def test_the_memory_of_a_device_is_bounded(step: int, marks: int) -> None:
    memory = RuleMemory()
    for number in range(1000):
        start = 100_000_000 + step * number
        prediction = predicted(Place(f"w{number}", start, start + 1, number), {"rul": 80.0}, start)
        assert memory.take(sighting(prediction))
        memory.judge(sighting(prediction), 80.0, keep=5)
    assert len(memory.marks) == marks
    assert len(memory.judgements) == 5
