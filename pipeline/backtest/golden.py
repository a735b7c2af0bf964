"""Predictions stored once and compared with what comes out now: the tests of a configuration and its model. Knows no pytest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from pipeline.backtest.difference import Difference, compare
from pipeline.backtest.outcome import Outcome, load_outcome, save_outcome
from pipeline.backtest.report import moment, verdict
from pipeline.backtest.run import run_on_recording
from pipeline.config import load
from pipeline.recordings.ordering import in_replay_order
from pipeline.records import Prediction

SHOWN = 20  # lines of each kind of difference


@dataclass(frozen=True)
class Case:
    """A configuration file, a recording, and the bundle instead of the configured one. Of settings only the file counts."""

    configuration: Path
    recording: Path
    bundle: Path | None = None

    def run(self) -> Outcome:
        """What comes out now. Raises what loading, and the model, raise."""
        settings = load(self.configuration, {}).settings
        readings = in_replay_order(self.recording, tuple(settings.sensors.codes)).readings
        return run_on_recording(settings, readings, self.bundle)


def store(case: Case, folder: Path) -> None:
    """Stores what comes out now, in an order of its own, so that it changes in a file only where it changes."""
    found = case.run()
    predictions = sorted(found.predictions, key=lambda it: (it.device, it.window.end, it.window.sequence, it.window.revision))
    alerts = None if found.alerts is None else sorted(found.alerts, key=lambda it: (it.time, it.device, it.rule, it.state))
    save_outcome(Outcome(found.name, list(_without_wall_clock(predictions)), alerts), folder)


def differences(case: Case, folder: Path, tolerance: float) -> list[str]:
    """Lines for a person that say what differs from what is stored in the folder; none where nothing does."""
    wanted, found = replace(load_outcome(folder), name="stored"), replace(case.run(), name="now")
    difference = compare(wanted, found, tolerance)
    return [] if difference.is_empty else list(_lines(difference, wanted, found))


def _lines(difference: Difference, wanted: Outcome, found: Outcome) -> Iterator[str]:
    yield f"{verdict(difference)} (a: stored, b: now)"
    for change in difference.changes[:SHOWN]:
        yield f"  {change.device}, window until {moment(change.end)}: {change.output} was {change.a:.6g}, is {change.b:.6g}"
    for side, keys, outcome in (("stored", difference.only_a, wanted), ("now", difference.only_b, found)):
        there = {(it.window.id, it.window.sequence, it.window.revision): it for it in outcome.predictions}
        for key in keys[:SHOWN]:
            window = there[key].window
            yield f"  {there[key].device}, window until {moment(window.end)} of {window.length} steps ({window.reason}): only {side}"
    if difference.only_a and not difference.compared:
        yield "  no window is the same: have [window], the sensors or the recording changed?"
    for alert in (difference.alerts or ())[:SHOWN]:
        yield f"  {alert.device}, {alert.rule} {alert.state} at {moment(alert.time)}: only {'stored' if alert.side == 'a' else 'now'}"


def _without_wall_clock(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    for it in predictions:
        yield structs.replace(it, times=structs.replace(it.times, scored=0))
