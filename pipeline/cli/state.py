"""`sensorline state`: what to do where the state that was left cannot be gone on from."""

from __future__ import annotations

from typing import Annotated

import typer

from consumers.launch import Launch, build_stages, require_topics
from consumers.takeover import take_over
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import say
from pipeline.config import Configuration
from pipeline.delivery import Delivery
from pipeline.errors import ConfigurationError
from pipeline.stages.protocol import Accept

app = typer.Typer(help="Delete or take over the state of the windower and the alerter.", no_args_is_help=True)

Group = Annotated[str | None, typer.Option(metavar="NAME", help="The consumer group, instead of the pipeline's name and the stage's.")]


@app.command()
def reset(
    context: typer.Context,
    stages: Annotated[list[str] | None, typer.Argument(metavar="[STAGE]...", help="window, alert; without any, both.")] = None,
    group: Group = None,
) -> None:
    """Delete the state of stages and begin again at the start of the log.

    Windows that were open are made again from the readings that the log still has; what was published comes again under
    the same ids. Stop the stages first.
    """
    names = tuple(stages or ("window", "alert"))
    for stateless in ("score", "notify"):
        if stateless in names:
            raise ConfigurationError(f"{stateless}: keeps no state")
    _take_over(configuration(context), Launch(names, group, accept=Accept.RESET | Accept.REPARTITION), "begins at the start of the log")


@app.command()
def migrate(context: typer.Context, group: Group = None) -> None:
    """Take over what is open after a change of the window spec: the open steps go into windows of the new spec.

    Stop the windower first.
    """
    _take_over(configuration(context), Launch(("window",), group, accept=Accept.SPEC), "goes on under the new window spec")


def _take_over(chosen: Configuration, launch: Launch, outcome: str) -> None:
    connect = connector(chosen)
    stages = build_stages(chosen.settings, launch)
    with connected(connect) as broker:
        require_topics(broker, chosen.settings, launch, stages)
    for stage in stages:
        assert not isinstance(stage, Delivery)
        partitions = take_over(connect, stage, launch.group_of(stage, chosen.settings), launch.accept)
        say(f"{stage.name}: {partitions} partitions, {outcome}")
