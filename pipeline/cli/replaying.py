"""`sensorline replay`: a recording to the readings topic, whole or in part, at any pace, step by step, stopped and resumed."""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.brokers.protocol import Broker
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import progress, say
from pipeline.clock import SystemClock
from pipeline.config import Configuration
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from pipeline.recordings.selection import Selection, with_known_sensor
from pipeline.records import Reading
from pipeline.wire.times import parse_time
from producers.pacing import Pacer, Stop
from producers.replay import Replayed, ReplayPolicy

ASKED_EVERY_S = 0.2


def replay(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(help="A recording: .parquet, .csv, .jsonl, a folder of them or of `sensorline record`, or - for JSON Lines."),
    ],
    speed: Annotated[str, typer.Option(help='1 is the recording\'s own pace, 10 ten times as fast, "max" as fast as possible.')] = "1",
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only readings that arrived then or later; RFC 3339, or milliseconds.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Only readings that arrived before.")] = None,
    devices: Annotated[str | None, typer.Option(metavar="A,B", help="Only readings of these devices.")] = None,
    copies: Annotated[int, typer.Option(min=1, help="Each reading so often, for load: the n-th copy is of a device NAME~n.")] = 1,
    segment: Annotated[int | None, typer.Option(help="Of a recorded topic that was itself replayed into: which of its segments.")] = None,
    step: Annotated[bool, typer.Option("--step", help="Show each reading and wait for Enter before it is published.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the same replay, which was stopped or killed, after what the topic has of it.")
    ] = False,
    close: Annotated[bool, typer.Option("--close/--no-close", help="End with the tick that closes all windows.")] = True,
    force: Annotated[
        bool,
        typer.Option("--force", help="Also into a topic that live readings go to (it ends all their windows), or without a known sensor."),
    ] = False,
) -> None:
    """Replay a recording to the readings topic, in the order in which its readings arrived.

    It begins by closing what is open in the topic and ends by closing what it has opened, so that a replay gives the same
    windows whatever was there before.
    """
    if step and file == "-":
        raise ConfigurationError("--step: standard input is the recording, so Enter cannot be waited for there; give a file")
    chosen = configuration(context)
    policy = ReplayPolicy(chosen.settings.window.idle_timeout_ms, _speed(speed), close, force, resume)
    names = None if devices is None else frozenset(devices.split(","))
    selection = Selection(_time("--from", begin), _time("--to", end), names, copies)
    with stop_on_signals() as stop:
        ask = (lambda reading: _entered(reading, stop)) if step else None
        done = replay_file(chosen, connector(chosen), (file, selection, segment), policy, Pacer(SystemClock(), stop, ask))
    if done.stopped:
        say("the same command with --resume goes on from there")


def replay_file(
    chosen: Configuration,
    connect: Callable[[], Broker],
    source: tuple[str | Path, Selection, int | None],
    policy: ReplayPolicy,
    pacer: Pacer,
) -> Replayed:
    """Publishes what is selected of (recording, selection, segment) to the configured readings topic; says how far it is.

    Raises `ConfigurationError` where no configured sensor is in it, unless forced.
    """
    from pipeline.recordings.ordering import in_replay_order
    from producers.replay import replay as publish

    file, selection, segment = source
    settings = chosen.settings
    recording = in_replay_order(file, tuple(settings.sensors.codes), segment)
    readings = recording.readings if policy.force else with_known_sensor(recording.readings, settings.sensors.names)
    with connected(connect) as broker, progress(_total(chosen, source, recording.total)) as advance:
        done = publish(broker, settings.topics.readings, selection.of(readings), policy, pacer, advance)
    say(f"{done.readings} readings published{', stopped before the end' if done.stopped else ''}")
    if done.last_arrival is None:
        say("nothing is selected of the recording, or it is empty")
    return done


def _total(chosen: Configuration, source: tuple[str | Path, Selection, int | None], total: int | None) -> int | None:
    """Number of readings to publish, for who looks at a terminal: a part of a recording is read through for it."""
    from pipeline.recordings.ordering import in_replay_order

    file, selection, segment = source
    if total is None or not sys.stderr.isatty():
        return None
    if selection == Selection(copies=selection.copies):
        return total * selection.copies
    return sum(1 for _ in selection.of(in_replay_order(file, tuple(chosen.settings.sensors.codes), segment).readings))


def _entered(reading: Reading, stop: Stop) -> bool:
    """Shows the reading and waits for Enter; False at the end of standard input, and when told to stop."""
    values = ", ".join(f"{sensor} {value}" for sensor, value in reading.values.items())
    sys.stderr.write(f"{reading.device} at {reading.time}: {values}  [Enter] ")
    sys.stderr.flush()
    while not stop.is_set():
        if select.select([sys.stdin], [], [], ASKED_EVERY_S)[0]:
            return bool(sys.stdin.buffer.readline())
    return False


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f'--speed {text}: must be a number, or "max"') from None


def _time(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_time(int(text) if text.lstrip("-").isdigit() else text, naive_is_utc=True)
    except ValueError as error:
        raise ConfigurationError(f"{option} {text}: {error}") from None
