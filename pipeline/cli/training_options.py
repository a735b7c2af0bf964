"""The options of `sensorline train`, in the groups in which its help shows them. Their defaults are the recipe's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(panel: str, text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, **more)


def _flag(panel: str, name: str, text: str) -> Any:
    """An option without its opposite."""
    return typer.Option(name, help=text, rich_help_panel=panel)


_FILES, _LABELS, _INPUTS, _LAYERS, _LEARNING = "Files", "What is learnt", "What the model sees", "Layers", "Learning"

Recording = Annotated[Path, _option(_FILES, "A recording: .parquet, .csv or .jsonl.")]
Labels = Annotated[
    Path | None, _option(_FILES, "Its labels: device, time, and one column per output. Neither --end-of-life nor a forecast needs any.")
]
Out = Annotated[Path, _option(_FILES, "The folder of the bundle; a bundle that is there is replaced.")]
Name = Annotated[str | None, _option(_FILES, "The model's name; without it the folder's.")]
Version = Annotated[str, _option(_FILES, "The model's version.")]
Cache = Annotated[Path | None, _option(_FILES, "Keep the windows of the recording here, for the next training; without it beside it.")]
NoCache = Annotated[bool, _flag(_FILES, "--no-cache", "Make the windows anew and keep none.")]
Resume = Annotated[
    bool, _flag(_FILES, "--resume", "Go on with a training that was cut off, from its last whole epoch; give the same options.")
]

TaskName = Annotated[
    str, _option(_LABELS, "regression (a label is a quantity), classification (a class) or forecast (of the next step's values).")
]
EndOfLife = Annotated[
    str | None, _option(_LABELS, "Regression: learn how many steps, or seconds, a device has left until its last one.", metavar="UNIT")
]
Output = Annotated[list[str] | None, _option(_LABELS, "A column of the labels to learn; may be repeated; without it all.")]
Cap = Annotated[float | None, _option(_LABELS, "Regression: train greater labels as this.")]
CapWeight = Annotated[float, _option(_LABELS, "With --cap: how much a window whose label is the cap counts, beside 1 for the others.")]
Balanced = Annotated[bool, _flag(_LABELS, "--balanced", "Classification: let each class count the same, however rare it is.")]
Quantile = Annotated[float, _option(_LABELS, "Forecast: the share of held-out windows whose error is to be below the threshold.")]

Channels = Annotated[
    str,
    _option(_INPUTS, "Model inputs, such as value, change, observed, delta, delta:sensor, age, ema:10,30 or ema:10s,5m.", metavar="A,B"),
]
Conditions = Annotated[
    int | None,
    _option(_INPUTS, "Find so many operating conditions of the devices, and scale the values of each by themselves.", metavar="N"),
]
SettingSensors = Annotated[str, _option(_INPUTS, "With --conditions: the sensors that tell the condition.", metavar="A,B")]
Thin = Annotated[
    str, _option(_INPUTS, "Also learn from the recording with these shares of its readings left out, such as 0.3,0.5.", metavar="A,B")
]
FillRule = Annotated[str, _option(_INPUTS, "What an unobserved value becomes: zero, forward, or a number.")]
Last = Annotated[int | None, _option(_INPUTS, "Give the model only so many last steps, made with the whole window; without it all.")]

CellName = Annotated[str, _option(_LAYERS, "The recurrent layer: lstm or gru.")]
Units = Annotated[str, _option(_LAYERS, "Units of the recurrent layers, from the first on.", metavar="N,M")]
Bidirectional = Annotated[bool, _flag(_LAYERS, "--bidirectional", "Read the window in both directions.")]
Attention = Annotated[
    bool, _flag(_LAYERS, "--attention", "Weigh all steps, with the weights as a second output, in place of the last state.")
]
DenseUnits = Annotated[str, _option(_LAYERS, "Units of dense layers before the output; without it there are none.", metavar="N,M")]
Dropout = Annotated[float, _option(_LAYERS, "Share of what the recurrent layers say that is left out while learning.")]
InputDropout = Annotated[float, _option(_LAYERS, "Share of the input columns that is left out of a window while learning.")]
EmbeddingSize = Annotated[int, _option(_LAYERS, "Numbers that the code of a coded sensor becomes.")]

Epochs = Annotated[int | None, _option(_LEARNING, "At most so many; without it by the number of windows.")]
BatchSize = Annotated[int, _option(_LEARNING, "Windows in a training step.")]
LearningRate = Annotated[float, _option(_LEARNING, "The greatest; it rises to this at first, then falls to 0.")]
WarmUp = Annotated[float, _option(_LEARNING, "Share of the training in which the learning rate rises.")]
Stride = Annotated[int, _option(_LEARNING, "Each epoch takes every n-th window of a device, beginning with another one.", metavar="N")]
Holdout = Annotated[float, _option(_LEARNING, "Share of the devices that is held out, to know when to stop; 0: none.")]
Seed = Annotated[int, _option(_LEARNING, "Equal seeds give equal models.")]
