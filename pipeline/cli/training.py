"""`sensorline train` and `lengths`: from recordings to a bundle, and what a window spec makes of a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli import training_options as options
from pipeline.cli.context import configuration
from pipeline.cli.models import fill_rule
from pipeline.core.channels import Unit
from pipeline.errors import ConfigurationError
from pipeline.training.conditions import OperatingConditions


def train(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    recording: options.Recording,
    out: options.Out,
    labels: options.Labels = None,
    name: options.Name = None,
    version: options.Version = "1",
    cache: options.Cache = None,
    no_cache: options.NoCache = False,
    resume: options.Resume = False,
    task: options.TaskName = "regression",
    end_of_life: options.EndOfLife = None,
    output: options.Output = None,
    cap: options.Cap = None,
    cap_weight: options.CapWeight = 1.0,
    balanced: options.Balanced = False,
    quantile: options.Quantile = 0.99,
    channels: options.Channels = "value,observed,delta",
    fill: options.FillRule = "forward",
    last: options.Last = None,
    conditions: options.Conditions = None,
    settings: options.SettingSensors = "",
    thin: options.Thin = "",
    cell: options.CellName = "lstm",
    units: options.Units = "64",
    bidirectional: options.Bidirectional = False,
    attention: options.Attention = False,
    dense: options.DenseUnits = "",
    dropout: options.Dropout = 0.2,
    input_dropout: options.InputDropout = 0.0,
    embedding: options.EmbeddingSize = 8,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = 64,
    learning_rate: options.LearningRate = 3e-3,
    warm_up: options.WarmUp = 0.05,
    stride: options.Stride = 1,
    holdout: options.Holdout = 0.2,
    seed: options.Seed = 1,
) -> None:
    """Train a recurrent network on a recording, and write its bundle, with a report of how good it is.

    The windows are those that the configuration would make of the recording live; a window's label is that of its last step.
    """
    from pipeline.cli.training_run import run_training
    from pipeline.training.files import TrainingFiles, cache_beside
    from pipeline.training.recipe import Architecture, Cell, Fitting, Recipe, Task, parse_channels
    from pipeline.training.train import Destination

    recipe = Recipe(
        task=Task(_one_of("task", task, tuple(Task))),
        outputs=tuple(output or ()),
        cap=cap,
        cap_weight=cap_weight,
        balanced=balanced,
        quantile=quantile,
        channels=parse_channels(channels),
        fill=fill_rule(fill),
        last=last,
        conditions=_conditions(conditions, settings),
        architecture=Architecture(
            cell=Cell(_one_of("cell", cell, tuple(Cell))),
            units=_numbers("units", units),
            bidirectional=bidirectional,
            attention=attention,
            dense=_numbers("dense", dense or None),
            dropout=dropout,
            input_dropout=input_dropout,
            embedding=embedding,
        ),
        fitting=Fitting(epochs, batch_size, learning_rate, warm_up, stride, holdout, seed),
    )
    files = TrainingFiles(
        recording,
        labels,
        end_of_life=None if end_of_life is None else Unit(_one_of("end-of-life", end_of_life, tuple(Unit))),
        thin=_shares("thin", thin),
        cache=None if no_cache else cache or cache_beside(recording),
    )
    run_training(configuration(context).settings, files, recipe, Destination(out, name or out.absolute().name, version, resume))


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
    from pipeline.cli.training_run import say_refused
    from pipeline.training.files import recorded_windows
    from pipeline.training.lengths import CapTally, bucket_costs, distribution_of, max_length_choices, uncapped, with_max_length

    settings = configuration(context).settings
    if str(recording) == "-":
        raise ConfigurationError("-: the recording is read twice; give a file")
    policy = settings.window.policy()
    counts: Counter[str] = Counter()
    whole = distribution_of(window for _, window in recorded_windows(settings, recording, [uncapped(policy)], counts))
    say_refused(counts)
    if not whole.windows:
        raise ConfigurationError(f"{recording}: makes no window; is a sensor of [sensors] names in it?")
    tallies = {choice: CapTally(choice) for choice in max_length_choices(policy, whole.longest, _numbers("max-length", max_length))}
    by_place = list(tallies.values())
    for place, window in recorded_windows(settings, recording, [with_max_length(policy, choice) for choice in tallies], Counter()):
        by_place[place].add(window)
    configured = tallies[policy.max_length].cost()
    padding = bucket_costs(configured.lengths, policy.max_length, _numbers("buckets", buckets))
    show(whole, [tally.cost() for tally in by_place], padding, policy.max_length)


def _conditions(count: int | None, settings: str) -> OperatingConditions | None:
    names = tuple(name.strip() for name in settings.split(",") if name.strip())
    if count is None and not names:
        return None
    if count is None or not names:
        raise ConfigurationError(
            "--conditions and --settings: each needs the other; give how many conditions, and the sensors that tell them"
        )
    return OperatingConditions(names, count)


def _shares(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(share) for share in text.split(",")) if text else ()
    except ValueError:
        raise ConfigurationError(f"--{option} {text}: must be shares, such as 0.3,0.5") from None


def _one_of(option: str, text: str, allowed: Sequence[str]) -> str:
    if text not in allowed:
        raise ConfigurationError(f"--{option} {text}: must be one of {', '.join(allowed)}")
    return text


def _numbers(option: str, text: str | None) -> tuple[int, ...]:
    try:
        numbers = () if text is None else tuple(int(number) for number in text.split(","))
    except ValueError:
        numbers = (0,)
    if any(number < 1 for number in numbers):
        raise ConfigurationError(f"--{option} {text}: must be numbers from 1 on, such as 32,64,128")
    return numbers
