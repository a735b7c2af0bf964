"""`sensorline convert`: other people's files come to a recording, and to labels where they have them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.output import say
from pipeline.errors import ConfigurationError

app = typer.Typer(help="Convert other people's files to a recording and labels.", no_args_is_help=True)


@app.command()
def cmapss(
    folder: Annotated[Path, typer.Argument(help="The folder of the C-MAPSS text files, gzipped or not.")],
    out: Annotated[Path, typer.Option(help="The folder for recording.parquet and labels.parquet.")],
    subset: Annotated[str, typer.Option(help="FD001, FD002, FD003 or FD004.")] = "FD001",
    split: Annotated[str, typer.Option(help="train or test.")] = "train",
) -> None:
    """Convert NASA's C-MAPSS turbofan files: an engine is a device, a cycle one hour, the label is the remaining useful life."""
    from producers.cmapss import Split, convert_cmapss

    if split not in set(Split):
        raise ConfigurationError(f"--split {split}: must be one of {', '.join(Split)}")
    done = convert_cmapss(folder, subset, Split(split), out)
    say(f"{done.readings} readings of {done.engines} engines in {done.recording}, labels in {done.labels}")


@app.command()
def room_climate(
    folder: Annotated[Path, typer.Argument(help="The folder of the data set, with its folders datasets-location_X.")],
    out: Annotated[Path, typer.Option(help="The folder for recording.parquet and labels.parquet.")],
) -> None:
    """Convert the room climate data sets: a node of a location is a device, labels are the occupants and what they do."""
    from producers.room_climate import convert_room_climate

    done = convert_room_climate(folder, out)
    say(f"{done.readings} readings of {done.devices} devices in {done.runs} runs in {done.recording}, labels in {done.labels}")


@app.command()
def ulb(
    folder: Annotated[Path, typer.Argument(help="The folder of the data set, with Library1-Dataset and Library2-Dataset.")],
    out: Annotated[Path, typer.Option(help="The folder for recording.parquet.")],
    library: Annotated[str, typer.Option(help="library1 or library2.")] = "library1",
) -> None:
    """Convert the wireless sensor networks of the ULB: a node is a device, event time is the arrival at the base station."""
    from producers.ulb import convert_ulb

    done = convert_ulb(folder, library, out)
    say(f"{done.readings} readings of {done.devices} devices in {done.recording}")
