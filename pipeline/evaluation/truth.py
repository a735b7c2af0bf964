"""What a model should have said at each step of a recording, in the model's own outputs: from labels, or from the recording itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Settings
from pipeline.core.channels import Unit
from pipeline.errors import ConfigurationError
from pipeline.recordings.labels import read_labels
from pipeline.records import Window
from pipeline.scoring.contract import Contract
from pipeline.training.files import recorded_windows
from pipeline.training.labels import Key, LabelTable, last_step, read_label_table
from pipeline.training.recipe import Recipe, Task
from pipeline.training.step_labels import end_of_life_table, next_step_table, next_steps, scaled_next_steps, single_steps


@dataclass(frozen=True)
class Source:
    """Where to learn what was right. Raises `ConfigurationError` for two sources that contradict each other."""

    recording: Path
    labels: Path | None = None
    end_of_life: Unit | None = None  # what a device has left until its last step in the recording, in this unit

    def __post_init__(self) -> None:
        if self.labels is not None and self.end_of_life is not None:
            raise ConfigurationError("--labels and --end-of-life: labels come from a file or from the recording; leave one of them out")


@dataclass(frozen=True)
class Truth:
    """What was right, by the last step of a window."""

    table: LabelTable  # its outputs are outputs of the model
    anomalies: Mapping[Key, bool] | None = None  # forecasts: whether the step that follows is labelled as one; None: no labels


def read_truth(settings: Settings, contract: Contract, source: Source) -> Truth:
    """The truth for a model of this contract. Labels are not capped.

    Raises `ConfigurationError` where there is none, where labels are not of the model's outputs, and for a task that cannot be judged.
    """
    outputs = tuple(output.name for output in contract.outputs)
    if contract.task == Task.FORECAST:
        return _next_steps(settings, contract, source)
    if contract.task == Task.CLASSIFICATION:
        return Truth(read_label_table(_labels(source), Recipe(task=Task.CLASSIFICATION, outputs=_column_of(outputs))))
    if contract.task != Task.REGRESSION:
        raise ConfigurationError(f"the model's task is {contract.task!r}; a model can be judged by the tasks {', '.join(Task)}")
    if source.end_of_life is None:
        return Truth(read_label_table(_labels(source), Recipe(outputs=outputs)))
    if len(outputs) > 1:
        raise ConfigurationError(f"--end-of-life: the model gives {', '.join(outputs)}; that is only for a model of one output")
    return Truth(end_of_life_table(_steps(settings, source.recording), source.end_of_life, output=outputs[0]))


def classes_of(outputs: Sequence[str]) -> dict[str, str]:
    """The outputs of a classifier by the names of their classes; a model that names them otherwise has them as they are.

    >>> classes_of(("occupants_0", "occupants_1"))
    {'0': 'occupants_0', '1': 'occupants_1'}
    """
    (column,) = _column_of(outputs) or ("",)
    return {output.removeprefix(f"{column}_") if column else output: output for output in outputs}


def _column_of(outputs: Sequence[str]) -> tuple[str, ...]:
    """The column of labels whose classes the outputs are; () where their names do not tell, and the labels have only one."""
    columns = {output.rpartition("_")[0] for output in outputs}
    return tuple(columns) if len(columns) == 1 and "" not in columns else ()


def _labels(source: Source) -> Path:
    if source.labels is None:
        raise ConfigurationError("no labels: give --labels FILE, or --end-of-life for a model of what is left")
    return source.labels


def _next_steps(settings: Settings, contract: Contract, source: Source) -> Truth:
    steps = list(_steps(settings, source.recording))
    table = next_step_table(steps, [sensor.name for sensor in contract.float_sensors])
    scaled = LabelTable(table.outputs, table.rows, scaled_next_steps(table.targets, contract.features().scaling))
    if source.labels is None:
        return Truth(scaled)
    labelled = {(label.device, label.time): label.outputs for label in read_labels(source.labels)}
    if any(len(outputs) > 1 for outputs in labelled.values()):
        raise ConfigurationError(f"{source.labels}: must have one column, 0 where all was well")
    following = {before: labelled.get(last_step(after), {}) for before, after in next_steps(steps).items()}
    return Truth(scaled, {step: max(label.values()) > 0 for step, label in following.items() if label})


def _steps(settings: Settings, recording: Path) -> Iterator[Window]:
    for _, step in recorded_windows(settings, recording, [single_steps(settings.window.policy())], Counter()):
        yield step
