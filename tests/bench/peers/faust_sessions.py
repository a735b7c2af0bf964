"""Faust: an agent with a table, as in its guide on tables. There are no session windows, so the table has each device's open one.

Its guide says that a table can only be changed while a stream is read, so no timer can close a session: the next reading does.
Bad messages: the decode error callbacks of a topic, to be overridden as `faust.channels` says, and a check of the decoded value.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

import faust

from tests.bench.peers.task import GAP_MS, SESSION_TIMEOUT_S, Task, window

PARTITIONS = 4  # of the readings topic; a table must have as many

task = Task.from_environment()
app = faust.App(
    task.group,
    broker=f"kafka://{task.address}",
    store="rocksdb://?driver=rocksdict",  # its guide advises against the default, memory, in production
    topic_partitions=PARTITIONS,
    broker_session_timeout=SESSION_TIMEOUT_S,
    broker_heartbeat_interval=2,
)
readings_topic = app.topic(task.readings, key_type=bytes, value_serializer="json")
windows_topic = app.topic(task.windows, key_type=bytes, value_serializer="json")
open_windows = app.Table("open-windows", default=list, partitions=PARTITIONS)


async def pass_over(_error: Exception, _message: object) -> None:
    """A decode error callback: goes on."""


if task.hooks:
    readings_topic.on_key_decode_error = pass_over
    readings_topic.on_value_decode_error = pass_over


@app.agent(readings_topic)  # type: ignore[untyped-decorator] # as for every library that is not here
async def sessions(stream: AsyncIterable[dict[str, Any]]) -> None:
    """Collects each device's readings; one that comes after the gap sends what was collected before it."""
    async for reading in stream:
        if task.hooks and not (isinstance(reading, dict) and "time" in reading):
            continue
        device = reading["device"]
        readings = open_windows[device]
        if readings and reading["time"] - readings[-1]["time"] > GAP_MS:
            readings.sort(key=lambda it: int(it["time"]))
            await windows_topic.send(key=device.encode(), value=window(device, readings))
            readings = []
        open_windows[device] = [*readings, reading]


if __name__ == "__main__":
    app.main()
