"""The keys that may send readings, from a file that is read again when it changes. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from pipeline.errors import ConfigurationError

log = logging.getLogger(__name__)

MIN_CHARACTERS = 16
COMMENT = "#"


class ApiKeys:
    """One key a line; empty lines, and lines that begin with `#`, are none. Raises `ConfigurationError` where it cannot begin.

    While a changed file cannot be read, the keys that were read last count, and the log says so: somebody is writing it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version: tuple[int, int, int] | None = None
        self._hashes: frozenset[bytes] = frozenset()
        self._read()

    def admit(self, key: str) -> bool:
        """Whether it is one of the keys now. Hashes are looked up, so that the time it takes tells nothing about them."""
        try:
            self._read()
        except ConfigurationError as error:
            log.error("%s; the keys read before still count", error)
        return _hash(key) in self._hashes

    def _read(self) -> None:
        try:
            status = self._file.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version == self._version:
                return
            self._version = version  # also where it turns out to be wrong: that is said once
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f'http.keys_file = "{self._file}": cannot be read: {error}') from None
        keys = {place: line.strip() for place, line in enumerate(lines, 1) if line.strip() and not line.startswith(COMMENT)}
        for place, key in keys.items():
            if len(key) < MIN_CHARACTERS or not key.isascii() or len(key.split()) > 1:
                allowed = f"a key is one word of at least {MIN_CHARACTERS} ASCII characters, such as `openssl rand -hex 32` makes"
                raise ConfigurationError(f'http.keys_file = "{self._file}", line {place}: {allowed}')
        if not keys:
            raise ConfigurationError(f'http.keys_file = "{self._file}": has no keys; write one a line')
        self._hashes = frozenset(_hash(key) for key in keys.values())


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
