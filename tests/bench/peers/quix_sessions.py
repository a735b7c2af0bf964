"""Quix Streams: `session_window` with `Collect` and `on_late`, as in docs/windowing.md of its repository; both closing strategies.

Bad messages: the error callbacks of docs/api-reference/application.md, with which a message is passed over. A value that JSON
allows but that is no reading is filtered, as docs/processing.md does.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from quixstreams import Application
from quixstreams.dataframe.windows import Collect

from tests.bench.peers.task import CHECKPOINT_S, GAP_MS, GRACE_MS, SESSION_TIMEOUT_S, Task, window


def pass_over(_error: Exception, _message: object, _logger: logging.Logger) -> bool:
    """An error callback: goes on."""
    return True


def event_time(reading: dict[str, Any], _headers: object, _timestamp: float, _kind: object) -> int:
    """A timestamp extractor."""
    return int(reading["time"])


def main() -> None:
    task = Task.from_environment()
    errors = {"on_consumer_error": pass_over, "on_processing_error": pass_over} if task.hooks else {}
    app = Application(
        broker_address=task.address,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=CHECKPOINT_S,
        consumer_extra_config={"session.timeout.ms": SESSION_TIMEOUT_S * 1000, "heartbeat.interval.ms": 2000},
        **errors,
    )
    readings = app.topic(task.readings, value_deserializer="json", timestamp_extractor=event_time)
    windows = app.topic(task.windows, value_serializer="json")
    late = app.get_producer()

    def on_late(value: dict[str, Any], key: bytes, *_place: object) -> bool:
        late.produce(task.late, key=key, value=json.dumps(value))
        return False

    frame = app.dataframe(readings)
    if task.hooks:
        frame = frame.filter(lambda reading: isinstance(reading, dict) and "time" in reading)
    closed = frame.session_window(GAP_MS, GRACE_MS, on_late=on_late).agg(readings=Collect())
    closed = closed.final(closing_strategy="partition" if task.partition_time else "key")
    closed.apply(lambda found: window(found["readings"][0]["device"], found["readings"])).to_topic(windows)
    with late:
        app.run()


if __name__ == "__main__":
    main()
