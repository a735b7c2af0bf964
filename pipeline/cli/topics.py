"""`sensorline topics`: create, list and delete the topics of the configuration."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.expected import expected_topics, require_as_expected
from pipeline.cli.output import say, write_line
from pipeline.config.durations import format_duration
from pipeline.errors import ConfigurationError, MissingTopic

app = typer.Typer(help="Create, list or delete the topics of the configuration.", no_args_is_help=True)

Group = Annotated[str | None, typer.Option("--group", metavar="NAME", help="Also the state topics of the consumer group NAME.")]


@app.command()
def create(context: typer.Context, group: Group = None) -> None:
    """Create the topics of the configuration, state topics too, with the partitions and settings they should have.

    A topic that is there already is left as it is; one that is not as it should be is an error.
    """
    chosen = configuration(context)
    wrong = []
    with connected(connector(chosen)) as broker:
        for expected in expected_topics(chosen.settings, group):
            created = broker.create_topic(expected)
            say(f"{'created' if created else 'is there already'}: {expected.name}")
        found = broker.topics()
        for expected in expected_topics(chosen.settings, group):
            try:
                require_as_expected(chosen.settings, expected, found)
            except ConfigurationError as error:
                wrong.append(f"topic {expected.name} {error}")
    if wrong:
        raise ConfigurationError("\n".join(wrong))


@app.command("list")
def list_topics(context: typer.Context, group: Group = None) -> None:
    """List the topics of the configuration: name, partitions, retention, and whether each is as it should be.

    The columns are separated by tabs.
    """
    chosen = configuration(context)
    with connected(connector(chosen)) as broker:
        found = broker.topics()
    for expected in expected_topics(chosen.settings, group):
        actual = found.get(expected.name, expected)
        retention = "compacted" if actual.compacted else format_duration(actual.retention_ms)
        try:
            require_as_expected(chosen.settings, expected, found)
            state = "ok"
        except MissingTopic:
            state = "missing"
        except ConfigurationError as error:
            state = str(error)
        write_line(f"{expected.name}\t{actual.partitions}\t{retention}\t{state}".encode())


@app.command()
def delete(
    context: typer.Context,
    group: Group = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete the topics of the configuration, state topics too, with all that is in them."""
    chosen = configuration(context)
    with connected(connector(chosen)) as broker:
        found = broker.topics()
        names = [expected.name for expected in expected_topics(chosen.settings, group) if expected.name in found]
        if not names:
            say("there is nothing to delete: none of the topics of the configuration is there")
        elif not yes:
            typer.confirm(f"Delete {', '.join(names)} with all records?", abort=True, err=True)
        for name in names:
            broker.delete_topic(name)
            say(f"deleted: {name}")
