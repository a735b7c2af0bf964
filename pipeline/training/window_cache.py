"""Windows of a recording on disk, so that the next training need not make them again. Knows neither labels nor a model.

A file's name is the hash of all that its windows depend on: the recording's bytes, the window spec, the sensors and their
codes, what was done to the recording, and the version that made them. So nothing in a cache is ever out of date.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import msgspec

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.recordings.atomic import atomic_file
from pipeline.records import Window
from pipeline.wire.windows import decode_window, encode_window

FOLDER = ".sensorline-cache"
MAX_BYTES = 2 << 30
_SIZE_BYTES = 4  # before each part of a file; a part of size 0 says that the counts follow, to the end


@dataclass(frozen=True)
class WindowCache:
    """A folder with the windows that were made last, one file for each way of making them; of those that fit, at least the newest."""

    folder: Path
    max_bytes: int = MAX_BYTES

    def windows(self, key: str, made: Iterable[Window], counts: Counter[str]) -> Iterator[Window]:
        """The windows under the key: those of the cache, else `made`, which are kept if they are gone through to the end.

        `counts` gets what it got when they were made. Raises `SensorlineError` where the cache can be neither read nor written.
        """
        path = self.folder / f"{key}.windows"
        return _read(path, counts) if path.is_file() else self._kept(path, made, counts)

    def _kept(self, path: Path, made: Iterable[Window], counts: Counter[str]) -> Iterator[Window]:
        before = Counter(counts)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SensorlineError(
                f"{self.folder}: cannot be made a folder: {error.strerror or error}; see --cache and --no-cache"
            ) from error
        with atomic_file(path) as file:
            for window in made:
                data = encode_window(window)
                file.write(len(data).to_bytes(_SIZE_BYTES, "little") + data)
                yield window
            file.write(bytes(_SIZE_BYTES) + msgspec.json.encode(dict(counts - before)))
        self._forget()

    def _forget(self) -> None:
        files = sorted(self.folder.glob("*.windows"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path, total in zip(files[1:], list(accumulate(path.stat().st_size for path in files))[1:], strict=True):
            if total > self.max_bytes:
                path.unlink(missing_ok=True)


def cache_key(recording: Path, facts: object) -> str:
    """A name for what is made of the recording, a file or a folder, in the way that the facts tell (anything JSON can hold).

    Raises `ConfigurationError` where it cannot be read.
    """
    digest = hashlib.sha256(msgspec.json.encode(facts))
    files = sorted(path for path in recording.rglob("*") if path.is_file()) if recording.is_dir() else [recording]
    try:
        for path in files:
            with path.open("rb") as file:
                digest.update(path.relative_to(recording).as_posix().encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise ConfigurationError(f"{recording}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()[:32]


def _read(path: Path, counts: Counter[str]) -> Iterator[Window]:
    try:
        with path.open("rb") as file:
            while data := _part(file):
                yield decode_window(data)
            counts.update(msgspec.json.decode(file.read(), type=dict[str, int]))
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise SensorlineError(f"{path}: cannot be used: {error}; delete it") from error


def _part(file: BinaryIO) -> bytes:
    size = int.from_bytes(file.read(_SIZE_BYTES), "little")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("it is cut off")
    return data
