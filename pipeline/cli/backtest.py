"""`sensorline backtest` and `diff`: what models make of a recording, and how two sets of predictions differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, only_warnings
from pipeline.cli.output import say, write_line
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead of tables.")]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a report, one HTML file with its pictures in it.")]
Tolerance = Annotated[float, typer.Option(min=0, help="Outputs are equal where |a - b| <= TOLERANCE x max(1, |a|).")]


def backtest(
    context: typer.Context,
    recording: Annotated[Path, typer.Option(help="A recording: a file, or a folder of `sensorline record`.")],
    bundle: Annotated[list[Path], typer.Option(help="A bundle to run; give several to compare each with the first.")],
    out: Annotated[Path, typer.Option(help="The folder of the results: NAME/predictions.jsonl, and reports of two.")] = Path("backtest"),
    any_windows: Annotated[bool, typer.Option("--any-windows", help="Score although a model was made for other windows.")] = False,
    tolerance: Tolerance = 1e-5,
) -> None:
    """Run the pipeline on a recording with one or more models, in memory, and compare what comes out.

    It is the real one: replay, window, score and, where the configuration has rules, alert. Nothing goes to the broker.
    """
    from pipeline.backtest.outcome import Outcome, save_outcome
    from pipeline.backtest.run import run_on_recording
    from pipeline.cli.backtest_view import show_difference, write_report
    from pipeline.recordings.ordering import in_replay_order

    only_warnings(context)
    settings = configuration(context).settings
    if str(recording) == "-":
        raise ConfigurationError("--recording -: it is read once for each bundle; give a file or a folder")
    names = _names(bundle)
    first: Outcome | None = None
    with stop_on_signals() as stop:
        for folder, name in zip(bundle, names, strict=True):
            readings = in_replay_order(recording, tuple(settings.sensors.codes)).readings
            outcome = run_on_recording(settings, readings, folder, any_windows, stop)
            if stop.is_set():
                raise typer.Exit(130)
            save_outcome(outcome, out / name)
            alerts = "" if outcome.alerts is None else f", {len(outcome.alerts)} alerts raised or cleared"
            say(f"{name}: {len(outcome.predictions)} predictions{alerts}, in {out / name}")
            if first is None:
                first = outcome
                continue
            report = out / f"{names[0]}-{name}.html"
            show_difference(write_report(first, outcome, tolerance, report))
            say(f"report: {report}")


def diff(
    a: Annotated[Path, typer.Argument(help="A folder of `sensorline backtest` or `record`, or a file of `sensorline tail predictions`.")],
    b: Annotated[Path, typer.Argument(help="The other one.")],
    tolerance: Tolerance = 1e-5,
    as_json: Json = False,
    html: Html = None,
) -> None:
    """Compare two sets of predictions, window by window.

    Windows are the same if id, sequence and revision are equal. Alerts are compared where both sides have them.
    """
    import msgspec

    from pipeline.backtest.difference import compare
    from pipeline.backtest.outcome import load_outcome
    from pipeline.cli.backtest_view import show_difference, write_report

    left, right = load_outcome(a), load_outcome(b)
    difference = compare(left, right, tolerance) if html is None else write_report(left, right, tolerance, html)
    if as_json:
        write_line(msgspec.json.encode(difference))
    else:
        show_difference(difference)


def _names(bundles: list[Path]) -> list[str]:
    """The bundles' own names; their places where two are the same."""
    names = [bundle.absolute().name for bundle in bundles]
    if len(set(names)) == len(names):
        return names
    if len({bundle.absolute() for bundle in bundles}) < len(bundles):
        raise ConfigurationError("--bundle: the same bundle twice; its scores are the same")
    return [f"{number}-{name}" for number, name in enumerate(names, start=1)]
