"""A headless Chromium driven by its own protocol over a websocket: opens pages, asks them, clicks, takes pictures."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.commands import eventually

NAMES = ("chromium", "chromium-browser", "google-chrome")
STARTS_WITHIN_S = 30
ANSWERS_WITHIN_S = 20
LAPTOP = (1280, 800)
PHONE = (390, 844)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-port=0",
)


class ChromiumUnavailable(Exception):
    """No Chromium can be had here; says why."""


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.problems: list[str] = []  # what the page's console called an error
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol and its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(ANSWERS_WITHIN_S))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self._hear(answer)

    def size(self, width: int, height: int, dark: bool = False) -> None:
        """The size of the window, a phone's below 700 pixels, and whether it is night."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Goes to an address."""
        self.call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What an element shows; empty where there is none, or it is hidden."""
        script = f"(it => it?.checkVisibility() ? it.innerText : '')(document.querySelector({json.dumps(selector)}))"
        found: str = self.ask(script)
        return found

    def click(self, selector: str) -> None:
        """Clicks an element, which must be there; before all is loaded it may be elsewhere."""
        script = f"document.readyState === 'complete' && document.querySelector({json.dumps(selector)})?.getBoundingClientRect().toJSON()"
        box = eventually(lambda: self.ask(script), ANSWERS_WITHIN_S, lambda: f"no {selector}")
        place = {"x": box["x"] + min(box["width"] / 2, 40), "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def write(self, text: str) -> None:
        """Types text where the focus is."""
        self.call("Input.insertText", text=text)

    def awaits(self, selector: str, text: str = "", within_s: float = ANSWERS_WITHIN_S) -> str:
        """Returns what an element shows as soon as it has this in it."""
        return eventually(lambda: self._with(selector, text), within_s, lambda: f"{selector} shows {self.text(selector)!r}, not {text!r}")

    def picture(self, file: Path) -> None:
        """Saves what is seen."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _with(self, selector: str, text: str) -> str:
        found = self.text(selector)
        return found if text in found else ""

    def _hear(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(str(event["params"]["exceptionDetails"]))
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                self.problems.append(event["params"]["entry"]["text"])


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """A browser with an empty profile in `folder`, ended at the end of the block. Raises `ChromiumUnavailable`."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise ChromiumUnavailable(f"there is none of {', '.join(NAMES)} on the PATH")
    command = [program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    with (folder / "said.log").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    try:
        port = eventually(lambda: _port(folder), STARTS_WITHIN_S, lambda: (folder / "said.log").read_text(errors="replace")[-2000:])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=ANSWERS_WITHIN_S) as answer:
            (page,) = [tab for tab in json.load(answer) if tab["type"] == "page"]
        with connect(page["webSocketDebuggerUrl"], max_size=64 * 1024 * 1024, open_timeout=ANSWERS_WITHIN_S) as socket:
            yield Tab(socket)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _port(folder: Path) -> str:
    file = folder / "DevToolsActivePort"
    return file.read_text().split("\n")[0] if file.exists() else ""
