"""The metrics of running processes: their values, and that what is written about them is about these."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.commands import eventually
from tests.support.served import Samples, Served

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
GRAFANA = ROOT / "deploy" / "grafana" / "sensorline.json"
PAGE = ROOT / "docs" / "operations.md"
NAME = re.compile(r"\b(?:sensorline|process)_[a-z_]+\b")
RECORDED = re.compile(r"\bsensorline:[a-z_:0-9]+\b")


@pytest.fixture
def samples(served: Served) -> Samples:
    return served.samples()


@pytest.fixture
def there(served: Served, bridge: Served, server: Served, notifier: Served) -> set[str]:
    """The names of all metrics that there are."""
    return {name for process in (served, bridge, server, notifier) for name, _ in process.samples()}


def expressions(rules: bool) -> Iterator[str]:
    if rules:
        for group in yaml.safe_load(RULES.read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
    else:
        yield from (target["expr"] for panel in json.loads(GRAFANA.read_text())["panels"] for target in panel.get("targets", ()))


def recorded() -> set[str]:
    return {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"] if "record" in rule}


def test_every_stage_counts_what_it_did(samples: Samples) -> None:
    assert samples["sensorline_received_total", "window"] == 9
    assert samples["sensorline_windows_closed_total", "window/gap"] == 2
    assert samples["sensorline_rejected_total", "window/late"] == 1
    assert samples["sensorline_open_steps", "window"] == 1
    assert samples["sensorline_open_windows", "window"] == 1
    assert samples["sensorline_live_devices", "window"] == 1
    assert samples["sensorline_scored_total", "score"] == 2
    assert samples["sensorline_real_steps_total", "score"] == 7
    assert samples["sensorline_received_total", "alert"] == 2


def test_a_count_that_has_not_happened_is_zero(samples: Samples) -> None:
    assert samples["sensorline_dropped_total", "window"] == 0
    assert samples["sensorline_collisions_total", "score"] == 0


def test_every_scored_window_has_its_delay_and_is_in_a_batch(samples: Samples) -> None:
    assert samples["sensorline_prediction_delay_seconds_count", "score"] == 2
    assert samples["sensorline_batch_windows_sum", "score"] == 2
    assert 0 <= samples["sensorline_prediction_delay_seconds_sum", "score"] < 120


def test_every_stage_has_its_partitions_and_is_not_behind(samples: Samples) -> None:
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
def test_rules_and_panels_are_about_metrics_that_are_there(there: set[str], rules: bool) -> None:
    texts = list(expressions(rules))
    asked = {name for text in texts for name in NAME.findall(text)}
    assert len(asked) > 5
    assert asked - there == set()
    assert {name for text in texts for name in RECORDED.findall(text)} - recorded() == set()


def test_the_table_of_operations_has_every_metric_and_no_other(there: set[str]) -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `sensorline_")]
    written = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert written == {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in there if name.startswith("sensorline_")}


def test_a_bridge_counts_what_came_and_what_became_of_it(bridge: Served) -> None:
    samples = bridge.samples()
    assert samples["sensorline_received_total", "mqtt"] == 2
    assert samples["sensorline_readings_total", "mqtt"] == 1
    assert samples["sensorline_rejected_total", "mqtt/empty"] == 1
    assert samples["sensorline_acknowledgement_seconds_count", "mqtt"] == 2
    assert samples["sensorline_unacknowledged", "mqtt"] == 0
    assert samples["sensorline_connected", "mqtt"] == 1
    assert samples["sensorline_reconnects_total", "mqtt"] == 0


def test_a_server_counts_requests_and_readings(server: Served) -> None:
    samples = server.samples()
    assert (samples["sensorline_requests_total", "http/202"], samples["sensorline_requests_total", "http/422"]) == (1, 1)
    assert samples["sensorline_received_total", "http"] == 2
    assert samples["sensorline_readings_total", "http"] == 1
    assert samples["sensorline_rejected_total", "http/schema"] == 1
    assert samples["sensorline_records_out_total", "http"] == 1
    assert samples["sensorline_acknowledgement_seconds_count", "http"] == 1
    assert samples["sensorline_unacknowledged", "http"] == 0


def test_a_notifier_counts_what_became_of_each_alert(notifier: Served) -> None:
    samples = notifier.samples()
    assert samples["sensorline_received_total", "notify.ops"] == 2
    assert samples["sensorline_alerts_delivered_total", "notify.ops"] == 1
    assert samples["sensorline_delivery_failures_total", "notify.ops"] == 10
    assert samples["sensorline_rejected_total", "notify.ops/receiver"] == 1
    assert samples["sensorline_lost_total", "notify.ops"] == 0


def test_a_feed_that_works_is_alive_and_ready(bridge: Served, server: Served) -> None:
    status, said = bridge.get("/readyz")
    assert status == 200
    assert re.fullmatch(r"log: answered \d+ s ago\nmqtt\.host = localhost:\d+: connected and subscribed\n", said)
    status, said = server.get("/readyz")
    assert status == 200
    assert re.fullmatch(r"log: answered \d+ s ago\n", said)
    assert [feed.get("/healthz")[0] for feed in (bridge, server)] == [200, 200]


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
