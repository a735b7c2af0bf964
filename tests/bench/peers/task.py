"""What every script here is to do: sessions of each device's readings, with these numbers, between these topics.

It runs in the environment of the peers, so it knows the standard library only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

GAP_MS = 10_000
GRACE_MS = 5_000
CHECKPOINT_S = 5  # where the peer has a setting for it; sensorline's is the same
SESSION_TIMEOUT_S = 6  # of the consumer group, for all, so that no one waits longer for a dead member

VARIABLE = "PEER_TASK"


@dataclass(frozen=True)
class Task:
    """Where the readings are and where the windows go. `late`: a topic for what is in no window, if the peer can tell."""

    address: str
    readings: str
    windows: str
    late: str
    group: str
    hooks: bool  # use what the peer's documentation has for bad messages
    partition_time: bool = False  # Quix Streams: close sessions by the time of their partition, not of their key

    @classmethod
    def from_environment(cls) -> Task:
        """What the driver passed to this process."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def to_environment(self) -> str:
        """A setting of the environment, as `NAME=value`."""
        return f"{VARIABLE}={json.dumps(vars(self))}"


def window(device: str, readings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A window as it goes to its topic, of readings as they are on theirs."""
    return {"device": device, "times": [reading["time"] for reading in readings], "values": [reading["values"] for reading in readings]}


def window_bytes(device: str, readings: Sequence[dict[str, Any]]) -> bytes:
    """JSON of a window."""
    return json.dumps(window(device, readings)).encode()
