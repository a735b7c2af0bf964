"""`sensorline train` and `lengths`: from recordings to a bundle, and what a window spec makes of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.context import configuration
from pipeline.cli.models import engine_of, fill_rule
from pipeline.cli.output import say
from pipeline.errors import ConfigurationError


def train(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    recording: Annotated[Path, typer.Option(help="A recording: .parquet, .csv or .jsonl.")],
    labels: Annotated[Path, typer.Option(help="Its labels: device, time, and one column per output.")],
    out: Annotated[Path, typer.Option(help="The folder of the bundle; a bundle that is there is replaced.")],
    task: Annotated[str, typer.Option(help="regression (a label is a quantity) or classification (it is a class).")] = "regression",
    output: Annotated[list[str] | None, typer.Option(help="A column of the labels to learn; may be repeated; without it all.")] = None,
    cap: Annotated[float | None, typer.Option(help="Regression: train greater labels as this.")] = None,
    channels: Annotated[
        str, typer.Option(metavar="A,B", help="Model inputs: value, observed, delta, delta:sensor.")
    ] = "value,observed,delta",
    fill: Annotated[str, typer.Option(help="What an unobserved value becomes: zero, forward, or a number.")] = "forward",
    units: Annotated[int, typer.Option(help="Units of the LSTM.")] = 64,
    epochs: Annotated[int | None, typer.Option(help="At most so many; without it by the number of windows.")] = None,
    holdout: Annotated[float, typer.Option(help="Share of the devices that is held out, to know when to stop.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal models.")] = 1,
    name: Annotated[str | None, typer.Option(help="The model's name; without it the folder's.")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
) -> None:
    """Train an LSTM on a recording and its labels, and write its bundle.

    The windows are those that the configuration would make of the recording live; a window's label is that of its last step.
    """
    from pipeline.training.files import contract_sensors, labelled_windows
    from pipeline.training.recipe import Recipe, Task, parse_channels
    from pipeline.training.train import Destination, train_bundle

    settings = configuration(context).settings
    if task not in set(Task):
        raise ConfigurationError(f"--task {task}: must be one of {', '.join(Task)}")
    recipe = Recipe(
        task=Task(task),
        outputs=tuple(output or ()),
        cap=cap,
        channels=parse_channels(channels),
        fill=fill_rule(fill),
        units=units,
        epochs=epochs,
        holdout=holdout,
        seed=seed,
    )
    destination = Destination(out, name or out.absolute().name, version)
    counts: Counter[str] = Counter()
    labelled = labelled_windows(settings, recording, labels, recipe, counts)
    _say_refused(counts)
    left_out = f"left out: {labelled.unlabelled} without a label, {labelled.too_short} too short"
    say(f"{len(labelled.windows)} labelled windows of {len(labelled.devices)} devices; {left_out}")
    policy = settings.window.policy()
    made = train_bundle(labelled, contract_sensors(settings), policy, recipe, destination, lambda epoch: say(epoch.shown()))
    for line in _shown(made.contract.metrics["held_out"]):
        say(f"held-out devices: {line}")
    say(f"bundle {made.contract.name} {made.contract.version} in {made.folder}, {engine_of(made.contract.keras_only)}")


def lengths(
    context: typer.Context,
    recording: Annotated[Path, typer.Argument(help="A recording: .parquet, .csv or .jsonl.")],
    max_length: Annotated[str | None, typer.Option(metavar="N,M", help="Try these; without it powers of two.")] = None,
    buckets: Annotated[str | None, typer.Option(metavar="N,M", help="Also the cost of padding to these lengths.")] = None,
) -> None:
    """Show how long the windows of a recording are, and what each max_length and each choice of padding would cost.

    The windows are those that the configuration would make of the recording live, but for the max_length that is tried.
    """
    from pipeline.cli.lengths_view import show
    from pipeline.training.files import recorded_windows
    from pipeline.training.lengths import CapTally, bucket_costs, distribution_of, max_length_choices, uncapped, with_max_length

    settings = configuration(context).settings
    if str(recording) == "-":
        raise ConfigurationError("-: the recording is read twice; give a file")
    policy = settings.window.policy()
    counts: Counter[str] = Counter()
    whole = distribution_of(window for _, window in recorded_windows(settings, recording, [uncapped(policy)], counts))
    _say_refused(counts)
    if not whole.windows:
        raise ConfigurationError(f"{recording}: makes no window; is a sensor of [sensors] names in it?")
    tallies = {choice: CapTally(choice) for choice in max_length_choices(policy, whole.longest, _numbers("max-length", max_length))}
    by_place = list(tallies.values())
    for place, window in recorded_windows(settings, recording, [with_max_length(policy, choice) for choice in tallies], Counter()):
        by_place[place].add(window)
    configured = tallies[policy.max_length].cost()
    padding = bucket_costs(configured.lengths, policy.max_length, _numbers("buckets", buckets))
    show(whole, [tally.cost() for tally in by_place], padding, policy.max_length)


def _say_refused(counts: Counter[str]) -> None:
    refused = {name.removeprefix("rejected_"): count for name, count in sorted(counts.items()) if name.startswith("rejected_")}
    if refused:
        say(f"refused readings, as they would be live: {', '.join(f'{count} {reason}' for reason, count in refused.items())}")


def _shown(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line for each output, or one for the classes together."""
    plain = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
    if plain:
        yield ", ".join(f"{name} {value:.4g}" for name, value in plain.items())
    for output, of_output in metrics.items():
        if output not in plain:
            yield f"{output}: {', '.join(f'{name} {value:.4g}' for name, value in of_output.items())}"


def _numbers(option: str, text: str | None) -> tuple[int, ...]:
    try:
        numbers = () if text is None else tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = (0,)
    if any(number < 1 for number in numbers):
        raise ConfigurationError(f"--{option} {text}: must be numbers of steps, such as 32,64,128")
    return numbers
