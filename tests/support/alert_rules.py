"""Alert rules about one output, and what they judge, in one line."""

from __future__ import annotations

from pipeline.core.alert_conditions import Threshold
from pipeline.core.alert_limits import Bounds
from pipeline.core.alert_rules import AlertRule
from pipeline.records import CloseReason, ModelIdentity, Prediction, PredictionTimes, Source, WindowSummary


def threshold_rule(name: str, output: str, **keys: float | int | bool | None) -> AlertRule:
    """A rule with a bound: `below`, `above`, `clear_above`, `clear_below` and the keys of a rule."""
    limits = Bounds(**{key: keys.pop(key) for key in ("below", "above", "clear_above", "clear_below") if key in keys})
    return AlertRule(name, Threshold(output, limits), **keys)  # type: ignore[arg-type]


def prediction_of(device: str, number: int, output: float, name: str = "rul") -> Prediction:
    """Of the device's window `number`, one each minute."""
    start = 60_000 * number
    return Prediction(
        id=f"prediction-{device}-{number}",
        device=device,
        window=WindowSummary(f"window-{device}-{number}", start, start + 1, 2, CloseReason.GAP, True, 0, 0, 0),
        outputs={name: output},
        model=ModelIdentity("pump", "1", "0" * 64, "keras"),
        source=Source("readings", 0, 2 * number, 2 * number + 1, start, start + 1),
        padded_to=8,
        times=PredictionTimes(start + 1, start + 2),
    )
