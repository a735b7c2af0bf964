"""A file is there whole or not at all, also when the disk is full (here: the process may not write larger files)."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.errors import SensorlineError
from pipeline.recordings.files import EXTENSIONS, read_recording, write_recording
from pipeline.records import Reading


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_full_disk_leaves_the_earlier_file_and_no_half_file(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"recording{extension}"
    earlier = [Reading("pump-7", 1, {"temperature": 20.5})]
    write_recording(path, earlier, ("temperature",))
    larger = [Reading(f"pump-{time}", time, {"temperature": time / 7}) for time in range(5_000)]
    with largest_file(8_192), pytest.raises(SensorlineError, match=r"recording.*: cannot be written: "):
        write_recording(path, larger, ("temperature",))
    assert list(tmp_path.iterdir()) == [path]
    assert list(read_recording(path)) == earlier


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "recording.csv"
    with pytest.raises(SensorlineError, match=r"missing/recording\.csv: cannot be written: No such file"):
        write_recording(path, [], ())
