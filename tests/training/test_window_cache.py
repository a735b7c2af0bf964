"""Windows come from the cache only where they are those that would be made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.records import Window
from pipeline.training.window_cache import WindowCache, cache_key
from tests.support.windows import make_window

WINDOWS = [make_window([[number], [2]], ["x"], device=f"pump-{number}") for number in range(5)]


def made(counts: Counter[str]) -> Iterator[Window]:
    yield from WINDOWS
    counts["received"] += 10


def never() -> Iterator[Window]:
    yield pytest.fail("made again")


def test_what_was_made_once_is_there_with_its_counts(tmp_path: Path) -> None:
    cache, first, second = WindowCache(tmp_path / "cache"), Counter(other=1), Counter[str]()
    assert list(cache.windows("key", made(first), first)) == WINDOWS
    assert list(cache.windows("key", never(), second)) == WINDOWS
    assert second == {"received": 10}
    assert list(cache.windows("other", made(second), second)) == WINDOWS


def test_what_was_not_gone_through_to_the_end_is_not_kept(tmp_path: Path) -> None:
    cache, counts = WindowCache(tmp_path), Counter[str]()
    windows = cache.windows("key", made(counts), counts)
    assert next(windows) == WINDOWS[0]
    windows.close()  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []
    assert list(cache.windows("key", made(counts), counts)) == WINDOWS


def test_of_many_files_the_newest_stay_that_fit(tmp_path: Path) -> None:
    counts = Counter[str]()
    list(WindowCache(tmp_path).windows("first", made(counts), counts))
    size = (tmp_path / "first.windows").stat().st_size
    cache = WindowCache(tmp_path, max_bytes=2 * size)
    for key in ("second", "third"):
        list(cache.windows(key, made(counts), counts))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["second", "third"]
    list(WindowCache(tmp_path, max_bytes=1).windows("fourth", made(counts), counts))
    assert [path.stem for path in tmp_path.iterdir()] == ["fourth"]


@pytest.mark.parametrize("damage", [lambda data: data[:-30], lambda data: data[:40], lambda data: data[:9] + b"?" * 60 + data[69:]])
def test_a_damaged_file_is_named(damage: object, tmp_path: Path) -> None:
    counts = Counter[str]()
    list(WindowCache(tmp_path).windows("key", made(counts), counts))
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(SensorlineError, match=r"key\.windows: cannot be used: .*; delete it"):
        list(WindowCache(tmp_path).windows("key", never(), counts))


def test_a_cache_that_cannot_be_written_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    counts = Counter[str]()
    with pytest.raises(SensorlineError, match=r"cannot be made a folder: .*see --cache and --no-cache"):
        list(WindowCache(tmp_path / "file" / "cache").windows("key", made(counts), counts))


def test_a_key_is_of_the_bytes_and_the_facts_and_not_of_the_name(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in ("one.csv", "same.csv", "other.csv"))
    for path, text in ((one, "a"), (same, "a"), (other, "b")):
        path.write_text(text)
    assert cache_key(one, ["spec"]) == cache_key(same, ["spec"])
    assert len({cache_key(one, ["spec"]), cache_key(other, ["spec"]), cache_key(one, ["another spec"])}) == 3


def test_a_key_of_a_folder_is_of_all_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.csv").write_text("x")
    before = cache_key(tmp_path, [])
    (tmp_path / "a" / "2.csv").write_text("x")
    assert cache_key(tmp_path, []) != before


def test_a_recording_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.csv: cannot be read: No such file"):
        cache_key(tmp_path / "missing.csv", [])
