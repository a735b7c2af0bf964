"""The page as a visitor sees it, in a Chromium: whom it shows first, what it says of it, and what it says when all is gone."""

from __future__ import annotations

import http.client
import time
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from pipeline.config import Settings
from pipeline.dashboard.access import Access
from pipeline.dashboard.reader import Back
from pipeline.records import Reading
from tests.support.browser import PHONE, Tab
from tests.support.dashboards import House, serving

TOKEN = "a-token-of-24-characters"
MARKUP = "<img src=x onerror='window.hacked=1'>"
MARKED_SETTINGS = Settings.model_validate(
    {
        "pipeline": {"name": "marked"},
        "sensors": {"names": [MARKUP], "units": {MARKUP: MARKUP}},
        "window": {"gap": "10s", "out_of_orderness": "2s", "idle_timeout": "60s", "max_behind": "1h"},
        "topics": {"partitions": 2},
    }
)
MADE = "document.querySelectorAll('main img').length"
STEPS = 6


def live_readings(*devices: str) -> list[Reading]:
    """The last seconds of these devices."""
    now_ms = time.time_ns() // 1_000_000
    steps = [
        Reading(device, now_ms - 1000 * (STEPS - step), {"temperature": 20.0 + step, "vibration": None if step % 3 else 0.5})
        for device in devices
        for step in range(STEPS)
    ]
    return sorted(steps, key=lambda reading: reading.time)


def busy(house: House) -> None:
    """Three devices with a window and a score, one of them in alert, and one rejected reading."""
    house.publish(*live_readings("pump-1", "pump-2", "fan/3 <b>"))
    house.score(house.cut(), {"pump-1": 0.2, "pump-2": 0.95, "fan/3 <b>": 0.6})
    house.publish(Reading("pump-1", 5, {"temperature": 1.0}))
    house.cut()


def test_a_visitor_finds_the_worst_device_its_window_and_its_alert(house: House, browser: Tab) -> None:
    busy(house)
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#live", "live")
        browser.awaits("#tiles .bad b", "1")
        worst = "#space .row:first-child"
        assert browser.awaits(f"{worst} .c-device", "pump-2")
        assert "worn" in browser.text(f"{worst} .c-alerts")
        assert browser.text(f"{worst} .c-score") == "0.95"
        browser.click(worst)
        assert browser.awaits("#device h2") == "pump-2"
        card = browser.awaits("#window-card", "sensorline explain")
        assert "6 in 5.0 s" in card
        assert "4 of 12" in card, "missing values"
        assert "3 steps" in card, "padding"
        assert browser.ask("document.querySelectorAll('.chart .window').length") == 1
        assert browser.ask("document.querySelectorAll('.cells rect.cell').length") == 8
        assert browser.ask("document.querySelectorAll('.cells rect.missing').length") == 4
        assert "worn raised" in browser.awaits("#alerts-card", "from 1 prediction")


def test_what_the_model_said_of_each_step_stands_under_the_step_s_time(house: House, browser: Tab) -> None:
    house.publish(*live_readings("pump-1", "pump-2"))
    attention = {"pump-1": (0.1, 0.1, 0.1, 0.1, 0.1, 0.5)}
    house.score(house.cut(), {"pump-1": 0.2, "pump-2": 0.2}, attention)
    with serving(house) as url:
        browser.open(f"{url}#/device/pump-1")
        assert "attention" in browser.awaits("#window-card", "sensorline explain")
        boxes = "[...document.querySelectorAll('.weights rect')].map((bar) => ['x', 'height'].map((key) => Number(bar.getAttribute(key))))"
        bars = browser.ask(boxes)
        distances = [later[0] - earlier[0] for earlier, later in pairwise(bars)]
        assert len(bars) == STEPS
        assert max(distances) - min(distances) < 1, "a second lies between all"
        assert max(range(STEPS), key=lambda place: bars[place][1]) == STEPS - 1
        browser.open(f"{url}#/device/pump-2")
        browser.awaits("#device h2", "pump-2")
        assert "attention" not in browser.awaits("#window-card", "sensorline explain"), "it was not published"


def test_whatever_is_on_the_topics_is_text(browser: Tab) -> None:
    house = House.build(MARKED_SETTINGS)
    now_ms = time.time_ns() // 1_000_000
    house.publish(*[Reading(MARKUP, now_ms - 1000 * step, {MARKUP: 1.0}) for step in reversed(range(STEPS))])
    house.score(house.cut(), {MARKUP: 0.95}, {MARKUP: (1.0,) * STEPS}, rule=MARKUP, per_step=MARKUP)
    house.publish(Reading(MARKUP, 5, {MARKUP: 1.0}))
    house.cut()
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#space .row:first-child .c-device", MARKUP[:9])
        browser.click("#space .row:first-child")
        browser.awaits("#device h2", MARKUP)
        browser.awaits("#window-card", "sensorline explain")
        assert MARKUP in browser.text("#alerts-card")
        assert browser.ask(MADE) == 0
        browser.open(f"{url}#/pipeline")
        browser.click("[data-reason=past] summary")
        browser.awaits("[data-reason=past] .sample", MARKUP)
        assert browser.ask(MADE) == 0
        assert browser.ask("window.hacked === undefined")


def test_an_address_that_is_broken_is_a_device_that_nobody_knows(house: House, browser: Tab) -> None:
    with serving(house) as url:
        browser.open(f"{url}#/device/%E0%A4%A")
        browser.awaits("#device", "Nothing has been heard of this device lately")
        browser.problems.clear()  # that there is no such device


def test_an_update_leaves_what_the_visitor_is_at_alone(house: House, browser: Tab) -> None:
    busy(house)
    with serving(house) as url:
        browser.open(f"{url}#/device/pump-1")
        browser.awaits("#window-card", "sensorline explain")
        browser.ask("getSelection().selectAllChildren(document.querySelector('.command code'))")
        browser.ask("document.querySelector('.close').focus()")
        house.publish(*live_readings("pump-1")[-1:])
        browser.awaits(".said", "Open: 1 step")
        assert browser.ask("getSelection().toString()").startswith("sensorline explain ")
        assert browser.ask("document.activeElement.className") == "close"


def test_long_names_are_told_apart_by_their_ends(house: House, browser: Tab) -> None:
    long = "plant-north/hall-12/line-4/compressor-station/bearing-"
    house.publish(*live_readings(f"{long}drive-end", f"{long}outer-end"))
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#space .row:nth-child(2) .c-device span:last-child", "uter-end")
        assert browser.text("#space .row:first-child .c-device span:last-child") == "rive-end"
        ends = "[...document.querySelectorAll('#space .row:not([hidden]) .c-device')].map((it) => it.scrollWidth <= it.clientWidth)"
        assert browser.ask(ends) == [True, True], "the end is not cut"


def test_who_cannot_keep_up_is_told_so(house: House, browser: Tab) -> None:
    house.publish(*live_readings("pump-1"))
    with serving(house, back=Back(records=20)) as url:
        browser.open(url)
        browser.awaits("#live", "live")
        house.away.set()
        browser.awaits("#live", "broker gone")
        house.publish(*live_readings(*[f"pump-{number}" for number in range(20)]))
        house.away.clear()
        browser.awaits("#banner", "could not keep up and passed over")
        assert browser.text("#live") == "cannot keep up"


def test_devices_are_searched_filtered_and_sorted(house: House, browser: Tab) -> None:
    busy(house)
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#space .row:nth-child(3) .c-device")
        browser.click("[data-sort=device]")
        browser.awaits("#space .row:first-child .c-device", "fan/3")
        browser.click("[data-only=refusing]")
        browser.awaits("#space .row:first-child .c-device", "pump-1")
        assert browser.text("#space .row:nth-child(2) .c-device") == ""
        browser.click("[data-only=all]")
        browser.click("#search")
        browser.write("UMP-2")
        browser.awaits("#space .row:first-child .c-device", "pump-2")
        assert browser.text("#space .row:nth-child(2) .c-device") == ""
        browser.write(" nobody")
        browser.awaits("#none", "No device is like that")


def test_the_pipeline_s_health_is_shown_with_samples_of_what_was_rejected(house: House, browser: Tab) -> None:
    busy(house)
    with serving(house) as url:
        browser.open(f"{url}#/pipeline")
        health = browser.awaits("#health", "clock behind")
        assert "wear 3" in health
        assert "1.5 × the data" in health
        assert "the stage was drained" in health
        assert browser.text(".sample") == ""
        browser.click("[data-reason=past] summary")
        assert "max_behind" in browser.awaits(".sample", "pump-1")
        assert '"time":5' in browser.text(".sample code")


def test_what_comes_is_shown_without_asking(house: House, browser: Tab) -> None:
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#none", "No device has been heard of yet")
        house.publish(*live_readings("pump-9"))
        browser.awaits("#space .row:first-child .c-open", "6 steps")
        browser.click("#space .row:first-child")
        browser.awaits("#device", "No window of this device has closed yet")
        house.score(house.cut(), {"pump-9": 0.4})
        browser.awaits("#window-card", "the stage was drained")
        browser.awaits("#space .row:first-child .c-score", "0.4")


def test_a_broker_that_is_gone_is_said_and_the_page_recovers(house: House, browser: Tab) -> None:
    busy(house)
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#live", "live")
        house.away.set()
        assert "log.example:9092" in browser.awaits("#banner", "The log cannot be read since")
        assert browser.text("#live") == "broker gone"
        assert browser.text("#space .row:first-child .c-device") == "pump-2", "what was known stays in view"
        house.publish(*live_readings("pump-7"))
        house.away.clear()
        browser.awaits("#live", "live")
        browser.awaits("#tiles .tile", "4")
        assert browser.text("#banner") == ""


def test_a_thousand_devices_are_a_few_rows_of_the_document(house: House, browser: Tab) -> None:
    house.publish(*[reading for device in range(1000) for reading in live_readings(f"pump-{device:04}")[-1:]])
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#tiles .tile", "1,000")
        assert browser.ask("document.querySelectorAll('#space .row').length") < 60
        browser.ask("document.querySelector('#rows').scrollTop = 1e6")
        browser.awaits("#space", "pump-0999")


def test_on_a_phone_a_device_takes_the_whole_page_and_there_is_a_way_back(house: House, browser: Tab) -> None:
    busy(house)
    browser.size(*PHONE)
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#space .row:first-child .c-device", "pump-2")
        browser.click("#space .row:first-child")
        browser.awaits("#window-card", "steps")
        assert browser.text("#search") == ""
        assert browser.ask("document.documentElement.scrollWidth") <= PHONE[0], "nothing hangs out of the page"
        browser.click(".back")
        browser.awaits("#space .row:first-child .c-device", "pump-2")
        assert browser.ask("document.documentElement.scrollWidth") <= PHONE[0]


def test_the_page_asks_for_its_token_once(house: House, browser: Tab) -> None:
    with serving(house, Access(TOKEN)) as url:
        browser.open(url)
        browser.awaits("form", "This page asks for its token")
        browser.click("#token")
        browser.write(TOKEN)
        browser.click("button")
        browser.awaits("#live", "live")


def asked(url: str, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> tuple[int, str]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port or 0, timeout=10)
    try:
        connection.request(method, path, body=b"token=wrong" if method == "POST" else None, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/about", "/fleet", "/device?name=a", "/window?device=a&key=b", "/events", "/static/page.js"])
def test_without_the_token_nothing_is_said(house: House, path: str) -> None:
    with serving(house, Access(TOKEN)) as url:
        assert asked(url, path) == (401, "a token is needed")
        assert asked(url, path, {"Authorization": f"Bearer {TOKEN}x"})[0] == 401
        assert asked(url, path, {"Cookie": f"sensorline_pass={TOKEN}"})[0] == 401
        if path != "/events":
            assert asked(url, path, {"Authorization": f"Bearer {TOKEN}"})[0] in (200, 404)
        assert asked(url, "/enter", method="POST")[0] == 401


def test_a_page_of_another_name_cannot_ask(house: House) -> None:
    with serving(house) as url:
        assert asked(url, "/fleet", {"Host": "rebound.example"})[0] == 421
        assert asked(url, "/fleet")[0] == 200


def test_nothing_can_be_changed(house: House) -> None:
    with serving(house) as url:
        assert {asked(url, path, method=method)[0] for path in ("/", "/fleet", "/device") for method in ("POST", "PUT", "DELETE")} == {405}
