"""What happened to each machine: scores and alerts beside the wear that only the simulator knows. Pure: no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import Alert, AlertState, Prediction

OUTPUT = "wear"
WORN = 0.8  # a machine whose real wear is greater needs its overhaul soon
OVERHAUL = 0.3  # real wear never falls but at an overhaul, by more than this

Wear = Mapping[tuple[str, int], float]  # by device and event time (ms)


@dataclass(frozen=True)
class Score:
    """One window's score and the real wear at its last step (None where the simulator does not know the time)."""

    end: int  # event time, ms
    arrival: int  # of the window's last record, ms
    length: int
    wear: float
    real: float | None


@dataclass(frozen=True)
class Episode:
    """An alert: raised and cleared at these arrivals (ms; None: not yet), and the real wear when it was raised."""

    raised: int
    cleared: int | None
    real: float | None


@dataclass(frozen=True)
class Machine:
    """The story of one machine, in the order of arrival."""

    device: str
    scores: tuple[Score, ...]
    episodes: tuple[Episode, ...]
    refused: int  # readings

    @property
    def alarmed_since(self) -> int | None:
        """When the alert was raised that still stands."""
        return next((episode.raised for episode in self.episodes if episode.cleared is None), None)

    @property
    def worn(self) -> int:
        """How many of its lives really wore past `WORN`, as far as there are windows.

        >>> Machine("a", tuple(Score(0, 0, 9, 0.5, real) for real in (0.7, 0.85, 0.97, 0.02, 0.6)), (), 0).worn
        1
        """
        return sum(any(score.real is not None and score.real > WORN for score in life) for life in lives(self.scores))

    @property
    def agrees(self) -> bool:
        """Whether there were as many alerts as lives that really wore out."""
        return len(self.episodes) == self.worn

    @property
    def clock_error_ms(self) -> int:
        """The most that a window's time and its arrival were apart."""
        return max((abs(score.arrival - score.end) for score in self.scores), default=0)


def lives(scores: Sequence[Score]) -> list[list[Score]]:
    """Scores of one machine in order, cut where it was overhauled: there its real wear falls."""
    found: list[list[Score]] = []
    before = 0.0
    for score in scores:
        real = before if score.real is None else score.real
        if not found or real < before - OVERHAUL:
            found.append([])
        found[-1].append(score)
        before = real
    return found


def tell(predictions: Iterable[Prediction], alerts: Iterable[Alert], wear: Wear, refused: Mapping[str, int]) -> list[Machine]:
    """The machines by name; a prediction or an alert that is there twice counts once."""
    by_id = {prediction.id: prediction for prediction in predictions}
    scores: dict[str, list[Score]] = defaultdict(list)
    for prediction in by_id.values():
        scores[prediction.device].append(_score(prediction, wear))
    episodes = _episodes(alerts, by_id, wear)
    machines = []
    for device in sorted(scores.keys() | refused.keys()):
        ordered = sorted(scores[device], key=lambda score: score.arrival)
        machines.append(Machine(device, tuple(ordered), tuple(episodes.get(device, ())), refused.get(device, 0)))
    return machines


def best_to_show(machines: Iterable[Machine]) -> Machine | None:
    """The machine with most to see: alerts raised and cleared, few readings refused, its clock right. None without scores."""

    def interest(machine: Machine) -> tuple[bool, int, bool, int]:
        cleared = sum(episode.cleared is not None for episode in machine.episodes)
        return machine.clock_error_ms < 3_600_000, min(cleared, 2), machine.agrees, len(machine.scores)

    return max((machine for machine in machines if machine.scores), key=interest, default=None)


def _score(prediction: Prediction, wear: Wear) -> Score:
    window = prediction.window
    real = wear.get((prediction.device, window.end))  # a session ends with its last step
    return Score(window.end, prediction.times.last_arrival, window.length, prediction.outputs[OUTPUT], real)


def _episodes(alerts: Iterable[Alert], predictions: Mapping[str, Prediction], wear: Wear) -> dict[str, list[Episode]]:
    raised: dict[str, Alert] = {}
    cleared: dict[str, int] = {}
    for alert in alerts:
        if alert.state is AlertState.RAISED:
            raised[alert.id] = alert
        else:
            cleared[alert.id] = alert.time
    episodes: dict[str, list[Episode]] = defaultdict(list)
    for alert in sorted(raised.values(), key=lambda alert: alert.time):
        cause = predictions.get(alert.predictions[-1])
        real = None if cause is None else wear.get((alert.device, cause.window.end))
        episodes[alert.device].append(Episode(alert.time, cleared.get(alert.id), real))
    return episodes
