"""The live page on real logs: what feeds it follows every broker, and with a thousand live devices it says what the topics say.

SENSORLINE_PAGE_SECONDS: how long the thousand devices report.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from pipeline.brokers.protocol import Broker, Message, Record
from pipeline.clock import SystemClock
from pipeline.dashboard.reader import Back, LogReader
from pipeline.wire.headers import header
from tests.support.broker_logs import publish
from tests.support.browser import Tab
from tests.support.commands import Running, eventually
from tests.support.flows import Flow, own_settings
from tests.support.live_fleet import (
    SECTIONS,
    SILENT_DEVICES,
    WORST,
    cpu_s,
    make_bundle,
    peak_mb,
    reporting,
    start_dashboard,
    start_stages,
)
from tests.support.pipelines import Pipeline, new_pipeline

WITHIN_S = 30
DEVICES = 1_000
SECONDS = float(os.environ.get("SENSORLINE_PAGE_SECONDS", "16"))
MOST_CORES = 1.0
MOST_MB = 300
SETTLES_WITHIN_S = 120

# The rows are made as they are scrolled to.
LIST = """(async () => {
  const rows = document.querySelector("#rows"), found = {};
  for (let top = 0; top < rows.scrollHeight; top += rows.clientHeight / 2) {
    rows.scrollTop = top;
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
    for (const row of document.querySelectorAll("#space .row:not([hidden])")) {
      const text = (kind) => row.querySelector(`.c-${kind}`).textContent;
      const heard = row.querySelector("time").dateTime;
      found[text("device")] = [heard, row.querySelector(".c-score b").textContent, text("alerts"), text("refused")];
    }
  }
  return found;
})()"""
TILES = """Object.fromEntries([...document.querySelectorAll("#tiles [data-only]")].map((tile) =>
  [tile.dataset.only, Number(tile.querySelector("b").textContent.replace(/,/g, ""))]))"""
HEALTH = """(() => {
  const counts = (selector, key, count) => Object.fromEntries([...document.querySelectorAll(selector)].map((it) =>
    [it.dataset[key], Number(it.querySelector(count).textContent.replace(/,/g, ""))]));
  return [counts("#health .bars li", "key", "b"), counts("#health details", "reason", "summary b")];
})()"""


class Shown(msgspec.Struct, frozen=True):
    """What is said of the fleet, by the page or by the topics."""

    devices: dict[str, tuple[str, float, list[str], int]]  # last reading, last score, rules that hold, rejections
    in_alert: int
    with_rejections: int
    closed: dict[str, int]
    refused: dict[str, int]


def test_every_record_comes_once_whether_it_was_there_before_or_not(connect: Callable[[], Broker]) -> None:
    flow = Flow.begin(connect, own_settings(sensors={"names": ["temperature"]}))
    names = flow.settings.topics.names()
    seen: Counter[tuple[str, bytes | None]] = Counter()

    def take(kind: str, records: Sequence[Record]) -> None:
        seen.update((kind, record.value) for record in records)

    def send(number: int) -> None:
        messages = [Message(topic, b"device-%d" % key, b"%d.%d" % (number, key)) for topic in names.values() for key in range(20)]
        publish(flow.broker, *messages)

    send(0)
    stop = threading.Event()
    reader = LogReader(connect, names, take, Back(), SystemClock())
    thread = threading.Thread(target=reader.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: len(seen) == 100, WITHIN_S, lambda: reader.status)
        for number in (1, 2, 3):
            send(number)
        eventually(lambda: len(seen) == 400, WITHIN_S, lambda: reader.status)
    finally:
        stop.set()
        thread.join(WITHIN_S)
    assert set(seen.values()) == {1}
    assert reader.status.connected
    assert reader.status.error is None


def test_the_page_is_right_with_a_thousand_live_devices(
    kafka_url: str, tmp_path: Path, browser: Tab, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with ExitStack() as processes:
        pipeline = new_pipeline(tmp_path, kafka_url, SECTIONS, processes)
        make_bundle(pipeline)
        start_stages(pipeline)
        dashboard, url = start_dashboard(pipeline)
        browser.open(url)
        browser.awaits("#none", "No device has been heard of yet")
        began_s, used_s = time.monotonic(), cpu_s(dashboard)
        with reporting(pipeline, DEVICES):
            threading.Event().wait(SECONDS)
            await_tiles(browser, dashboard, SILENT_DEVICES)
            find_the_worst(browser)
            cores = (cpu_s(dashboard) - used_s) / (time.monotonic() - began_s)
        browser.click("#device .close")
        await_tiles(browser, dashboard, DEVICES)
        browser.click("[data-sort=device]")
        eventually(lambda: shown(browser) == told(pipeline), SETTLES_WITHIN_S, lambda: differences(shown(browser), told(pipeline)))
        judge_the_worst(browser, pipeline)
        record_testsuite_property("cores", round(cores, 3))
        record_testsuite_property("peak_mb", round(peak_mb(dashboard)))
        assert cores < MOST_CORES
        assert peak_mb(dashboard) < MOST_MB
        browser.open("about:blank")
        assert dashboard.interrupt() == 0


def await_tiles(browser: Tab, dashboard: Running, silent: int) -> None:
    """All devices are there, and so many are silent."""

    def seen() -> tuple[dict[str, int], str, str]:
        tiles: dict[str, int] = browser.ask(TILES)
        return tiles, f"{browser.text('#live')}: {browser.text('#banner')}", dashboard.said

    def right() -> bool:
        tiles, _, _ = seen()
        return (tiles["all"], tiles["silent"]) == (DEVICES, silent)

    eventually(right, 2 * WITHIN_S, seen)


def find_the_worst(browser: Tab) -> None:
    """As somebody who is called would: the first of the list, opened, with its window and its alert."""
    worst = "#space .row:first-child"
    browser.awaits(f"{worst} .c-device", WORST, WITHIN_S)
    browser.click(worst)
    assert browser.awaits("#device h2", WORST) == WORST
    assert "8 in " in browser.awaits("#window-card", "sensorline explain", WITHIN_S)
    assert browser.ask("document.querySelectorAll('.cells rect.cell').length") > 0
    alerts = browser.awaits("#alerts-card", "failing raised")
    assert "worn raised" in alerts


def judge_the_worst(browser: Tab, pipeline: Pipeline) -> None:
    """Its page against the topics: the last window, what its sensors said last, its last score, and each of its alerts."""
    row = next(place for place, name in enumerate(sorted(told(pipeline).devices), 1) if name == WORST)
    browser.ask("document.querySelector('#rows').scrollTop = 0")
    browser.awaits(f"#space .row:nth-child({row}) .c-device", WORST)
    browser.click(f"#space .row:nth-child({row})")
    last = [window for window in pipeline.windows() if window.device == WORST][-1]
    browser.awaits(f"#window-card[data-key='{last.id}.{last.sequence}.{last.revision}']", "sensorline explain")
    values = [msgspec.json.decode(record.value or b"")["values"] for record in pipeline.records("readings") if record.key == WORST.encode()]
    temperatures = [value["temperature"] for value in values if value.get("temperature") is not None]
    lanes: list[str] = browser.ask("[...document.querySelectorAll('.chart .value')].map((it) => it.textContent)")
    score = [prediction.outputs["level"] for prediction in pipeline.predictions() if prediction.device == WORST][-1]
    assert lanes == ["1", f"{temperatures[-1]:.3g} °C", f"{score:.3g}"]
    alerts: list[str] = browser.ask("[...document.querySelectorAll('#alerts-card li b')].map((it) => it.textContent)")
    assert sorted(alerts) == sorted(f"{alert.rule} {alert.state}" for alert in pipeline.alerts() if alert.device == WORST)


def shown(browser: Tab) -> Shown:
    """What the page says, read off its list and its view of the pipeline."""
    rows: dict[str, Any] = browser.ask(LIST)
    tiles: dict[str, int] = browser.ask(TILES)
    browser.click("#tab-pipeline")
    browser.awaits("#health")
    closed, refused = browser.ask(HEALTH)
    browser.click("#tab-fleet")
    browser.awaits("#fleet")
    devices = {
        name: (heard, float(score), sorted(alerts.split(", ")), int(refused or 0)) for name, (heard, score, alerts, refused) in rows.items()
    }
    return Shown(devices, tiles["bad"], tiles["refusing"], closed, refused)


def told(pipeline: Pipeline) -> Shown:
    """What the topics say, by a reading of them from their beginning."""
    heard = {text(record.key): record.timestamp for record in pipeline.records("readings")}
    scores = {prediction.device: prediction.outputs["level"] for prediction in pipeline.predictions()}
    holding: dict[str, dict[str, bool]] = {}
    for alert in pipeline.alerts():
        holding.setdefault(alert.device, {})[alert.rule] = alert.state == "raised"
    rejected = pipeline.records("rejected")
    refused = Counter(text(record.key) for record in rejected)
    devices = {
        name: (iso(at), float(f"{scores[name]:.3g}"), sorted(rules_of(holding, name)) or [""], refused[name]) for name, at in heard.items()
    }
    return Shown(
        devices,
        sum(bool(rules_of(holding, name)) for name in holding),
        len(refused),
        dict(Counter(window.reason.value for window in pipeline.windows())),
        dict(Counter(text(header(record.headers, "reason")) for record in rejected)),
    )


def rules_of(holding: dict[str, dict[str, bool]], device: str) -> list[str]:
    return [rule for rule, holds in holding.get(device, {}).items() if holds]


def differences(page: Shown, topics: Shown) -> list[Any]:
    """Some of what is not the same."""
    names = page.devices.keys() | topics.devices.keys()
    rows = [(name, page.devices.get(name), topics.devices.get(name)) for name in sorted(names)]
    totals = [(getattr(page, name), getattr(topics, name)) for name in ("in_alert", "with_rejections", "closed", "refused")]
    return [*[row for row in rows if row[1] != row[2]][:3], *[pair for pair in totals if pair[0] != pair[1]]]


def text(data: bytes | None) -> str:
    return (data or b"").decode()


def iso(ms: int) -> str:
    """As the page's own elements have it."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
