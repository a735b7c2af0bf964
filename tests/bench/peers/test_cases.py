"""Each case asks for what it should: a contender without a fault gets the best verdict, one that says nothing does not."""

from __future__ import annotations

import pytest

from tests.bench.peers.cases import CASES, Case
from tests.bench.peers.task import GAP_MS, GRACE_MS, Task
from tests.bench.peers.throughput import DEVICES, READINGS, load
from tests.bench.peers.windows import Came, Role, Seen, sessions

NOW_MS = 1_767_225_600_000

cases = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@cases
def test_a_contender_without_a_fault_has_nothing_wrong_or_missing(case: Case) -> None:
    records = case.records(NOW_MS)
    windows = sessions(records, GAP_MS)
    at_s = max(record.at_s for record in records)
    verdict = case.verdict(records, Seen([Came(window, at_s) for window in windows], late=1, again=windows))
    assert "wrong" not in verdict
    assert not any(word in verdict for word in ("not ", "no:", "ended", "0 of"))


@cases
def test_silence_is_noticed(case: Case) -> None:
    records = case.records(NOW_MS)
    assert any(word in case.verdict(records, Seen([])) for word in ("not in", "0 of"))


@cases
def test_every_good_reading_is_one_that_the_grace_allows(case: Case) -> None:
    """Else a contender would be right to refuse it. A late one is not."""
    newest: dict[str, int] = {}
    for record in sorted(case.records(NOW_MS), key=lambda record: record.at_s):
        if record.role is Role.GOOD:
            assert record.time_ms >= newest.get(record.device, 0) - GRACE_MS
        if record.role is Role.LATE:
            assert record.time_ms < newest[record.device] - GRACE_MS
        if record.role in (Role.GOOD, Role.CLOSING):
            newest[record.device] = max(newest.get(record.device, 0), record.time_ms)


@cases
def test_a_device_has_one_partition(case: Case) -> None:
    records = [record for record in case.records(NOW_MS) if record.role is not Role.POISON]
    places = {(record.device, record.partition) for record in records}
    assert len(places) == len({device for device, _ in places})


def test_the_load_has_the_readings_that_the_figure_is_divided_by() -> None:
    records = load(NOW_MS)
    assert sum(record.role is Role.GOOD for record in records) == READINGS
    assert len({record.device for record in records}) == DEVICES
    assert max(len(window.times) for window in sessions(records, GAP_MS)) < READINGS / DEVICES


def test_a_process_is_told_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("localhost:9092", "readings", "windows", "late", "group", hooks=True)
    monkeypatch.setenv(*task.to_environment().split("=", 1))
    assert Task.from_environment() == task
