"""`sensorline simulate`, `replay` and `convert`: readings come to the topic, or to a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.brokers.protocol import Broker
from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import progress, say
from pipeline.clock import SystemClock
from pipeline.config import Configuration
from pipeline.config.durations import parse_duration
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from producers.pacing import Pacer, Stop
from producers.replay import ReplayPolicy
from producers.simulator.spec import Faults, FleetSpec

convert_app = typer.Typer(help="Convert other people's files to a recording and labels.", no_args_is_help=True)


def simulate(  # noqa: PLR0913 - the options are the parameters
    context: typer.Context,
    devices: Annotated[int, typer.Option(min=1, help="Number of machines.")] = 24,
    rate: Annotated[float, typer.Option(help="Readings per second of a working machine.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal fleets.")] = 1,
    duration: Annotated[str | None, typer.Option(help="How long, as 4h; without it for ever, and to a recording 4h.")] = None,
    jitter: Annotated[float, typer.Option(min=0, help="By which share the time between readings varies.")] = 0.2,
    gaps: Annotated[float, typer.Option(min=0, max=1, help="Share of the readings before which a working machine falls silent.")] = 0.01,
    bursts: Annotated[float, typer.Option(min=0, max=1, help="Share of the readings that wait and arrive with others at once.")] = 0.01,
    disorder: Annotated[float, typer.Option(min=0, max=1, help="Share of the readings that arrive after the next one.")] = 0.03,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share of the readings that arrive twice.")] = 0.02,
    bad_clocks: Annotated[float, typer.Option(min=0, max=1, help="Share of the machines whose clock is wrong for a while.")] = 0.1,
    dying: Annotated[float, typer.Option(min=0, max=1, help="Share of the machines that fall silent for ever.")] = 0.1,
    out: Annotated[Path | None, typer.Option(help="Write a recording (.parquet, .csv, .jsonl) instead of publishing.")] = None,
    labels: Annotated[Path | None, typer.Option(help="With --out: also the labels of the recording.")] = None,
) -> None:
    """Simulate a fleet of machines that wear out: live to the readings topic, or to a recording with --out.

    Live, it goes at its real pace until it is interrupted.
    """
    from producers.simulate import publish_fleet, record_fleet

    faults = Faults(
        gap_rate=gaps,
        burst_rate=bursts,
        disorder_rate=disorder,
        duplicate_rate=duplicates,
        bad_clock_share=bad_clocks,
        dying_share=dying,
    )
    spec = _fleet(devices, seed, rate, jitter, duration or ("4h" if out else None), faults)
    if labels is not None and out is None:
        raise ConfigurationError("--labels: goes with --out")
    if out is not None:
        if spec.duration_ms is None:
            raise ConfigurationError("--duration none: a recording has an end")
        say(f"{record_fleet(spec, out, labels)} readings in {out}")
        return
    chosen = configuration(context)
    with connected(connector(chosen)) as broker, stop_on_signals() as stop:
        count = publish_fleet(broker, chosen.settings.topics.readings, spec, Pacer(SystemClock(), stop))
    say(f"{count} readings published")


def _fleet(devices: int, seed: int, rate: float, jitter: float, duration: str | None, faults: Faults) -> FleetSpec:
    if rate <= 0:
        raise ConfigurationError(f"--rate {rate:g}: must be more than 0")
    period_ms = max(1, round(1000 / rate))
    rests = FleetSpec.rest_ms
    # Slow machines rest longer too, or their rests could not be told from the time between readings.
    scale = max(1.0, period_ms / FleetSpec.period_ms)
    return FleetSpec(
        devices=devices,
        seed=seed,
        duration_ms=_duration_ms(duration),
        period_ms=period_ms,
        jitter=jitter,
        rest_ms=(round(rests[0] * scale), round(rests[1] * scale)),
        faults=faults,
    )


def _duration_ms(text: str | None) -> int | None:
    if text is None or text == "none":
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f'--duration {text}: {error}, or "none"') from None


def replay(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A recording: .parquet, .csv, .jsonl, or - for JSON Lines from standard input.")],
    speed: Annotated[str, typer.Option(help='1 is the recording\'s own pace, 10 ten times as fast, "max" as fast as possible.')] = "1",
    close: Annotated[bool, typer.Option("--close/--no-close", help="End with the tick that closes all windows.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Also into a topic that live readings go to; it ends all their windows.")] = False,
) -> None:
    """Replay a recording to the readings topic, in the order in which its readings arrived.

    It begins by closing what is open in the topic and ends by closing what it has opened, so that a replay gives the same
    windows whatever was there before.
    """
    chosen = configuration(context)
    policy = ReplayPolicy(chosen.settings.window.idle_timeout_ms, _speed(speed), close, force)
    with stop_on_signals() as stop:
        replay_file(chosen, connector(chosen), file, policy, stop)


def replay_file(chosen: Configuration, connect: Callable[[], Broker], file: str, policy: ReplayPolicy, stop: Stop) -> None:
    """Publishes a recording to the configured readings topic; says how far it is, and at the end how much it was."""
    from pipeline.recordings.ordering import in_replay_order
    from producers.replay import replay as publish

    recording = in_replay_order(file, tuple(chosen.settings.sensors.codes))
    with connected(connect) as broker, progress(recording.total) as advance:
        done = publish(broker, chosen.settings.topics.readings, recording.readings, policy, Pacer(SystemClock(), stop), advance)
    say(f"{done.readings} readings published{', stopped before the end' if done.stopped else ''}")


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f'--speed {text}: must be a number, or "max"') from None


@convert_app.command()
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
