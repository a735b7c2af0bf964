"""`sensorline explain`: the chain from a prediction back to its readings, as a text for people or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import write_line
from pipeline.explanation import ExplainedStep, ExplainedWindow, Explanation
from pipeline.explanation import explain as explain_prediction
from pipeline.wire.readings import ReadingDecoder


def explain(
    context: typer.Context,
    prediction: Annotated[str, typer.Argument(metavar="PREDICTION_ID", help="As in `tail predictions` and in alerts.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a text.")] = False,
) -> None:
    """Show what a prediction came from: its alerts, model, window and steps, and the readings in the log.

    Where retention has removed a part, it says so.
    """
    chosen = configuration(context)
    settings = chosen.settings
    decoder = ReadingDecoder(settings.sensors.names, settings.sensors.codes)
    with connected(connector(chosen)) as broker:
        found = explain_prediction(broker, settings.topics.names(), decoder, prediction)
    if as_json:
        write_line(msgspec.json.encode(found))
        return
    for line in _lines(found, settings.sensors.units):
        write_line(line.encode())


def _lines(found: Explanation, units: Mapping[str, str]) -> Iterator[str]:
    prediction = found.prediction
    model, times, source = prediction.model, prediction.times, prediction.source
    scores = ", ".join(f"{name} {value:.6g}" for name, value in prediction.outputs.items())
    yield f"Prediction {prediction.id} of {prediction.device}: {scores}"
    yield f"  scored {_moment(times.scored)}; its last record had arrived {_moment(times.last_arrival)}"
    for alert in found.alerts:
        yield f"Alert {alert.rule} {alert.state} {_moment(alert.time)} at {alert.value:.6g} (id {alert.id})"
    if not found.alerts:
        yield "No alert names it."
    yield f"Model {model.name} {model.version}, {model.engine}, sha256 {model.sha256}"
    if found.window is not None:
        yield from _window(found, found.window, units)
    yield f"Its span of the log: {source.topic}, partition {source.partition}, offsets {source.first_offset} to {source.last_offset}"
    yield from found.missing


def _window(found: Explanation, window: ExplainedWindow, units: Mapping[str, str]) -> Iterator[str]:
    summary = found.prediction.window
    kind = "final" if summary.final else "early"
    yield f"Window {summary.id}, {kind}, sequence {summary.sequence}, revision {summary.revision}, closed as: {summary.reason}"
    counts = [(summary.length, "steps"), (window.padding, "of padding"), (summary.dropped, "dropped by a cap")]
    counts += [(window.merged, "merged readings"), (window.carried, "carried over"), (window.unobserved, "unobserved values")]
    yield "  " + ", ".join(f"{count} {what}" for count, what in counts)
    for step in window.steps:
        yield from _step(step, units)


def _step(step: ExplainedStep, units: Mapping[str, str]) -> Iterator[str]:
    gap = "" if step.since_previous is None else f" (+{step.since_previous / 1000:g} s)"
    yield f"  {_moment(step.time)}{gap}: {_values(step.values, units)}"
    for reading in step.readings:
        index = "" if reading.index is None else f", number {reading.index} of its batch"
        place = f"partition {reading.partition}, offset {reading.offset}{index}"
        yield f"    from {place}, arrived {_moment(reading.arrival)}: {_values(reading.values, units)}"


def _values(values: Mapping[str, float | None], units: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {_value(value, units.get(name))}" for name, value in values.items())


def _value(value: float | None, unit: str | None) -> str:
    if value is None:
        return "unobserved"
    return f"{value:.6g} {unit}" if unit else f"{value:.6g}"


def _moment(ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
