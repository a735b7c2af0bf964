"""`sensorline bundle`: a user's own model becomes a bundle that the scorer can trust. `sensorline probe` says whether it would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.context import configuration
from pipeline.cli.output import say
from pipeline.config import Settings
from pipeline.errors import ConfigurationError, ModelRefused
from pipeline.records import Window

_FILE_WIDTH = 160  # where standard output is no terminal


def bundle(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL.keras", help="The model, as Keras saves it.")],
    out: Annotated[Path, typer.Option(help="The folder of the bundle; a bundle that is there is replaced.")],
    name: Annotated[str | None, typer.Option(help="The model's name; without it the file's.")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
    sensors: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="The sensors in the order of its features, and of its inputs of codes; without it all."),
    ] = None,
    outputs: Annotated[str | None, typer.Option(metavar="A,B", help="The names of its outputs; without it those of its layers.")] = None,
    fill: Annotated[str, typer.Option(help="What an unobserved value becomes: zero, forward, or a number.")] = "zero",
    last: Annotated[int | None, typer.Option(min=1, help="The model sees only so many last steps of a window; without it all.")] = None,
    task: Annotated[str, typer.Option(help="What the model does.")] = "regression",
    recording: Annotated[
        Path | None, typer.Option(help="A recording, of which the bundle keeps some windows with their scores, to prove each start on.")
    ] = None,
) -> None:
    """Make a bundle of a Keras model for the configured sensors and windows.

    It is refused if padding would change its scores. Values go in as they are, without scaling. A sensor with texts in
    [sensors.codes] is an input of codes for a model with an Embedding, as is each sensor for a model with nothing else.
    """
    from pipeline.scoring.adopt import Adoption, bundle_model
    from pipeline.scoring.contract import ContractOutput, ContractSensor

    settings = configuration(context).settings
    known = settings.sensors
    configured = [ContractSensor(sensor, known.units.get(sensor), known.codes.get(sensor, ())) for sensor in known.names]
    adoption = Adoption(
        name=name,
        version=version,
        sensors=_split(sensors),
        fill=fill_rule(fill),
        last=last,
        task=task,
        outputs=None if outputs is None else tuple(ContractOutput(output) for output in _split(outputs) or ()),
    )
    made = bundle_model(model, out, configured, settings.window.policy(), adoption, _windows(settings, recording))
    runs_on = engine_of(made.contract.engine, made.contract.untranslated)
    say(f"bundle {made.contract.name} {made.contract.version} in {made.folder}, {runs_on}")


def probe(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras file, or the folder of a bundle.")],
    max_length: Annotated[int, typer.Option(min=1, help="The most steps of a window; a bundle has its own.")] = 256,
) -> None:
    """Show what the scorer would prove about a model at its start, and which engine would run it.

    The exit code is 4 for a model that would be refused, with the layer and the remedy in the last row.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from pipeline.scoring.report import examine

    findings = list(examine(model, max_length))
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "check", "finding"):
        table.add_column(column)
    for finding in findings:
        table.add_row("ok" if finding.ok else "error", finding.check, finding.says)
    console = Console()
    (console if console.is_terminal else Console(width=_FILE_WIDTH)).print(table)
    if not findings[-1].ok:
        raise typer.Exit(ModelRefused.exit_code)


def engine_of(engine: str, untranslated: str | None) -> str:
    """Which engine will score with a bundle, for people."""
    runs = "Keras" if engine == "keras" else "ONNX Runtime"
    return f"scored by {runs}" if untranslated is None else f"scored by {runs} ({engine}), as {untranslated}"


def _windows(settings: Settings, recording: Path | None) -> Iterator[Window]:
    """The windows that the configuration makes of a recording."""
    if recording is not None:
        from pipeline.training.files import recorded_windows

        yield from (window for _, window in recorded_windows(settings, recording, [settings.window.policy()], Counter()))


def _split(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(item.strip() for item in text.split(","))


def fill_rule(text: str) -> Literal["zero", "forward"] | float:
    """The fill rule that an option names. Raises `ConfigurationError`."""
    if text == "zero":
        return "zero"
    if text == "forward":
        return "forward"
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"--fill {text}: must be zero, forward, or a number") from None
