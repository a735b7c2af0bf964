"""`sensorline simulate`: readings come to the topic, or to a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.context import configuration, connected, connector
from pipeline.cli.output import say
from pipeline.clock import SystemClock
from pipeline.config.durations import parse_duration
from pipeline.errors import ConfigurationError
from pipeline.process import stop_on_signals
from producers.pacing import Pacer
from producers.simulator.spec import Faults, FleetSpec


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
