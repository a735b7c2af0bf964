"""The course of the demo, as somebody sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline.cli.demo import flow
from pipeline.cli.demo.advice import LIVE, TO_READ, first_commands
from pipeline.cli.demo.narration import Narrator
from pipeline.cli.demo.place import prepare
from pipeline.cli.demo.story import best_to_show, tell
from pipeline.cli.demo.table import CAPTION, table_of, verdict
from pipeline.clock import SystemClock
from pipeline.config import load

STEPS = 5


def show(folder: Path, devices: int, console: Console, environ: Mapping[str, str]) -> None:
    """Runs the demo. Raises `ConfigurationError` for a folder that is not the demo's, `KeyboardInterrupt` where it is stopped."""
    clock = SystemClock()
    begun_s = clock.monotonic_s()
    narrator = Narrator(console, clock, STEPS)
    place, kept = prepare(folder, flow.commands(devices))
    if kept is not None:
        narrator.say(f"[yellow]{place.configuration} was edited; it is kept as {kept}[/]\n")
    # Not from the environment: the demo must not end up on somebody's Kafka.
    chosen = load(place.configuration, {})
    flow.simulate(place, devices, narrator)
    flow.train(chosen, place, narrator)
    flow.replay_recording(chosen, place, narrator)
    flow.run(chosen, narrator)
    with narrator.step("A look at what happened") as step:
        step.show("reading the topics")
        results = flow.results(chosen)
        machines = tell(results.predictions, results.alerts, flow.real_wear(place), results.refused)
        shown = best_to_show(machines)
        if shown is not None:
            step.show("drawing a picture")
            from pipeline.cli.demo.picture import draw

            windows = [window for window in results.windows if window.device == shown.device]
            draw(shown, windows, chosen.settings, place.picture)
            step.conclude(f"a picture of {shown.device}: readings, windows, scores, alerts")
    narrator.say(table_of(machines))
    narrator.say(Text(CAPTION, style="dim"))
    narrator.say()
    narrator.say(verdict(machines))
    narrator.say(f"All of it took {clock.monotonic_s() - begun_s:.0f} s.")
    if shown is not None:
        narrator.say(Text.assemble("\nLook at the picture  ", (str(place.picture), "bold")))
    _advise(console, first_commands(folder, environ))


def _advise(console: Console, first: Sequence[str]) -> None:
    console.print("\n[bold]Try next[/]")
    for line in first:
        _command(console, line)
    for line, purpose in TO_READ:
        _command(console, line, purpose)
    console.print("\n[bold]And live, each in a terminal of its own[/]")
    for line, purpose in LIVE:
        _command(console, line, purpose)


def _command(console: Console, line: str, purpose: str = "") -> None:
    if purpose:
        console.print(f"  [dim]# {purpose}[/]")
    # Not wrapped: it is to be copied.
    console.print(Text.assemble("  ", (line, "cyan")), soft_wrap=True)
