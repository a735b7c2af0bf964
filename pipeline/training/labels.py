"""The table of labels, and which of them a window has: that of its last step, by exact device and time.

Knows no model. Regression takes numbers; classification takes one column of classes, integers or texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording
from pipeline.recordings.labels import read_labels
from pipeline.records import Window
from pipeline.training.recipe import Recipe, Task

Key = tuple[str, int]  # device, event time
Labels = TypeVar("Labels")


@dataclass(frozen=True)
class LabelTable:
    """What a model should answer at each device and event time.

    A row of `targets` holds the labels (regression), or 1 in the column of the class and else 0 (classification).
    """

    outputs: tuple[str, ...]  # names of the columns
    rows: Mapping[Key, int]
    targets: NDArray[np.float32]  # rows x outputs


def read_label_table(path: str | Path, recipe: Recipe) -> LabelTable:
    """The labels that the recipe asks for; rows without one of them are left out.

    Raises `ConfigurationError` for a missing column, labels that contradict each other, classes that are no integers or
    texts, and fewer than two classes.
    """
    return _regression_table(path, recipe) if recipe.task is Task.REGRESSION else _classification_table(path, recipe)


def last_step(window: Window) -> Key:
    """Where the label of a window is."""
    return window.device, int.from_bytes(window.times[-8:], "little", signed=True)


def _regression_table(path: str | Path, recipe: Recipe) -> LabelTable:
    labels = [(label.device, label.time, label.outputs) for label in read_labels(path)]
    outputs = _outputs(path, (values for *_, values in labels), recipe.outputs)
    found: dict[Key, tuple[float, ...]] = {}
    for device, time, values in labels:
        if all(output in values for output in outputs):
            _put(path, found, (device, time), tuple(values[output] for output in outputs))
    targets = np.array(list(found.values()), np.float32).reshape(-1, len(outputs))
    targets = targets if recipe.cap is None else np.minimum(targets, np.float32(recipe.cap))
    return LabelTable(outputs, {key: row for row, key in enumerate(found)}, targets)


def _classification_table(path: str | Path, recipe: Recipe) -> LabelTable:
    # The column of classes may be text, which a CSV file does not say by itself.
    labels = [(label.device, label.time, label.values) for label in read_recording(path, text=recipe.outputs)]
    outputs = _outputs(path, (values for *_, values in labels), recipe.outputs)
    if len(outputs) > 1:
        raise ConfigurationError(f"{path}: columns are {', '.join(outputs)}; say which one holds the classes")
    found: dict[Key, tuple[str]] = {}
    for device, time, values in labels:
        value = values.get(outputs[0])
        if value is not None:
            _put(path, found, (device, time), (_class(path, outputs[0], value),))
    classes = _ordered({name for (name,) in found.values()})
    if len(classes) < 2:
        raise ConfigurationError(f"{path}, column {outputs[0]}: there is only the class {classes[0]}; two are needed at least")
    column = {name: index for index, name in enumerate(classes)}
    targets = np.eye(len(classes), dtype=np.float32)[[column[name] for (name,) in found.values()]]
    return LabelTable(tuple(f"{outputs[0]}_{name}" for name in classes), {key: row for row, key in enumerate(found)}, targets)


def _outputs(path: str | Path, rows: Iterable[Mapping[str, object]], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted columns, or all that have a value anywhere, in the order of the file."""
    there = dict.fromkeys(name for row in rows for name, value in row.items() if value is not None)
    if not there:
        raise ConfigurationError(f"{path}: has no labels; a table of device, time and one column per output is needed")
    for name in wanted:
        if name not in there:
            raise ConfigurationError(f"{path}: no column {name} with labels; those with labels are {', '.join(there)}")
    return wanted or tuple(there)


def _put(path: str | Path, found: dict[Key, Labels], key: Key, labels: Labels) -> None:
    if found.setdefault(key, labels) != labels:
        raise ConfigurationError(f"{path}: device {key[0]} at {key[1]} has two different labels, {found[key]} and {labels}")


def _class(path: str | Path, column: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if value != int(value):
        raise ConfigurationError(f"{path}, column {column}: {value!r} is no class; allowed are integers and texts")
    return str(int(value))


def _ordered(classes: Iterable[str]) -> list[str]:
    """Integers by value, texts by the alphabet."""
    names = sorted(classes)
    try:
        return sorted(names, key=int)
    except ValueError:
        return names
