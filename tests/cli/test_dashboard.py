"""`sensorline dashboard` as a process: where it serves, how it ends, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.commands import eventually, running

Sensorline = Callable[..., subprocess.CompletedProcess[str]]
TOKEN = "a-token-of-24-characters"


def test_it_serves_until_it_is_told_to_stop_and_ends_well(folder: Path, sensorline: Sensorline) -> None:
    assert sensorline("topics", "create").returncode == 0
    with running(folder, "dashboard", "--port", "0") as page:
        (url,) = eventually(lambda: re.findall(r"http://127\.0\.0\.1:\d+/", page.said), 30, lambda: page.said)
        with urllib.request.urlopen(f"{url}fleet", timeout=10) as answer:
            assert json.load(answer)["fleet"]["devices"] == 0
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
            assert "<title>sensorline</title>" in text
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        stream = urllib.request.urlopen(f"{url}events", timeout=10)
        assert stream.readline().startswith(b"data: {")
        assert page.interrupt() == 0, "also while somebody is watching"
        assert "Traceback" not in page.said


def test_nothing_of_the_page_is_loaded_from_elsewhere() -> None:
    static = Path(__file__).parents[2] / "pipeline" / "dashboard" / "static"
    texts = {file.name: file.read_text() for file in static.iterdir()}
    assert {"index.html", "page.css", "page.js"} <= texts.keys()
    addresses = {address for text in texts.values() for address in re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]+", text)}
    assert addresses == {"http://www.w3.org"}, "the name of SVG, which nobody asks"


@pytest.mark.parametrize(
    ("options", "settings", "said"),
    [
        (["--host", "0.0.0.0"], {}, "a token is needed"),
        (["--token-file", "nowhere"], {}, "nowhere"),
        (["--back", "soon"], {}, "--back soon: must be a duration"),
        ([], {"broker__url": "memory://"}, "in the memory of one process"),
        ([], {}, "sensorline topics create"),
    ],
)
def test_what_cannot_be_served_is_refused(sensorline: Sensorline, options: list[str], settings: dict[str, str], said: str) -> None:
    done = sensorline("dashboard", "--port", "0", *options, **settings)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("error: ") == 1


def test_a_port_that_is_taken_is_said(folder: Path, sensorline: Sensorline) -> None:
    assert sensorline("topics", "create").returncode == 0
    with running(folder, "dashboard", "--port", "0", dashboard_token=TOKEN) as page:
        (port,) = eventually(lambda: re.findall(r":(\d+)/ \(asks for the token\)", page.said), 30, lambda: page.said)
        done = sensorline("dashboard", "--port", port)
        assert done.returncode == 2
        assert "choose another with --port" in done.stderr
