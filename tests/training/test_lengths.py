"""What `sensorline lengths` counts, by hand on a small recording."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.core.policy import Count, Overflow, WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.recordings.windows import windows_of
from pipeline.records import Reading
from pipeline.training.lengths import (
    Bar,
    CapCost,
    CapTally,
    Distribution,
    bucket_costs,
    distribution_of,
    max_length_choices,
    uncapped,
    with_max_length,
)
from pipeline.wire.readings import ReadingDecoder
from tests.support.windows import session_policy

POLICY = session_policy(max_length=4)
# One device; sessions of 10, 3, 4 and 1 steps, a second apart, with a minute between.
READINGS = [
    Reading("a", begin * 1000 + step * 1000, {"x": 1.0})
    for begin, steps in ((0, 10), (100, 3), (200, 4), (300, 1))
    for step in range(steps)
]


def cost(policy: WindowPolicy) -> CapCost:
    tally = CapTally(policy.max_length)
    for window in windows_of(READINGS, policy, ReadingDecoder(["x"])):
        tally.add(window)
    return tally.cost()


def test_the_distribution_is_that_of_the_windows_without_a_cap() -> None:
    whole = distribution_of(windows_of(READINGS, uncapped(POLICY), ReadingDecoder(["x"])))
    assert dict(whole.counts) == {10: 1, 3: 1, 4: 1, 1: 1}
    assert (whole.windows, whole.steps, whole.longest) == (4, 18, 10)
    assert [whole.quantile(share) for share in (0, 0.25, 0.26, 0.5, 0.75, 0.9, 1)] == [1, 1, 3, 3, 4, 10, 10]


def test_split_windows_are_cut_in_several() -> None:
    # 10 = 4 + 4 + 2, and 4 is full too.
    assert cost(POLICY) == CapCost(4, Distribution({4: 3, 2: 1, 3: 1, 1: 1}), split=3, truncated=0, dropped=0, too_short=0)
    assert cost(POLICY).padded == 6 * 4 - 18


def test_truncated_windows_lose_steps() -> None:
    found = cost(replace(POLICY, overflow=Overflow.TRUNCATE))
    assert found == CapCost(4, Distribution({4: 2, 3: 1, 1: 1}), split=0, truncated=1, dropped=6, too_short=0)
    assert found.padded == 4 * 4 - 12


def test_windows_that_would_not_be_scored_are_counted() -> None:
    assert cost(replace(POLICY, min_length=3)).too_short == 2


def test_the_histogram_has_every_window_in_one_bar() -> None:
    assert Distribution({1: 1, 3: 1, 4: 2, 10: 1}).histogram(bars=3) == [Bar(1, 4, 4), Bar(5, 8, 0), Bar(9, 10, 1)]
    assert Distribution({2: 5}).histogram() == [Bar(1, 1, 0), Bar(2, 2, 5)]


def test_buckets_cost_the_steps_that_are_padding() -> None:
    at_most, powers, given, scorer = bucket_costs(Distribution({1: 1, 3: 1, 9: 2}), max_length=12, wanted=(10, 3))
    assert (at_most.lengths, at_most.padded, at_most.steps) == ((12,), 11 + 9 + 2 * 3, 22)
    assert (powers.lengths, powers.padded) == ((8, 16), 7 + 5 + 2 * 7)
    assert (given.lengths, given.padded, given.batches) == ((3, 10), 2 + 0 + 2 * 1, 2)
    assert given.share == pytest.approx(4 / 26)
    # So few windows are cheapest in one batch: 9 steps x (32 of overhead + 4 rows).
    assert (scorer.lengths, scorer.padded) == ((9,), 8 + 6)


def test_buckets_that_do_not_take_the_longest_window_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="none takes the longest window, of 9 steps"):
        bucket_costs(Distribution({9: 1}), max_length=12, wanted=(4, 8))


def test_the_choices_are_powers_of_two_and_the_configured_one_unless_others_are_wanted() -> None:
    assert max_length_choices(POLICY, longest=40) == (4, 8, 16, 32, 64)
    assert max_length_choices(POLICY, longest=40, wanted=(10, 20)) == (4, 10, 20)
    count = replace(POLICY, shape=Count(size=30, step=1), max_length=30)
    assert max_length_choices(count, longest=30) == (30, 32)


def test_a_choice_that_the_policy_cannot_have_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_length = 10: size = 30"):
        with_max_length(replace(POLICY, shape=Count(size=30, step=1), max_length=30), 10)


def test_the_command_prints_the_numbers_and_starts_no_model_library(tmp_path: Path) -> None:
    config, recording = tmp_path / "s.toml", tmp_path / "r.csv"
    config.write_text('[sensors]\nnames = ["x"]\n[window]\nmax_length = 4\n')
    recording.write_text("device,time,x\n" + "".join(f"a,{reading.time},1\n" for reading in READINGS))
    program = (
        "import sys; from typer.testing import CliRunner; from pipeline.cli.main import app\n"
        f"done = CliRunner().invoke(app, ['--config', {str(config)!r}, 'lengths', {str(recording)!r}, '--buckets', '2,4'])\n"
        "print(done.output); assert done.exit_code == 0, done.exception\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "4 windows, 18 steps, without max_length" in done.stdout
    (configured,) = [line for line in done.stdout.splitlines() if "*4" in line]
    assert [cell.strip() for cell in configured.split("│")[1:-1]] == ["*4", "6", "3", "0", "0", "0", "6 (25%)"]
