"""What travels on the topics, as immutable values. No I/O, no codec (`pipeline.wire`), no rules (`pipeline.core`).

Times are integer milliseconds since the epoch. The JSON Schemas of the topics are generated from these types.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class RejectReason(StrEnum):
    """Why a reading or a window is on the rejected topic."""

    JSON = "json"  # not JSON, or empty
    SCHEMA = "schema"  # JSON of another shape: no device, no time, unequal arrays, a bad header
    KEY = "key"  # the record key is not the device
    NOT_FINITE = "not_finite"  # a value that is no finite float32
    EMPTY = "empty"  # no known sensor has a value
    FUTURE = "future"  # event time > arrival + max_ahead
    PAST = "past"  # event time < arrival - max_behind
    LATE = "late"  # event time < the device's watermark
    TOO_LARGE = "too_large"  # the device's name is longer than windows can carry
    MODEL = "model"  # the model cannot score this window


class CloseReason(StrEnum):
    """Why a window closed, and so was published."""

    GAP = "gap"  # session: W > last + gap
    SIZE = "size"  # tumbling: W >= end; count: the window has its size
    PARTIAL = "partial"  # count with partial_start: before the episode has `size` steps
    MAX_LENGTH = "max_length"
    MAX_DURATION = "max_duration"
    EARLY = "early"  # not closed yet: emit_every
    IDLE = "idle"  # the device was not heard from for idle_timeout
    RESET = "reset"  # a replay begins
    END = "end"  # --drain


class Source(msgspec.Struct, frozen=True, gc=False):
    """The span of input records a window was made of; offsets and arrivals are inclusive."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int
    first_arrival: int
    last_arrival: int


class Window(msgspec.Struct, frozen=True, gc=False):
    """One window of one device. On the wire: MessagePack."""

    id: str
    device: str
    spec: str  # id of the window spec: two windows are comparable only if it is equal
    start: int  # first step (session, count) or the aligned bound
    end: int  # last step (session, count) or the aligned bound, exclusive
    final: bool
    sequence: int
    revision: int
    reason: CloseReason
    sensors: tuple[str, ...]
    times: bytes  # int64, little endian: length x 8 bytes
    values: bytes  # float32, little endian, row by row: length x sensors x 4 bytes, NaN = unobserved
    dropped: int  # steps that `truncate` left out
    merged: int  # readings that merged into a step that was there already
    carried: int  # steps repeated from the window before
    too_short: bool  # shorter than min_length: not scored
    position: int  # number of the first step in the device's episode, from 1
    episode_start: int  # event time of the episode's first step
    source: Source
    hash: str  # of times, values and dropped

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.times) // 8


class WindowSummary(msgspec.Struct, frozen=True, gc=False):
    """The window a prediction is about, without its data."""

    id: str
    start: int
    end: int
    length: int
    reason: CloseReason
    final: bool
    sequence: int
    revision: int
    dropped: int


class ModelIdentity(msgspec.Struct, frozen=True, gc=False):
    """Which model scored, on which engine."""

    name: str
    version: str
    sha256: str
    engine: str


class PredictionTimes(msgspec.Struct, frozen=True, gc=False):
    """Arrival of the window's last record, and the wall clock at which it was scored."""

    last_arrival: int
    scored: int


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The score of one window. On the wire: JSON."""

    id: str  # hash of (window id, sequence, revision, model sha256)
    device: str
    window: WindowSummary
    outputs: dict[str, float]
    model: ModelIdentity
    source: Source
    padded_to: int
    times: PredictionTimes
    # By output per step, one number for each step that the model saw, the last of them at the window's end; only where asked for.
    steps: dict[str, tuple[float, ...]] | msgspec.UnsetType = msgspec.UNSET


class AlertState(StrEnum):
    """Which side of an episode an alert record marks."""

    RAISED = "raised"
    CLEARED = "cleared"


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A rule began or ceased to hold for a device, or for a group of devices. On the wire: JSON."""

    id: str  # the same for the raised and the cleared record of one episode
    device: str  # for a group its name
    rule: str
    state: AlertState
    since: int  # when the episode was raised: arrival of the raising window's last record
    time: int  # when this record's state began, by the same clock
    value: float  # what was compared with the rule's bound
    predictions: tuple[str, ...]  # ids of the predictions that caused it
    number: int = 0  # grows with each episode of the device under the rule
    windows: tuple[str, ...] = ()  # ids of the windows that caused it, of a rule about windows
    devices: tuple[str, ...] = ()  # of a group's alert: those that hold


class Member(msgspec.Struct, frozen=True, gc=False):
    """The alert of a device as one of a group, on its way to whoever counts the group's devices. On the wire: JSON."""

    group: str
    alert: Alert


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One reading of one device, as a producer sees it; `arrival` only in recordings. On the wire: JSON."""

    device: str
    time: int
    values: dict[str, float | str | None]
    arrival: int | None = None


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """Why something is refused: a value, never an exception."""

    reason: RejectReason
    error: str  # one sentence for a person
    index: int | None = None  # place in a batch record, from 0
