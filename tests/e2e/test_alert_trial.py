"""A trial of alert rules says what the pipeline does."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from pipeline.records import AlertState
from tests.support.pipelines import new_pipeline
from tests.support.simulated import SECTIONS

ALERTS = """[[alerts]]
name = "wear"
output = "wear"
above = 0.5
clear_below = 0.45
for = "2 of 3"
[[alerts]]
name = "thin"
kind = "few_readings"
length_below = 20
[[alerts]]
name = "clock"
kind = "clock"
count = 3
within = "5m"
"""


def test_a_trial_raises_what_the_pipeline_raises(tmp_path: Path, wear_bundle: Path) -> None:
    fleet = str(wear_bundle.parent / "fleet.parquet")
    with ExitStack() as processes:
        pipeline = new_pipeline(tmp_path, "sqlite:///", f'{SECTIONS}[model]\npath = "{wear_bundle}"\n{ALERTS}', processes)
        lines = [json.loads(line) for line in pipeline.succeeds("alerts", "test", "--recording", fleet, "--json").stdout.splitlines()]
        assert pipeline.count("readings") == 0
        pipeline.succeeds("replay", fleet, "--speed", "max", "--no-close")
        pipeline.succeeds("run", "--drain")
        alerts = pipeline.alerts()
    raised = {(alert.id, alert.device, alert.rule) for alert in alerts if alert.state is AlertState.RAISED}
    assert {(line["id"], line["device"], line["rule"]) for line in lines} == raised
    assert {rule for _, _, rule in raised} == {"wear", "thin", "clock"}
    assert sum(line["cleared"] is not None for line in lines) == len(alerts) - len(raised)
