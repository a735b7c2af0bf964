"""Records of any of the topics, to the two models; whatever cannot be decoded is passed over. No I/O, no clock.

`take` and the views are called by different threads, so each holds the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from pipeline.brokers.protocol import Record
from pipeline.dashboard.contents import window_key
from pipeline.dashboard.fleet import FleetModel
from pipeline.dashboard.health import HealthModel
from pipeline.dashboard.track import place_of
from pipeline.dashboard.views import DeviceView, Fleet, Health, RefusedView, WindowContent
from pipeline.records import Rejection
from pipeline.wire.alerts import decode_alert
from pipeline.wire.headers import closing_time, header, is_tick, parse_arrival
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from pipeline.wire.windows import decode_window

SHOWN_VALUE_BYTES = 240


class LiveModel:
    """`topics`: the names of the topics by kind."""

    def __init__(self, topics: Mapping[str, str], decoder: ReadingDecoder, fleet: FleetModel) -> None:
        self._topics = topics
        self._decoder = decoder
        self._fleet = fleet
        self._health = HealthModel()
        self._lock = threading.Lock()
        self._takers: dict[str, Callable[[Record], None]] = {
            "readings": self._reading,
            "windows": self._window,
            "predictions": self._prediction,
            "alerts": self._alert,
            "rejected": self._rejected,
        }

    def take(self, kind: str, records: Sequence[Record]) -> None:
        """Records of a topic, in order; ticks, and records that are not what their topic carries, change nothing."""
        taker = self._takers[kind]
        with self._lock:
            for record in records:
                if is_tick(record):
                    continue
                try:
                    taker(record)
                except ValueError:
                    continue

    def fleet(self, since: int = 0) -> Fleet:
        """See `FleetModel.fleet`."""
        with self._lock:
            return self._fleet.fleet(since)

    def device(self, name: str) -> DeviceView | None:
        """See `FleetModel.device`."""
        with self._lock:
            return self._fleet.device(name)

    def content(self, device: str, key: str) -> WindowContent | None:
        """See `FleetModel.content`."""
        with self._lock:
            return self._fleet.content(device, key)

    def health(self, now_ms: int, behind: Mapping[str, int], skipped: int) -> Health:
        """See `HealthModel.view`."""
        with self._lock:
            return self._health.view(now_ms, behind, skipped)

    def _reading(self, record: Record) -> None:
        decoded = self._decoder.decode(record.key, record.value)
        if isinstance(decoded, Rejection):
            self._health.count("readings", record.timestamp)
            return
        self._health.count("readings", record.timestamp, len(decoded.rows))
        arrival, _ = parse_arrival(record)
        rows = [
            (row[0], index if decoded.batch else None, row[1]) for index, row in enumerate(decoded.rows) if not isinstance(row, Rejection)
        ]
        if rows:
            self._fleet.read(decoded.device, rows, record.offset, record.timestamp, arrival)

    def _window(self, record: Record) -> None:
        value = record.value or b""
        window = decode_window(value)
        self._health.count("windows", record.timestamp)
        self._health.close(window, record.timestamp, closing_time(record))
        self._fleet.close(window, value)

    def _prediction(self, record: Record) -> None:
        prediction = decode_prediction(record.value or b"")
        self._health.count("predictions", record.timestamp)
        self._health.score(prediction, record.timestamp)
        self._fleet.score(prediction)

    def _alert(self, record: Record) -> None:
        alert = decode_alert(record.value or b"")
        self._health.count("alerts", record.timestamp)
        self._fleet.alert(alert)

    def _rejected(self, record: Record) -> None:
        self._health.count("rejected", record.timestamp)
        source = _text(header(record.headers, "source.topic"))
        partition, offset = int(header(record.headers, "source.partition") or 0), int(header(record.headers, "source.offset") or 0)
        view = RefusedView(
            reason=_text(header(record.headers, "reason")) or "unknown",
            error=_text(header(record.headers, "error")),
            device=_text(record.key) or None,
            source=f"{source}[{partition}]@{offset}",
            logged=record.timestamp,
            value=_text(record.value),
        )
        index = header(record.headers, "index")
        place = place_of(offset, None if index is None else int(index)) if source == self._topics["readings"] else None
        self._health.refuse(view, _key_of(record) if source == self._topics["windows"] else None)
        self._fleet.refuse(view, place)


def _key_of(record: Record) -> str | None:
    try:
        window = decode_window(record.value or b"")
    except ValueError:
        return None
    return window_key(window.id, window.sequence, window.revision)


def _text(data: bytes | None) -> str:
    return (data or b"")[:SHOWN_VALUE_BYTES].decode("utf-8", "replace")
