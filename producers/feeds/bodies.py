"""Bodies of requests to messages of the readings topic: one reading, a batch, a list of them, or one a line. Pure.

Each reading is judged by the decoder of the readings topic, for the same reasons. What is refused is told, never published;
a batch goes on with its good readings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec

from pipeline.brokers.protocol import Message
from pipeline.records import Rejection, RejectReason
from pipeline.wire.readings import Decoded, ReadingDecoder

MAX_ITEMS = 50_000
MAX_TOLD = 1_000  # refusals in one answer; all are counted


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why one reading, or one whole batch, was not taken."""

    item: int  # place in the list or line, from 0
    reason: RejectReason
    error: str
    index: int | None = None  # place in a batch, from 0


class Answer(msgspec.Struct):
    """What a request came to: numbers of readings (of whole batches that were refused: one)."""

    accepted: int = 0
    refused: int = 0
    reasons: dict[RejectReason, int] = {}  # of all that was refused
    errors: list[Refusal] = []  # of the first of it


class TooManyItems(Exception):
    """The body has more items than one request may have."""


class _Device(msgspec.Struct):
    device: str


_device = msgspec.json.Decoder(_Device)
_raws = msgspec.json.Decoder(list[msgspec.Raw])


class BodyReader:
    """Reads bodies for one topic; `max_bytes` is what its records may have."""

    def __init__(self, topic: str, decoder: ReadingDecoder, max_bytes: int) -> None:
        self._topic = topic
        self._decoder = decoder
        self._max_bytes = max_bytes

    def read(self, body: bytes, lines: bool) -> tuple[list[Message], Answer]:
        """The messages to publish, and the answer once the log has them. Raises `TooManyItems`."""
        messages: list[Message] = []
        answer = Answer()
        for place, item in _items(body, lines):
            message = self._item(place, item, answer)
            if message is not None:
                messages.append(message)
        return messages, answer

    def _item(self, place: int, item: bytes, answer: Answer) -> Message | None:
        key = _key(item)
        decoded = self._decoder.decode(key, item)
        if isinstance(decoded, Rejection):
            _refuse(answer, place, decoded)
            return None
        if len(item) + len(key or b"") > self._max_bytes:
            _refuse(answer, place, Rejection(RejectReason.TOO_LARGE, f"a record of {len(item)} bytes; at most {self._max_bytes} are taken"))
            return None
        good = [index for index, row in enumerate(decoded.rows) if not isinstance(row, Rejection)]
        answer.accepted += len(good)
        if len(good) < len(decoded.rows):
            _refuse_rows(answer, place, decoded)
            if not good:
                return None
            item = _only(item, good, self._decoder.sensors)
        return Message(self._topic, key, item)


def _items(body: bytes, lines: bool) -> Iterator[tuple[int, bytes]]:
    if lines:
        found = enumerate(body.split(b"\n", MAX_ITEMS))
        return ((place, _bounded(place, line)) for place, line in found if line.strip())
    if body.lstrip()[:1] != b"[":
        return iter([(0, body)])
    try:
        raws: Sequence[msgspec.Raw | bytes] = _raws.decode(body)
    except (msgspec.DecodeError, RecursionError):
        raws = _leniently(body)
    if len(raws) > MAX_ITEMS:
        raise TooManyItems
    return ((place, bytes(raw)) for place, raw in enumerate(raws))


def _bounded(place: int, line: bytes) -> bytes:
    if place >= MAX_ITEMS:
        raise TooManyItems
    return line


def _leniently(body: bytes) -> list[bytes]:
    """The items of a list that has NaN in it, which is no JSON: each is judged alone. A body that is no list is one bad item."""
    try:
        return [json.dumps(item).encode() for item in json.loads(body)]
    except (ValueError, RecursionError):
        return [body]


def _key(item: bytes) -> bytes | None:
    """The key that the item's record must have; None for an item that is refused anyway."""
    try:
        return _device.decode(item).device.encode()
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        device = json.loads(item)["device"]
        return device.encode() if isinstance(device, str) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _refuse(answer: Answer, place: int, rejection: Rejection, index: int | None = None) -> None:
    answer.refused += 1
    answer.reasons[rejection.reason] = answer.reasons.get(rejection.reason, 0) + 1
    if len(answer.errors) < MAX_TOLD:
        answer.errors.append(Refusal(place, rejection.reason, rejection.error[:1_000], index))


def _refuse_rows(answer: Answer, place: int, decoded: Decoded) -> None:
    for index, row in enumerate(decoded.rows):
        if isinstance(row, Rejection):
            _refuse(answer, place, row, index if decoded.batch else None)


def _only(item: bytes, places: Sequence[int], sensors: Sequence[str]) -> bytes:
    """A batch with the readings at some places, of the known sensors."""
    batch = json.loads(item)
    columns = {sensor: batch["values"][sensor] for sensor in sensors if batch["values"].get(sensor) is not None}
    values = {sensor: [column[place] for place in places] for sensor, column in columns.items()}
    return json.dumps({"device": batch["device"], "times": [batch["times"][place] for place in places], "values": values}).encode()
