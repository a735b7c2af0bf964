"""Other people's text files, gzipped or not, line by line. Knows no format."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ConfigurationError, SensorlineError


def numbered_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """(number from 1, line) of each line that is not empty. Raises `ConfigurationError` where the file cannot be read."""
    try:
        with gzip.open(path, "rt", encoding=encoding) if path.suffix == ".gz" else path.open(encoding=encoding) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error


def make_folder(folder: Path) -> None:
    """Makes a folder to write to. Raises `SensorlineError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SensorlineError(f"{folder}: cannot be made a folder: {error.strerror or error}") from error
