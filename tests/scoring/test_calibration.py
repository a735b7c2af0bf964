"""The size of batches follows what the machine was measured to do."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core.batching import BatchPolicy
from pipeline.scoring.calibrate import Trial, fitted

OWN = BatchPolicy(step_overhead_rows=7, max_rows=99, max_cells=1_000)


def trials(overhead_rows: float, dearer_from: int = 1_000) -> list[Trial]:
    """Batches that take (overhead + rows) ms; from some size on a row costs twice as much."""
    return [Trial(rows, (overhead_rows + rows * (2 if rows >= dearer_from else 1)) / 1_000) for rows in (8, 16, 32, 64, 128, 256)]


def test_the_smallest_size_is_taken_at_which_a_row_is_as_cheap_as_it_gets() -> None:
    assert fitted(OWN, trials(0.2)).max_rows == 16
    assert fitted(OWN, trials(3)).max_rows == 64
    assert fitted(OWN, trials(100)).max_rows == 256


def test_larger_batches_are_not_taken_where_they_are_dearer() -> None:
    assert fitted(OWN, trials(4, dearer_from=64)).max_rows == 32


def test_batches_are_never_tiny_whatever_a_busy_machine_says() -> None:
    assert fitted(OWN, [Trial(8, 0.001), Trial(16, 0.1), Trial(32, 0.2)]).max_rows == 32


def test_what_is_not_measured_stays_the_engine_s_own() -> None:
    assert replace(fitted(OWN, trials(3)), max_rows=OWN.max_rows) == OWN


def test_a_trial_that_was_cut_short_changes_nothing() -> None:
    assert fitted(OWN, trials(3)[:1]) == OWN
