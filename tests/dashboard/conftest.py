"""A Chromium for the session, and dashboards on a log in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.browser import LAPTOP, ChromiumUnavailable, Tab, chromium
from tests.support.dashboards import House


@pytest.fixture
def house() -> House:
    return House.build()


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """Where there is none the test is skipped; under CI=true that is a failure."""
    browser = chromium(tmp_path_factory.mktemp("chromium"))
    try:
        tab = browser.__enter__()
    except ChromiumUnavailable as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"this test needs a Chromium: {reason}")
        pytest.skip(f"this test needs a Chromium: {reason}")
    try:
        yield tab
    finally:
        browser.__exit__(None, None, None)


@pytest.fixture
def browser(one_browser: Tab) -> Iterator[Tab]:
    """The browser with an empty page of a laptop's size; a problem in its console fails the test."""
    one_browser.open("about:blank")
    one_browser.size(*LAPTOP)
    one_browser.problems.clear()
    yield one_browser
    one_browser.open("about:blank")
    assert one_browser.problems == []
