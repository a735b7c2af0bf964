"""Window semantics as transcripts; each case is played in several ways, which may not change what comes out."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from pipeline.brokers.protocol import Message, Record
from pipeline.wire.windows import decode_window
from tests.support.transcripts import Transcript, expected, load_transcripts, play, window_messages, window_stage

CASES = load_transcripts(Path(__file__).parent / "transcripts")
TRUE_CASES = [case for case in CASES if not case.fails]


def names(cases: list[Transcript]) -> list[str]:
    return [case.name for case in cases]


@pytest.mark.parametrize("case", TRUE_CASES, ids=names(TRUE_CASES))
def test_the_log_makes_these_windows(case: Transcript) -> None:
    assert play(case) == expected(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.fails], ids=names([case for case in CASES if case.fails]))
def test_a_wrong_expectation_is_found(case: Transcript) -> None:
    assert play(case) != expected(case)


@pytest.mark.parametrize("case", TRUE_CASES, ids=names(TRUE_CASES))
def test_the_size_of_polls_changes_nothing(case: Transcript) -> None:
    windows, rejected = expected(case)
    in_one_row = [[w for event in windows for w in event]], [[r for event in rejected for r in event]]
    for seed in range(5):
        assert play(case, chunks=random.Random(seed)) == in_one_row


@pytest.mark.parametrize("case", TRUE_CASES, ids=names(TRUE_CASES))
def test_being_saved_and_restored_after_every_record_changes_nothing(case: Transcript) -> None:
    assert play(case, restored=True) == expected(case)


@pytest.mark.parametrize("case", TRUE_CASES, ids=names(TRUE_CASES))
def test_other_devices_change_nothing(case: Transcript) -> None:
    """Each reading is followed by the same of another device, with the same arrival."""
    crowd = [record for original in case.records for record in (original, *_shadow(original))]
    alone, crowded = window_stage(case.window, case.sensors), window_stage(case.window, case.sensors)
    mine = _identities(window_messages(alone, case.records))
    everyone = _identities(
        window_messages(crowded, [msgspec.structs.replace(record, offset=offset) for offset, record in enumerate(crowd)])
    )
    for device in {device for device, *_ in mine}:
        assert [it for it in everyone if it[0] == device] == [it for it in mine if it[0] == device]
    assert len(everyone) == 2 * len(mine)


def _shadow(record: Record) -> list[Record]:
    if record.value is None or record.key is None:
        return []
    value = record.value.replace(b'"device": "', b'"device": "shadow ')
    return [msgspec.structs.replace(record, key=b"shadow " + record.key, value=value)]


def _identities(messages: list[Message]) -> list[tuple[str, str, str]]:
    windows = [decode_window(message.value or b"") for message in messages if message.topic == "windows"]
    return [(window.device, window.id, window.hash) for window in windows]
