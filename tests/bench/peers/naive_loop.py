"""The loop that one writes first: kafka-python as in its README, a dict of lists, a window when the next reading comes after the gap.

It cannot tell a late reading from a good one, and the consumer commits by itself every five seconds, its default.
"""

from __future__ import annotations

import json
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from tests.bench.peers.task import GAP_MS, SESSION_TIMEOUT_S, Task, window_bytes


def main() -> None:
    task = Task.from_environment()
    consumer = KafkaConsumer(
        task.readings,
        bootstrap_servers=task.address,
        group_id=task.group,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_TIMEOUT_S * 1000,
        heartbeat_interval_ms=2000,
        value_deserializer=json.loads,
    )
    producer = KafkaProducer(bootstrap_servers=task.address)
    open_windows: dict[str, list[dict[str, Any]]] = {}
    for record in consumer:
        reading = record.value
        device, time_ms = reading["device"], reading["time"]
        readings = open_windows.setdefault(device, [])
        if readings and time_ms - readings[-1]["time"] > GAP_MS:
            readings.sort(key=lambda it: int(it["time"]))
            producer.send(task.windows, key=device.encode(), value=window_bytes(device, readings))
            readings = open_windows[device] = []
        readings.append(reading)


if __name__ == "__main__":
    main()
