"""The rules for Prometheus by Prometheus's own tool: they are valid, and each alert fires when it should and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.needs import unavailable

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
TESTS = "rules.test.yml"


def content(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program: `PROMTOOL`, else the one on the path. Without it the test is skipped; under CI=true that is a failure."""
    found = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if found is None:
        unavailable("there is no promtool on this machine (package prometheus); PROMTOOL may name one")
    return found


@pytest.mark.parametrize("command", ["check rules rules.yml", "check config prometheus.yml", f"test rules {TESTS}"])
def test_promtool_finds_nothing_wrong(promtool: str, command: str) -> None:
    done = subprocess.run([promtool, *command.split()], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def cases() -> Iterator[tuple[str, bool]]:
    """Each alert that is tested, and whether it is to fire."""
    for group in content(TESTS)["tests"]:
        for case in group.get("alert_rule_test", ()):
            yield case["alertname"], bool(case.get("exp_alerts"))


def test_each_alert_is_tested_when_it_fires_and_before() -> None:
    alerts = {rule["alert"] for group in content("rules.yml")["groups"] for rule in group["rules"] if "alert" in rule}
    assert set(cases()) == {(alert, fires) for alert in alerts for fires in (True, False)}


def test_each_alert_is_tested_on_what_is_ill_and_on_what_is_well() -> None:
    for group in content(TESTS)["tests"]:
        if "alert_rule_test" in group:
            series = " ".join(one["series"] for one in group["input_series"])
            assert '"ill' in series, series
            assert '"well' in series, series
            labels = [alert["exp_labels"] for case in group["alert_rule_test"] for alert in case.get("exp_alerts", ())]
            assert "well" not in str(labels)
