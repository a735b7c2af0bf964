"""`sensorline demo`: from nothing to alerts in one command, and what to try then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import only_warnings

LEAST_DEVICES = 2  # one is held out in training


def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="The folder to work in; one of an earlier demo is made anew.")] = Path("sensorline-demo"),
    devices: Annotated[int, typer.Option(min=LEAST_DEVICES, help="Number of machines.")] = 12,
) -> None:
    """Show the whole flow on the embedded log: simulated readings to alerts, a table and a picture, in under a minute.

    The folder has a configuration to go on with. The environment and other configurations change nothing here.
    """
    from pipeline.cli.demo.narration import console_for_people
    from pipeline.cli.demo.show import show

    only_warnings(context)
    with console_for_people() as console:
        try:
            show(folder, devices, console, os.environ)
        except KeyboardInterrupt:
            console.print("stopped; `sensorline demo` begins anew")
            raise typer.Exit(130) from None
