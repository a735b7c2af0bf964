"""Predictions and alerts made up for windows, for tests of what shows them."""

from __future__ import annotations

from pipeline.records import Alert, AlertState, ModelIdentity, Prediction, PredictionTimes, Window, WindowSummary

MODEL = ModelIdentity("wear", "3", "ab12" * 16, "onnx")


def prediction_of(window: Window, wear: float, *, padding: int = 0, scored: int | None = None) -> Prediction:
    """A score of the window, with so many steps of padding."""
    names = WindowSummary.__struct_fields__
    summary = WindowSummary(**{name: getattr(window, name) for name in names})
    arrival = window.source.last_arrival
    times = PredictionTimes(arrival, arrival + 20 if scored is None else scored)
    name = f"{window.id}-{window.sequence}-{window.revision}"
    return Prediction(
        id=f"prediction-{name}",
        device=window.device,
        window=summary,
        outputs={"wear": wear},
        model=MODEL,
        source=window.source,
        padded_to=window.length + padding,
        times=times,
    )


def alert_of(prediction: Prediction, state: AlertState = AlertState.RAISED, rule: str = "worn") -> Alert:
    """An alert that this prediction raised or cleared."""
    at = prediction.times.last_arrival
    return Alert(
        id=f"alert-{prediction.device}",
        device=prediction.device,
        rule=rule,
        state=state,
        since=at,
        time=at,
        value=prediction.outputs["wear"],
        predictions=(prediction.id,),
    )
