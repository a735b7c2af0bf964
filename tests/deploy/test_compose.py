"""The compose file: its services are commands with a configuration that loads, and what it refers to is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.config import load
from producers.feeds.api_keys import ApiKeys
from tests.support.command_tree import all_commands
from tests.support.needs import unavailable

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "sensorline"}


@pytest.mark.parametrize("name", OURS)
def test_each_service_of_ours_is_a_command_with_a_configuration_that_loads(name: str) -> None:
    words = OURS[name]["command"].split()
    assert any(tuple(words[:length]) in all_commands() for length in (1, 2))
    settings = load(ROOT / "deploy" / "sensorline.toml", OURS[name]["environment"]).settings
    if name in ("mqtt", "http"):
        assert getattr(settings, name) is not None


def test_what_others_wait_for_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= SERVICES.keys()


def test_a_service_is_in_each_profile_of_those_that_wait_for_it() -> None:
    for name, service in SERVICES.items():
        for other in service.get("depends_on", ()):
            assert set(SERVICES[other].get("profiles", service.get("profiles", ()))) >= set(service.get("profiles", ())), f"{name}: {other}"


def test_files_and_volumes_are_there() -> None:
    sources = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {source for source in sources if source.startswith(".") and not (ROOT / source).exists()} == set()
    assert {source for source in sources if not source.startswith(".")} == COMPOSE["volumes"].keys()


def test_prometheus_asks_services() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    always = {target for targets in job["static_configs"] for target in targets["targets"]}
    assert {target.removesuffix(":9464") for target in always} <= {name for name in OURS if "profiles" not in OURS[name]}
    optional = {name for found in job["dns_sd_configs"] for name in found["names"]}
    assert optional == {name for name in OURS if "profiles" in OURS[name]}


def test_the_key_of_the_example_is_a_key() -> None:
    assert ApiKeys(ROOT / "deploy" / "http-keys.txt").admit("only-for-this-machine")


def test_compose_takes_the_file() -> None:
    tool = shutil.which("docker-compose")
    if tool is None:
        unavailable("there is no docker-compose on this machine")
    environment = {**os.environ, "COMPOSE_PROFILES": "mqtt,http"}
    done = subprocess.run([tool, "config"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"].keys() == SERVICES.keys()
