"""One training as people see it: bars where standard error is a terminal, else a line for each epoch; what was left out, what came of it.

Import it only where something is trained: it loads what draws the report.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pipeline.cli.models import engine_of
from pipeline.cli.output import say
from pipeline.config import Settings
from pipeline.training.files import TrainingFiles, contract_sensors, labelled_windows
from pipeline.training.progress import Epoch, Watch
from pipeline.training.recipe import Recipe
from pipeline.training.report import REPORT_FILE
from pipeline.training.train import Destination, train_bundle


def run_training(settings: Settings, files: TrainingFiles, recipe: Recipe, destination: Destination) -> None:
    """Trains, and says on standard error how it goes."""
    counts: Counter[str] = Counter()
    labelled = labelled_windows(settings, files, recipe, counts)
    say_refused(counts)
    left_out = f"left out: {labelled.unlabelled} without a label, {labelled.too_short} too short"
    say(f"{len(labelled.windows)} labelled windows of {len(labelled.devices)} devices; {left_out}")
    if destination.resume:
        stands = destination.checkpoints.exists()
        say(f"going on with {destination.checkpoints}" if stands else f"{destination.checkpoints} is not there: nothing to go on with")
    with watched() as watch:
        made = train_bundle(labelled, contract_sensors(settings), settings.window.policy(), recipe, destination, watch)
    for line in metric_lines(made.contract.metrics["held_out"]):
        say(f"held-out devices: {line}")
    runs_on = engine_of(made.contract.engine, made.contract.untranslated)
    say(f"bundle {made.contract.name} {made.contract.version} in {made.folder}, {runs_on}")
    say(f"report in {made.folder / REPORT_FILE}")


def say_refused(counts: Counter[str]) -> None:
    """The readings that the windower refused, where there are any."""
    refused = {name.removeprefix("rejected_"): count for name, count in sorted(counts.items()) if name.startswith("rejected_")}
    if refused:
        say(f"refused readings, as they would be live: {', '.join(f'{count} {reason}' for reason, count in refused.items())}")


@contextmanager
def watched() -> Iterator[Watch]:
    """What a training is to tell of its progress."""
    if not sys.stderr.isatty():
        yield Watch(lambda epoch: say(epoch.shown()))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        all_epochs, this_epoch = bars.add_task("training", total=None), bars.add_task("epoch", total=None)

        def on_epoch(epoch: Epoch) -> None:
            bars.console.print(epoch.shown(), highlight=False)
            bars.update(all_epochs, completed=epoch.number, total=epoch.epochs)

        def on_step(number: int, done: int, steps: int) -> None:
            bars.update(this_epoch, description=f"epoch {number}", completed=done, total=steps)

        yield Watch(on_epoch, on_step)


def metric_lines(metrics: Mapping[str, Any]) -> Iterator[str]:
    """A line for each output, or one for the whole."""
    plain = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
    if plain:
        yield ", ".join(f"{name} {value:.4g}" for name, value in plain.items())
    for output, of_output in metrics.items():
        if output not in plain:
            yield f"{output}: {', '.join(f'{name} {value:.4g}' for name, value in of_output.items())}"
