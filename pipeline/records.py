"""What travels on the topics, as immutable values. No I/O, no codec (`pipeline.wire`), no rules (`pipeline.core`).

Times are integer milliseconds since the epoch. The JSON Schemas of the topics are generated from these types.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta


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
    RECEIVER = "receiver"  # a destination's receiver refuses what is in this alert


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

    topic: Annotated[str, Meta(description="the topic that was read")]
    partition: Annotated[int, Meta(description="its partition")]
    first_offset: Annotated[int, Meta(description="offset of the first record")]
    last_offset: Annotated[int, Meta(description="offset of the last record")]
    first_arrival: Annotated[int, Meta(description="arrival of the first record")]
    last_arrival: Annotated[int, Meta(description="arrival of the last record")]


class Window(msgspec.Struct, frozen=True, gc=False):
    """One window of one device. On the wire: MessagePack."""

    id: Annotated[str, Meta(description="the same for each publication of this window, live or replayed")]
    device: Annotated[str, Meta(description="also the key of the record")]
    spec: Annotated[str, Meta(description="id of the window spec: two windows are comparable only if it is equal")]
    start: Annotated[int, Meta(description="first step (session, count) or the aligned bound")]
    end: Annotated[int, Meta(description="last step (session, count) or the aligned bound, exclusive")]
    final: Annotated[bool, Meta(description="false: the window is still open and was shown by emit_every")]
    sequence: Annotated[int, Meta(description="number of the publication, from 1; the highest is the newest")]
    revision: Annotated[int, Meta(description="how often late readings changed it after it was closed")]
    reason: Annotated[CloseReason, Meta(description="why it was published")]
    sensors: Annotated[tuple[str, ...], Meta(description="the columns of its values, in order")]
    times: bytes  # int64, little endian: length x 8 bytes
    values: bytes  # float32, little endian, row by row: length x sensors x 4 bytes, NaN = unobserved
    dropped: Annotated[int, Meta(description="steps that truncate left out")]
    merged: Annotated[int, Meta(description="readings that merged into a step that was there already")]
    carried: Annotated[int, Meta(description="steps repeated from the window before")]
    too_short: Annotated[bool, Meta(description="shorter than min_length: not scored")]
    position: Annotated[int, Meta(description="number of the first step in the device's episode, from 1")]
    episode_start: Annotated[int, Meta(description="event time of the episode's first step")]
    source: Annotated[Source, Meta(description="the records it was made of")]
    hash: Annotated[str, Meta(description="of times, values and dropped")]

    @property
    def length(self) -> int:
        """Number of steps."""
        return len(self.times) // 8


class WindowSummary(msgspec.Struct, frozen=True, gc=False):
    """The window a prediction is about, without its data."""

    id: Annotated[str, Meta(description="the window's id")]
    start: Annotated[int, Meta(description="first step or aligned bound")]
    end: Annotated[int, Meta(description="last step or aligned bound, exclusive")]
    length: Annotated[int, Meta(description="number of steps")]
    reason: Annotated[CloseReason, Meta(description="why it was published")]
    final: Annotated[bool, Meta(description="false: the window was still open")]
    sequence: Annotated[int, Meta(description="number of the publication")]
    revision: Annotated[int, Meta(description="how often late readings changed it")]
    dropped: Annotated[int, Meta(description="steps that truncate left out")]


class ModelIdentity(msgspec.Struct, frozen=True, gc=False):
    """Which model scored, on which engine."""

    name: Annotated[str, Meta(description="the bundle's name")]
    version: Annotated[str, Meta(description="the bundle's version")]
    sha256: Annotated[
        str, Meta(description="of the bundle's contract, which covers its files: two models that score differently never share it")
    ]
    engine: Annotated[str, Meta(description="what computed the score: onnx, onnx-export or keras")]


class PredictionTimes(msgspec.Struct, frozen=True, gc=False):
    """Arrival of the window's last record, and the wall clock at which it was scored."""

    last_arrival: Annotated[int, Meta(description="arrival of the window's last record")]
    scored: Annotated[int, Meta(description="wall clock at the scoring")]


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """The score of one window. On the wire: JSON."""

    id: Annotated[str, Meta(description="hash of (window id, sequence, revision, model sha256)")]
    device: Annotated[str, Meta(description="also the key of the record")]
    window: Annotated[WindowSummary, Meta(description="what was scored")]
    outputs: Annotated[dict[str, float], Meta(description="the scores, by output of the model")]
    model: Annotated[ModelIdentity, Meta(description="what scored")]
    source: Annotated[Source, Meta(description="the readings that the window was made of")]
    padded_to: Annotated[int, Meta(description="steps to which its batch was padded")]
    times: Annotated[PredictionTimes, Meta(description="when it came, and when it was scored")]
    steps: Annotated[
        dict[str, tuple[float, ...]] | msgspec.UnsetType,
        Meta(description="by output per step, one number for each step that the model saw, up to the window's end; only where asked for"),
    ] = msgspec.UNSET


class AlertState(StrEnum):
    """Which side of an episode an alert record marks."""

    RAISED = "raised"
    CLEARED = "cleared"


class AlertCause(StrEnum):
    """Why an episode was cleared other than by what its rule is about."""

    RULE_REMOVED = "rule removed"  # the configuration has no rule of this name any more, or it is no longer about the device


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A rule began or ceased to hold for a device, or for a group of devices. On the wire: JSON."""

    id: Annotated[str, Meta(description="the same for the raised and the cleared record of one episode")]
    device: Annotated[str, Meta(description="for a group its name; also the key of the record")]
    rule: Annotated[str, Meta(description="the rule's name")]
    state: Annotated[AlertState, Meta(description="whether the episode begins or ends")]
    since: Annotated[int, Meta(description="when the episode was raised: arrival of the raising window's last record")]
    time: Annotated[int, Meta(description="when this record's state began, by the same clock")]
    value: Annotated[float, Meta(description="what was compared with the rule's bound")]
    predictions: Annotated[tuple[str, ...], Meta(description="ids of the predictions that caused it")]
    number: Annotated[int, Meta(description="grows with each episode of the device under the rule")] = 0
    windows: Annotated[tuple[str, ...], Meta(description="ids of the windows that caused it, of a rule about windows")] = ()
    devices: Annotated[tuple[str, ...], Meta(description="of a group's alert: those that hold")] = ()
    cause: Annotated[AlertCause | msgspec.UnsetType, Meta(description="of an episode that did not end by its rule")] = msgspec.UNSET


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
