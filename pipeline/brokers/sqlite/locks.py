"""File locks beside the log: which member of a group has a partition. Knows no SQLite.

`flock` is freed by the kernel when its process ends, however it ends. The locked files are not the log's own: SQLite
loses its locks on a file when any other descriptor of it is closed. They are never deleted: a file deleted and made
again would be two locks. A process that forks while it holds a lock shares it with its child: use spawn or exec.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Waits for the lock and holds it."""
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class PartitionLocks:
    """The partitions of a topic that one member of a group holds against all others, in this process or another."""

    def __init__(self, folder: Path, group: str, topic_id: int) -> None:
        self._folder = folder
        self._member_of = f"{topic_id}\0{group}"
        self._held: dict[int, int] = {}

    def acquire(self, partition: int) -> bool:
        """Takes the partition unless another member has it; never waits. Raises `OSError`."""
        descriptor = _open(self._file(partition))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._held[partition] = descriptor
        return True

    def release(self) -> None:
        """Gives all partitions back. Idempotent."""
        while self._held:
            _, descriptor = self._held.popitem()
            os.close(descriptor)

    def _file(self, partition: int) -> Path:
        """A group's name may hold what a file name may not, and be longer."""
        digest = hashlib.blake2b(f"{self._member_of}\0{partition}".encode(), digest_size=16).hexdigest()
        return self._folder / f"{digest}.lock"


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
