"""`sensorline dashboard`: a live page about the fleet, in the browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import say
from pipeline.config import Configuration
from pipeline.config.durations import parse_duration
from pipeline.errors import ConfigurationError, MissingTopic
from pipeline.process import stop_on_signals


def dashboard(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to serve at; other than this machine's own needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0: any that is free.")] = 8050,
    back: Annotated[str, typer.Option(help="How far back to begin.")] = "1h",
    token_file: Annotated[Path | None, typer.Option(help="A file with the token that a visitor must know.")] = None,
) -> None:
    """Show the fleet, its windows, scores and alerts on a live page, until interrupted.

    It reads the topics without a consumer group, changes nothing, and loads nothing from elsewhere. A token may also be in
    SENSORLINE_DASHBOARD_TOKEN.
    """
    from consumers.dashboard import dashboard as make_dashboard
    from pipeline.dashboard.access import access_for
    from pipeline.dashboard.reader import Back
    from pipeline.dashboard.server import listen, serve
    from pipeline.metrics import Checks, CountsCollector, serve_process

    chosen = configuration(context)
    access = access_for(host, token_file, os.environ)
    bound = Back(ms=_back_ms(back))
    _require_topics(chosen)
    with listen(host, port) as listening, stop_on_signals() as stop:
        app, reader = make_dashboard(chosen.settings, connector(chosen), bound, access, stop)
        if chosen.settings.metrics is not None:
            collector = CountsCollector(chosen.settings.pipeline.name, "dashboard", reader)
            serve_process(chosen.settings.metrics.port, collector, Checks(reader.alive, reader.ready))
        shown = "[::1]" if listening.family.name == "AF_INET6" else listening.getsockname()[0]
        say(f"http://{shown}:{listening.getsockname()[1]}/" + (" (asks for the token)" if access.wants_token else ""))
        serve(app, listening, reader.run, stop)


def _back_ms(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--back {text}: {error}") from None


def _require_topics(chosen: Configuration) -> None:
    names = chosen.settings.topics.names().values()
    with connected(connector(chosen)) as broker:
        missing = [name for name in names if name not in broker.topics()]
    if missing:
        raise MissingTopic(f"there is no topic {', '.join(missing)}; `sensorline topics create` makes the topics of the configuration")
