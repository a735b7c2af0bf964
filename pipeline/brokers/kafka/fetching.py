"""One poll of kafka-python's consumer: bytes in, records out. After any other exception the client is worthless."""

from __future__ import annotations

from typing import Any

from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

from pipeline.brokers.kafka.faults import describe, translated
from pipeline.brokers.protocol import Record
from pipeline.errors import Transient


class OutsideLog(Transient):
    """Retry: a position is not in the log. Who has committed it is told so when the partition is assigned anew."""


def fetch(client: Any, timeout_ms: int, doing: str) -> list[Record]:
    """What one poll brings; it returns at once when there are records.

    Raises `Transient`: a client whose poll has raised may poll for ever without bringing anything (a corrupt batch), and
    one whose position is no longer in the log can only be replaced. A partition without a committed position is no
    error: nothing of it has been fetched, and its position is about to be set.
    """
    try:
        batches = client.poll(timeout_ms=timeout_ms)
    except NoOffsetForPartitionError:
        return []
    except OffsetOutOfRangeError as error:
        raise OutsideLog(f"{doing}: {describe(error)}") from error
    except Exception as error:
        raise translated(error, doing) from error
    return [_record(raw) for batch in batches.values() for raw in batch]


def _record(raw: Any) -> Record:
    headers = tuple((name, value or b"") for name, value in raw.headers)
    return Record(raw.topic, raw.partition, raw.offset, raw.timestamp, raw.key, raw.value, headers)
