"""Whether a process is alive, and whether it is ready: for whoever restarts it and whoever waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pipeline.clock import Clock
from pipeline.runner import Runner

# A restore of much state, or a broker that does not answer, may hold a turn up; longer than a group waits for a member, nothing may.
ALIVE_WITHIN_S = 300.0
READY_WITHIN_S = 30.0


class Verdict(msgspec.Struct, frozen=True):
    """`said` has one line for each part that was looked at, such as a stage."""

    good: bool
    said: tuple[str, ...]


class Checks(msgspec.Struct, frozen=True):
    """What a process is asked; from any thread, and answered without waiting for anything."""

    alive: Callable[[], Verdict]
    ready: Callable[[], Verdict]


def alive(runners: Sequence[Runner], clock: Clock) -> Verdict:
    """No stage is stuck: each has begun a turn, or tried to connect, within five minutes."""
    now_s = clock.monotonic_s()
    found = [(runner.stage.name, now_s - runner.signed_s, runner.finished.is_set()) for runner in runners]
    said = [f"{name}: {'ended' if ended else f'last sign of life {age_s:.0f} s ago'}" for name, age_s, ended in found]
    return Verdict(all(ended or age_s <= ALIVE_WITHIN_S for _, age_s, ended in found), tuple(said))


def ready(runners: Sequence[Runner], clock: Clock) -> Verdict:
    """Every stage has partitions and has made a turn lately.

    A member of a group that has more members than partitions has none, so it is not ready until another one leaves.
    """
    now_s = clock.monotonic_s()
    said, good = [], True
    for runner in runners:
        pulse = runner.pulse
        if pulse is None or not pulse.partitions:
            why = "no partitions yet"
        elif now_s - pulse.at_s > READY_WITHIN_S:
            why = f"last turn {now_s - pulse.at_s:.0f} s ago"
        else:
            said.append(f"{runner.stage.name}: {pulse.partitions} partitions")
            continue
        said.append(f"{runner.stage.name}: {why}")
        good = False
    return Verdict(good, tuple(said))
