"""The metrics of a running process: their values, and that what is written about them is about these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.metrics.conftest import Served
from tests.support.commands import eventually

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
GRAFANA = ROOT / "deploy" / "grafana" / "sensorline.json"
PAGE = ROOT / "docs" / "operations.md"
NAME = re.compile(r"\b(?:sensorline|process)_[a-z_]+\b")
RECORDED = re.compile(r"\bsensorline:[a-z_:0-9]+\b")


@pytest.fixture
def samples(served: Served) -> dict[tuple[str, str], float]:
    """By name and stage (and reason, after a slash)."""
    found = {}
    for family in text_string_to_metric_families(served.get("/metrics")[1]):
        for sample in family.samples:
            reason = sample.labels.get("reason")
            found[sample.name, sample.labels.get("stage", "") + (f"/{reason}" if reason else "")] = sample.value
    return found


def expressions(rules: bool) -> Iterator[str]:
    if rules:
        for group in yaml.safe_load(RULES.read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    else:
        yield from (target["expr"] for panel in json.loads(GRAFANA.read_text())["panels"] for target in panel["targets"])


def recorded() -> set[str]:
    return {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "record" in rule}


def test_every_stage_counts_what_it_did(samples: dict[tuple[str, str], float]) -> None:
    assert samples["sensorline_received_total", "window"] == 9
    assert samples["sensorline_windows_closed_total", "window/gap"] == 2
    assert samples["sensorline_rejected_total", "window/late"] == 1
    assert samples["sensorline_open_steps", "window"] == 1
    assert samples["sensorline_open_windows", "window"] == 1
    assert samples["sensorline_live_devices", "window"] == 1
    assert samples["sensorline_scored_total", "score"] == 2
    assert samples["sensorline_real_steps_total", "score"] == 7
    assert samples["sensorline_received_total", "alert"] == 2


def test_a_count_that_has_not_happened_is_zero(samples: dict[tuple[str, str], float]) -> None:
    assert samples["sensorline_dropped_total", "window"] == 0
    assert samples["sensorline_collisions_total", "score"] == 0


def test_every_scored_window_has_its_delay_and_is_in_a_batch(samples: dict[tuple[str, str], float]) -> None:
    assert samples["sensorline_prediction_delay_seconds_count", "score"] == 2
    assert samples["sensorline_batch_windows_sum", "score"] == 2
    assert 0 <= samples["sensorline_prediction_delay_seconds_sum", "score"] < 120


def test_every_stage_has_its_partitions_and_is_not_behind(samples: dict[tuple[str, str], float]) -> None:
    for stage in ("window", "score", "alert"):
        assert samples["sensorline_partitions", stage] == 3
        assert samples["sensorline_rebalances_total", stage] >= 1
        assert samples["sensorline_offset_lag_records", stage] <= 3, "a tick of each partition may just have been written"
        assert samples["sensorline_checkpoint_seconds_count", stage] >= 1


def test_the_model_is_named(served: Served) -> None:
    line = next(line for line in served.get("/metrics")[1].splitlines() if line.startswith("sensorline_model_info{"))
    assert 'name="pump"' in line
    assert 'version="7"' in line


def test_a_process_that_works_is_alive_and_ready(served: Served) -> None:
    status, said = served.get("/readyz")
    assert (status, sorted(said.splitlines())) == (200, ["alert: 3 partitions", "score: 3 partitions", "window: 3 partitions"])
    status, said = served.get("/healthz")
    assert (status, said.count("last sign of life")) == (200, 3)
    assert served.get("/else")[0] == 404


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "grafana"])
def test_rules_and_panels_are_about_metrics_that_are_there(samples: dict[tuple[str, str], float], rules: bool) -> None:
    there = {name for name, _ in samples}
    texts = list(expressions(rules))
    asked = {name for text in texts for name in NAME.findall(text)}
    assert len(asked) > 5
    assert asked - there == set()
    assert {name for text in texts for name in RECORDED.findall(text)} - recorded() == set()


def test_the_table_of_operations_has_every_metric_and_no_other(samples: dict[tuple[str, str], float]) -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `sensorline_")]
    written = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    there = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name, _ in samples if name.startswith("sensorline_")}
    assert written == there


def test_the_page_of_operations_names_every_alert() -> None:
    alerts = [rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "alert" in rule]
    text = PAGE.read_text()
    assert [alert for alert in alerts if f"`{alert}`" not in text] == []


def test_the_log_leads_from_an_alert_to_its_readings(served: Served) -> None:
    eventually(lambda: "alert raised" in served.process.said, 30)
    events = [json.loads(line) for line in served.process.said.splitlines() if line.startswith("{")]
    (alert,) = [event for event in events if event["message"] == "alert raised"]
    (prediction,) = [event for event in events if event["message"] == "window scored" and event["prediction"] in alert["predictions"]]
    (window,) = [event for event in events if event["message"] == "window closed" and event["window"] == prediction["window"]]
    first, last = window["offsets"]
    readings = [
        record
        for record in served.pipeline.records("readings")
        if record.partition == window["partition"] and first <= record.offset <= last
    ]
    assert len(readings) == 5
    (rejected,) = [event for event in events if event["message"].startswith("reading rejected")]
    assert rejected["reason"] == "late"
