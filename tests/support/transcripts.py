"""Window transcripts: what is on the log, and which windows and refusals come of it. A notation for people to read.

A transcript is a list of events, each with what it makes come out. Seconds are written as decimals.

    read: "1@1 3@3 pump:2=5/-@4h"   event time @ arrival; device "d" unless named; values in the order of the sensors
                                    ("-" is null; 1 for the first sensor unless given); "h": the arrival is a header
          "tick@90" "reset@5"       records without a value; a reset carries its arrival as a header
    drain: true                     closes what is open
    windows: ["d gap 1 2=5/- | dropped 1"]     device, reason, steps; after the bar: fields of the window
    rejected: ["late d 12"]         reason, device, event time
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.brokers.protocol import Headers, Message, Record
from pipeline.config.window import WindowSettings
from pipeline.stages.protocol import Handover
from pipeline.stages.window import WindowStage
from pipeline.stages.window_partition import WindowTopics
from pipeline.wire.headers import arrival_header, header
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window, window_rows, window_times

TOPICS = WindowTopics("readings", "windows", "rejected")


@dataclass(frozen=True)
class Event:
    """Some records (or a drain) and what they make come out, as text."""

    records: tuple[Record, ...]
    drain: bool
    windows: tuple[str, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True)
class Transcript:
    """One case; `fails` marks one whose expectations are wrong on purpose."""

    name: str
    window: dict[str, Any]
    sensors: tuple[str, ...]
    events: tuple[Event, ...]
    fails: bool

    @property
    def records(self) -> tuple[Record, ...]:
        """The whole log."""
        return tuple(record for event in self.events for record in event.records)


def load_transcripts(folder: Path) -> list[Transcript]:
    """Every case of every YAML file in the folder."""
    return [case for path in sorted(folder.glob("*.yaml")) for case in parse_transcripts(path.read_text("utf-8"))]


def parse_transcripts(text: str, window: Mapping[str, Any] | None = None) -> list[Transcript]:
    """The cases of a YAML text. With `window`, a case needs to say only which of its keys are other ones."""
    return [_transcript({**case, "window": {**(window or {}), **case.get("window", {})}}) for case in yaml.safe_load(text)]


def window_stage(window: dict[str, Any], sensors: Sequence[str]) -> WindowStage:
    """A window stage with partition 0 assigned."""
    stage = WindowStage(TOPICS, WindowSettings(**window).policy(), ReadingDecoder(sensors), 1000)
    stage.assign(Handover(0, 0, writer="first"))
    return stage


class Restarted:
    """A stage that is saved and restored under a new writer after every record."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._state: dict[bytes, Record] = {}
        self._writers = 0
        self._stage = window_stage(transcript.window, transcript.sensors)

    def step(self, records: Sequence[Record], now_ms: int) -> list[Message]:
        out = []
        for record in records:
            out += self._stage.step([record], now_ms)
            self._restart()
        return out

    def drain(self, partition: int, now_ms: int) -> list[Message]:
        return self._stage.drain(partition, now_ms)

    def _restart(self) -> None:
        checkpoint = self._stage.checkpoint(0)
        for write in [*checkpoint.writes, *self._stage.committed(0)]:
            self._state[write.key] = Record("state", 0, 0, 0, write.key, write.value)
        self._writers += 1
        self._stage = WindowStage(
            TOPICS, WindowSettings(**self._transcript.window).policy(), ReadingDecoder(self._transcript.sensors), 1000
        )
        position = checkpoint.position
        self._stage.assign(Handover(0, position.offset, position, tuple(self._state.values()), f"writer {self._writers}"))


def play(transcript: Transcript, chunks: random.Random | None = None, restored: bool = False) -> tuple[list[list[str]], list[list[str]]]:
    """Windows and rejected records by event, as text in the notation of its expectations.

    With `chunks` the log is cut at random and everything comes out as of one event; `restored`: the stage is `Restarted`.
    """
    stage = Restarted(transcript) if restored else window_stage(transcript.window, transcript.sensors)
    if chunks is None:
        out = [_played(stage, event) for event in transcript.events]
    else:
        out = [[message for event in transcript.events for message in _chunked(stage, event, chunks)]]
    expected = (
        [event.windows for event in transcript.events] if chunks is None else [tuple(w for e in transcript.events for w in e.windows)]
    )
    return [_shown(messages, wanted) for messages, wanted in zip(out, expected, strict=True)], [_refused(messages) for messages in out]


def expected(transcript: Transcript) -> tuple[list[list[str]], list[list[str]]]:
    """What `play` must return."""
    return [list(event.windows) for event in transcript.events], [list(event.rejected) for event in transcript.events]


def window_messages(stage: WindowStage | Restarted, records: Iterable[Record]) -> list[Message]:
    """What the records make the stage publish, one record at a time."""
    return [message for record in records for message in stage.step([record], 0)]


def parse_records(text: str, sensors: Sequence[str], first_offset: int = 0) -> list[Record]:
    """The records of a `read` line."""
    return [_record(token, sensors, first_offset + index) for index, token in enumerate(text.split())]


def _played(stage: WindowStage | Restarted, event: Event) -> list[Message]:
    return window_messages(stage, event.records) + (stage.drain(0, 0) if event.drain else [])


def _chunked(stage: WindowStage | Restarted, event: Event, chunks: random.Random) -> Iterator[Message]:
    rest = list(event.records)
    while rest:
        size = chunks.randint(1, len(rest))
        yield from stage.step(rest[:size], 0)
        rest = rest[size:]
    if event.drain:
        yield from stage.drain(0, 0)


def _transcript(case: dict[str, Any]) -> Transcript:
    sensors = tuple(case.get("sensors", ["a"]))
    events, offset = [], 0
    for event in case["log"]:
        records = tuple(parse_records(event.get("read", ""), sensors, offset))
        offset += len(records)
        events.append(Event(records, event.get("drain", False), tuple(event.get("windows", ())), tuple(event.get("rejected", ()))))
    return Transcript(case["name"], case["window"], sensors, tuple(events), case.get("fails", False))


def _ms(text: str) -> int:
    return round(float(text) * 1000)


def _record(token: str, sensors: Sequence[str], offset: int) -> Record:
    what, arrival_text = token.split("@")
    by_header = arrival_text.endswith("h") or what == "reset"
    arrival = _ms(arrival_text.removesuffix("h"))
    headers: Headers = (arrival_header(arrival),) if by_header else ()
    timestamp = 0 if by_header else arrival
    if what in ("tick", "reset"):
        return Record("readings", 0, offset, timestamp, b"", None, headers + ((("reset", b""),) if what == "reset" else ()))
    device, _, step = what.rpartition(":")
    time, _, values = step.partition("=")
    cells = [None if cell == "-" else float(cell) for cell in (values or "1").split("/")]
    reading = {"device": device or "d", "time": _ms(time), "values": dict(zip(sensors, cells, strict=False))}
    return Record("readings", 0, offset, timestamp, str(reading["device"]).encode(), json.dumps(reading).encode(), headers)


def _number(value: float) -> str:
    return f"{value:g}"


def _shown(messages: Iterable[Message], wanted: Sequence[str]) -> list[str]:
    """The windows in the notation of their expectations: values and fields only where the expectation has them."""
    windows = [decode_window(message.value or b"") for message in messages if message.topic == "windows"]
    shown = []
    for index, window in enumerate(windows):
        pattern = wanted[index] if index < len(wanted) else ""
        steps = [_number(time / 1000) for time in window_times(window)]
        if "=" in pattern:
            rows = ["/".join("-" if cell is None else _number(cell) for cell in row) for row in window_rows(window)]
            steps = [f"{step}={row}" for step, row in zip(steps, rows, strict=True)]
        names = pattern.partition("|")[2].split()[::2]
        fields = [f"{name} {_field(getattr(window, name), name)}" for name in names]
        shown.append(" ".join([window.device, window.reason, *steps]) + (" | " + " ".join(fields) if fields else ""))
    return shown


def _field(value: object, name: str) -> str:
    return _number(value / 1000) if name in ("start", "end", "episode_start") and isinstance(value, int) else str(value).lower()


def _refused(messages: Iterable[Message]) -> list[str]:
    refused = []
    for message in messages:
        if message.topic == "rejected":
            time = json.loads(message.value or b"{}").get("time", 0)
            reason = (header(message.headers, "reason") or b"").decode()
            refused.append(f"{reason} {(message.key or b'').decode()} {_number(time / 1000)}")
    return refused
