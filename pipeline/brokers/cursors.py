"""Where one consumer reads next in each partition it holds, and whose turn it is. Knows no log: it is told how to fetch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipeline.brokers.protocol import Record

Fetch = Callable[[int, int, int], tuple[list[Record], bool]]
"""(partition, offset, limit) -> records from that offset on, at most `limit`, in order; whether the log has no more of them."""


class Cursors:
    """The next offset by partition held."""

    def __init__(self) -> None:
        self._positions: dict[int, int] = {}
        self._turn = 0

    def start(self, partition: int, offset: int) -> None:
        """Holds a partition from now on."""
        self._positions[partition] = offset

    def drop(self, partition: int) -> None:
        """Holds a partition no longer."""
        del self._positions[partition]

    def clear(self) -> None:
        """Holds nothing any more."""
        self._positions.clear()

    @property
    def held(self) -> frozenset[int]:
        """The partitions held."""
        return frozenset(self._positions)

    def position(self, partition: int) -> int:
        """The next offset to read. Raises `ValueError` for a partition not held."""
        self._require(partition)
        return self._positions[partition]

    def seek(self, partition: int, offset: int) -> None:
        """Makes `offset` the next to read. Raises `ValueError` for a partition not held."""
        self._require(partition)
        self._positions[partition] = offset

    def _require(self, partition: int) -> None:
        if partition not in self._positions:
            raise ValueError(f"partition {partition} is not assigned to this consumer")

    def read(self, ends: Mapping[int, int], fetch: Fetch, limit: int) -> list[Record]:
        """At most `limit` records; another partition comes first each time, so that none starves.

        `ends` must have been taken before the records are fetched. A partition read to its end stands there even where
        compaction removed its last records: who waits for a position to reach the end never waits in vain.
        """
        records: list[Record] = []
        for partition in self._in_turn():
            position = self._positions[partition]
            if position >= ends[partition]:
                continue
            found, is_all = fetch(partition, position, limit - len(records))
            after_last = found[-1].offset + 1 if found else position
            self._positions[partition] = max(after_last, ends[partition]) if is_all else after_last
            records += found
            if not is_all or len(records) == limit:
                break
        return records

    def _in_turn(self) -> list[int]:
        partitions = sorted(self._positions)
        if not partitions:
            return []
        self._turn = (self._turn + 1) % len(partitions)
        return partitions[self._turn :] + partitions[: self._turn]
