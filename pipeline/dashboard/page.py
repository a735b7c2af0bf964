"""The web server of the page: static files, views as JSON, and a stream of what changes. The only module that knows FastAPI.

Read-only: nothing that a request says reaches the log.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles

from pipeline.clock import Clock
from pipeline.dashboard.access import Access
from pipeline.dashboard.live import LiveModel
from pipeline.dashboard.reader import Status
from pipeline.dashboard.views import Fleet, Health, Limit

App = FastAPI

STATIC = Path(__file__).parent / "static"
COOKIE = "sensorline_token"
EVERY_S = 1.0
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
OPEN_PATHS = frozenset({"/enter", "/static/page.css", "/static/icon.svg"})


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
    status: Callable[[], Status]
    clock: Clock
    access: Access

    def update(self, since: int) -> Update:
        """What has changed since a version of the fleet."""
        status, now_ms = self.status(), self.clock.now_ms()
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

    _add_entrance(app, page.access)
    return app


def _add_entrance(app: App, access: Access) -> None:
    @app.get("/enter")
    async def entrance() -> Response:
        return FileResponse(STATIC / "enter.html")

    @app.post("/enter")
    async def enter(request: Request) -> Response:
        # Read by hand: a form needs a further library.
        shown = (await request.body())[:1_000].decode("utf-8", "replace").removeprefix("token=")
        if not access.knows(shown):
            return FileResponse(STATIC / "enter.html", status_code=401)
        response = RedirectResponse("/", status_code=303)
        response.set_cookie(COOKIE, shown, httponly=True, samesite="strict")
        return response


def _refusal(access: Access, request: Request) -> Response | None:
    if not access.admits_host(request.headers.get("host")):
        return Response("ask for this page by a name of this machine", status_code=421, media_type="text/plain")
    if not access.wants_token or request.url.path in OPEN_PATHS:
        return None
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if access.knows(request.cookies.get(COOKIE)) or (scheme.lower() == "bearer" and access.knows(bearer)):
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


def _json(view: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(view), media_type="application/json")
