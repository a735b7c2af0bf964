"""Visitors of all kinds: several at once, those who read nothing, those who come back, those who wait for a start or a stop."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from pipeline.dashboard.access import Access
from pipeline.records import Reading
from tests.support.browser import Tab
from tests.support.commands import STARTS_WITHIN_S, eventually
from tests.support.dashboards import House, serving
from tests.support.kafka_server import free_ports
from tests.support.pipelines import new_pipeline
from tests.support.sleeping_proxy import sleeping_proxy

TOKEN = "a+token/of==24 & more;"
WITHIN_S = 20
MANY = 5_000
SENSORS = '[sensors]\nnames = ["temperature"]\n'


def live(*devices: str) -> list[Reading]:
    """A reading of each, now."""
    now_ms = time.time_ns() // 1_000_000
    return [Reading(device, now_ms, {"temperature": 20.0}) for device in devices]


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


@contextmanager
def stream(url: str) -> Iterator[Iterator[Any]]:
    """The updates that a visitor gets."""
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(url), timeout=WITHIN_S)) as connection:
        connection.request("GET", "/events")
        answer = connection.getresponse()
        yield (json.loads(line.removeprefix(b"data: ")) for line in answer if line.startswith(b"data: "))


def devices_in(updates: Iterator[Any], number: int) -> set[str]:
    """The devices of the updates up to the one with the last of so many."""
    found: set[str] = set()
    while len(found) < number:
        found |= {row[0] for row in next(updates)["fleet"]["rows"]}
    return found


def answer_of(url: str, path: str, method: str = "GET", body: str = "", **headers: str) -> http.client.HTTPResponse:
    """The answer, read to its end."""
    with closing(http.client.HTTPConnection("127.0.0.1", port_of(url), timeout=WITHIN_S)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.said = answer.read().decode()  # type: ignore[attr-defined]
        return answer


def said(url: str, path: str, **headers: str) -> tuple[int, str]:
    answer = answer_of(url, path, **headers)
    return answer.status, answer.said  # type: ignore[attr-defined]


def test_two_visitors_see_the_same_whenever_they_come(house: House) -> None:
    house.publish(*live("pump-1", "pump-2"))
    with serving(house) as url, stream(url) as early:
        assert devices_in(early, 2) == {"pump-1", "pump-2"}
        with stream(url) as late:
            assert devices_in(late, 2) == {"pump-1", "pump-2"}
            house.publish(*live("pump-3"))
            assert devices_in(early, 1) == {"pump-3"}
            assert devices_in(late, 1) == {"pump-3"}


def test_visitors_who_go_or_read_nothing_do_not_keep_others_waiting_nor_the_end(house: House) -> None:
    house.publish(*live(*[f"pump-{number:04}" for number in range(1000)]))
    with ExitStack() as stack:
        url = stack.enter_context(serving(house))
        for number in range(20):
            visitor = stack.enter_context(socket.create_connection(("127.0.0.1", port_of(url))))
            visitor.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            visitor.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if number % 2:
                visitor.close()
        with stream(url) as updates:
            assert len(devices_in(updates, 1000)) == 1000
            for _ in range(3):
                house.publish(*live("pump-new"))
                assert devices_in(updates, 1) == {"pump-new"}


@pytest.fixture
def outlasting() -> Iterator[ExitStack]:
    """What must go on until the browser, a fixture asked for after this one, has left the page."""
    with ExitStack() as stack:
        yield stack


def test_a_laptop_that_slept_sees_the_present(house: House, outlasting: ExitStack, browser: Tab) -> None:
    house.publish(*live("pump-1"))
    url = outlasting.enter_context(serving(house))
    proxy = outlasting.enter_context(sleeping_proxy(port_of(url)))
    browser.open(f"http://127.0.0.1:{proxy.port}/")
    browser.awaits("#tiles .all b", "1")
    proxy.sleep()
    house.publish(*live("pump-2", "pump-3"))
    browser.awaits("#tiles .all b", "3")
    browser.awaits("#live", "live")
    assert browser.text("#banner") == ""


def test_a_page_whose_dashboard_does_not_answer_says_so(house: House, outlasting: ExitStack, browser: Tab) -> None:
    house.publish(*live("pump-1"))
    proxy = outlasting.enter_context(sleeping_proxy(port_of(outlasting.enter_context(serving(house)))))
    browser.open(f"http://127.0.0.1:{proxy.port}/")
    browser.awaits("#tiles .all b", "1")
    proxy.freeze()
    browser.awaits("#banner", "has not answered since")
    assert browser.text("#tiles .all b") == "1"


def test_five_thousand_devices_are_shown(house: House, browser: Tab) -> None:
    house.publish(*live(*[f"pump-{number:04}" for number in range(MANY)]))
    with serving(house) as url:
        browser.open(url)
        browser.awaits("#tiles .all b", "5,000", 2 * WITHIN_S)
        browser.click("#search")
        browser.write("4999")
        browser.awaits("#space .row:first-child .c-device", "pump-4999")
        house.publish(Reading("pump-4999", time.time_ns() // 1_000_000, {"temperature": 77.0}))
        browser.click("#space .row:first-child")
        browser.awaits("#device .card", "77 °C")


@pytest.mark.parametrize("path", ["/", "/about", "/enter", "/static/page.js", "/healthz", "/nowhere"])
def test_the_browser_is_told_to_run_nothing_but_the_page(house: House, path: str) -> None:
    with serving(house) as url:
        headers = answer_of(url, path).headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} <= {
        rule.strip() for rule in policy.split(";")
    }
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"], headers["Cache-Control"]) == (
        "nosniff",
        "no-referrer",
        "no-store",
    )


def test_the_token_is_neither_kept_nor_logged_nor_in_an_address(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(house, Access(TOKEN)) as url:
        entered = answer_of(url, "/enter", "POST", urlencode({"token": TOKEN}))
        cookie = entered.headers["Set-Cookie"]
        assert (entered.status, entered.headers["Location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
        assert "token" not in cookie
        assert said(url, "/about", Cookie=cookie.partition(";")[0])[0] == 200
        assert answer_of(url, "/enter", "POST", urlencode({"token": "wrong"})).status == 401
        assert answer_of(url, "/enter", "POST", "token=" + "x" * 1_000_000).status == 401
        assert said(url, f"/about?token={TOKEN[:7]}")[0] == 401
    assert TOKEN not in caplog.text
    assert urlencode({"token": TOKEN}) not in caplog.text


def test_who_enters_another_token_is_told_so(house: House, browser: Tab) -> None:
    with serving(house, Access(TOKEN)) as url:
        browser.open(url)
        browser.click("#token")
        browser.write("something else")
        browser.click("button")
        browser.awaits(".wrong", "That is not the token")
        browser.problems.clear()  # the refusal itself
        browser.click("#token")
        browser.write(TOKEN)
        browser.click("button")
        browser.awaits("#live", "live")
        assert browser.ask("location.search + location.hash") == ""


def test_it_is_alive_without_a_broker_and_ready_with_one_and_says_so_to_anybody(house: House) -> None:
    house.away.set()
    with serving(house, Access(TOKEN)) as url:
        assert said(url, "/readyz") == (503, "not ready\n")
        assert said(url, "/healthz") == (200, "alive\n")
        house.away.clear()
        assert eventually(lambda: said(url, "/readyz") == (200, "ready\n"), WITHIN_S)
        house.away.set()
        assert eventually(lambda: said(url, "/readyz") == (503, "not ready\n"), WITHIN_S)
        assert said(url, "/healthz") == (200, "alive\n")
        assert said(url, "/metrics")[0] == 401, "it is on a port of its own"


def test_the_command_serves_metrics_where_they_are_configured(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with ExitStack() as processes:
        pipeline = new_pipeline(tmp_path, "sqlite:///", f"{SENSORS}[metrics]\nport = {port}\n", processes)
        pipeline.publish(*live("pump-1", "pump-2"))
        dashboard = pipeline.start("dashboard", "--port", "0")
        eventually(lambda: "http://127.0.0.1" in dashboard.said, STARTS_WITHIN_S, lambda: dashboard.said)
        address = f"http://127.0.0.1:{port}/"
        assert eventually(lambda: said(address, "/readyz")[0] == 200, WITHIN_S)
        labels = re.escape(f'{{pipeline="{pipeline.name}",stage="dashboard"}}')
        assert re.search(f"^sensorline_records_in_total{labels} 2.0$", said(address, "/metrics")[1], re.MULTILINE)
        assert dashboard.interrupt() == 0
