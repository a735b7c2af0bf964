"""The web server of the page: static files, views as JSON, and a stream of what changes. The only module that knows FastAPI.

Read-only: nothing that a request says reaches the log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from pipeline.clock import Clock
from pipeline.dashboard.access import Access
from pipeline.dashboard.live import LiveModel
from pipeline.dashboard.reader import LogReader, Status
from pipeline.dashboard.views import Fleet, Health, Limit
from pipeline.metrics.health import Verdict

App = FastAPI

STATIC = Path(__file__).parent / "static"
COOKIE = "sensorline_pass"
EVERY_S = 1.0
# Names on the page are made by whoever can write to the topics. It shows them as text, and the browser is told to run nothing else
# than the page's own files and to let no text become markup.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    # The browser would keep some for later, and after a laptop's sleep try these dead ones first, one after the other.
    "Connection": "close",
}
OPEN_PATHS = frozenset({"/enter", "/static/page.css", "/static/icon.svg", "/healthz", "/readyz"})
MOST_SHOWN_BYTES = 1_000  # of what somebody enters as the token


class About(msgspec.Struct, frozen=True):
    """What does not change while the page is open."""

    pipeline: str
    sensors: tuple[str, ...]
    units: dict[str, str]
    idle_ms: int  # after so much silence a device's windows close
    limits: tuple[Limit, ...]
    broker: str


class Update(msgspec.Struct, frozen=True):
    """One event of the stream."""

    now: int
    status: Status
    fleet: Fleet
    health: Health


class Page(msgspec.Struct, frozen=True):
    """What the page is about."""

    about: About
    model: LiveModel
    reader: LogReader
    clock: Clock
    access: Access

    def update(self, since: int) -> Update:
        """What has changed since a version of the fleet."""
        status, now_ms = self.reader.status, self.clock.now_ms()
        return Update(now_ms, status, self.model.fleet(since), self.model.health(now_ms, status.behind, status.skipped))


def make_app(page: Page, stop: threading.Event) -> App:
    """The application; its streams end when `stop` is set."""
    app = FastAPI(title="sensorline", docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.middleware("http")
    async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _refusal(page.access, request) or await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.get("/")
    async def index() -> Response:
        return FileResponse(STATIC / "index.html")

    @app.get("/about")
    async def about() -> Response:
        return _json(page.about)

    @app.get("/fleet")
    async def fleet(since: int = 0) -> Response:
        return _json(page.update(since))

    @app.get("/device")
    async def device(name: str) -> Response:
        view = page.model.device(name)
        return _json(view) if view is not None else Response(status_code=404)

    @app.get("/window")
    async def window(device: str, key: str) -> Response:
        content = page.model.content(device, key)
        return _json(content) if content is not None else Response(status_code=404)

    @app.get("/events")
    async def events() -> Response:
        return StreamingResponse(_events(page, stop), media_type="text/event-stream")

    _add_probes(app, page.reader)
    _add_entrance(app, page.access)
    return app


def _add_probes(app: App, reader: LogReader) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        return _verdict(reader.alive(), "alive", "stuck")

    @app.get("/readyz")
    async def readyz() -> Response:
        return _verdict(reader.ready(), "ready", "not ready")


def _add_entrance(app: App, access: Access) -> None:
    @app.get("/enter")
    async def entrance() -> Response:
        return FileResponse(STATIC / "enter.html")

    @app.post("/enter")
    async def enter(request: Request) -> Response:
        if not access.knows(await _shown_token(request)):
            return FileResponse(STATIC / "refused.html", status_code=401)
        response = RedirectResponse("/", status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, access.visitor_pass, httponly=True, samesite="strict", secure=secure)
        return response


def _refusal(access: Access, request: Request) -> Response | None:
    if not access.admits_host(request.headers.get("host")):
        return Response("ask for this page by a name of this machine", status_code=421, media_type="text/plain")
    if not access.wants_token or request.url.path in OPEN_PATHS:
        return None
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if access.knows_pass(request.cookies.get(COOKIE)) or (scheme.lower() == "bearer" and access.knows(bearer)):
        return None
    return RedirectResponse("/enter", status_code=303) if request.url.path == "/" else Response("a token is needed", status_code=401)


async def _events(page: Page, stop: threading.Event) -> AsyncIterator[bytes]:
    """The whole fleet, then what has changed, once a second."""
    since = 0
    while not stop.is_set():
        update = page.update(since)
        since = update.fleet.version
        yield b"data: " + msgspec.json.encode(update) + b"\n\n"
        await asyncio.sleep(EVERY_S)


async def _shown_token(request: Request) -> str:
    """Read by hand: a form needs a further library, and would be read however long it is."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_SHOWN_BYTES:
            return ""
    return parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()


def _verdict(verdict: Verdict, yes: str, no: str) -> Response:
    """Whether and not why: anybody may ask here, and the reasons name hosts. The port for metrics gives them."""
    return Response(f"{yes if verdict.good else no}\n", status_code=200 if verdict.good else 503, media_type="text/plain")


def _json(view: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(view), media_type="application/json")
