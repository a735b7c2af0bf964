"""`sensorline evaluate`: how good a bundle is on a recording whose labels are known."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, only_warnings
from pipeline.cli.output import say, write_line
from pipeline.core.channels import Unit
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals


def evaluate(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="The folder of the bundle.")],
    recording: Annotated[Path, typer.Option(help="A recording: a file, or a folder of `sensorline record`.")],
    labels: Annotated[Path | None, typer.Option(help="What was true: device, time, and one column per output.")] = None,
    end_of_life: Annotated[
        str | None, typer.Option(metavar="UNIT", help="True is what a device has left until its last step: in steps or in seconds.")
    ] = None,
    which: Annotated[str, typer.Option(help="Judge all windows, or only the last one of each device.")] = "all",
    cap: Annotated[
        float | None, typer.Option(help="Also judge with labels of at most this; without it by the cap of the training.")
    ] = None,
    normal: Annotated[str | None, typer.Option(metavar="CLASS", help="Every other class is an alarm; without it the first one.")] = None,
    any_windows: Annotated[bool, typer.Option("--any-windows", help="Judge although the model was made for other windows.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output instead of tables.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a report, one HTML file with its pictures in it.")] = None,
) -> None:
    """Run the pipeline on a recording with a model, in memory, and judge what comes out by labels.

    It is the real one: replay, window and score. Nothing goes to the broker. A prediction's label is that of its window's last step.
    """
    from msgspec import json

    from pipeline.cli.evaluation_view import show_verdict
    from pipeline.evaluation.evaluate import Options, Which
    from pipeline.evaluation.evaluate import evaluate as run_and_judge
    from pipeline.evaluation.truth import Source, read_truth
    from pipeline.recordings.ordering import in_replay_order
    from pipeline.scoring.bundle import read_bundle

    only_warnings(context)
    settings = configuration(context).settings
    options = Options(Which(_one_of("which", which, Which)), cap, normal, any_windows)
    unit = None if end_of_life is None else Unit(_one_of("end-of-life", end_of_life, Unit))
    source = Source(recording, labels, unit)
    chosen = read_bundle(bundle)
    readings = in_replay_order(recording, tuple(settings.sensors.codes)).readings
    with stop_on_signals() as stop:
        verdict = run_and_judge(settings, readings, chosen, read_truth(settings, chosen.contract, source), options, stop)
        if stop.is_set():
            raise typer.Exit(130)
    if report is not None:
        from pipeline.evaluation.page import write_page

        write_page(verdict, recording, report)
        say(f"report in {report}")
    if as_json:
        write_line(json.encode({"recording": str(recording), **verdict.numbers}))
    else:
        show_verdict(verdict.numbers)


def _one_of(option: str, text: str, allowed: Iterable[str]) -> str:
    choices = list(allowed)
    if text not in choices:
        raise ConfigurationError(f"--{option} {text}: must be one of {', '.join(choices)}")
    return text
