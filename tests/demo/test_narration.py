"""The demo's progress on a terminal and in a file."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from pipeline.cli.demo.narration import Narrator
from pipeline.clock import ManualClock


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_step_is_told_with_its_number_result_and_time(is_terminal: bool) -> None:
    said, clock = StringIO(), ManualClock()
    narrator = Narrator(Console(file=said, force_terminal=is_terminal, width=80, color_system=None), clock, steps=2)
    for result in ("nothing yet", "[all] of it"):
        with narrator.step("Count") as step:
            step.show("one", 1, 2)
            clock.advance(1_500)
            step.conclude(result)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.getvalue())  # without the moves of the cursor
    lines = [line for line in plain.splitlines() if line.strip()]
    assert lines[0].strip() == "1/2   Count"
    assert any(line.split()[-5:] == ["[all]", "of", "it", "1.5", "s"] for line in lines)
    assert ("one" in said.getvalue()) is is_terminal, "a bar is for terminals"
    if not is_terminal:
        assert len(lines) == 4
        assert max(map(len, lines)) <= 80
