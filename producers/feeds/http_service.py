"""What answers the requests of `sensorline http`. The only module that knows the web framework.

Who has no key learns nothing but whether readings are taken: neither brokers' names nor what their errors are.
Bodies are read raw: a model of the framework for each reading would cost more than all the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from pipeline.brokers.protocol import Message
from pipeline.clock import Clock
from pipeline.config.feeds import HttpSettings
from pipeline.metrics.health import Verdict
from producers.feeds.api_keys import ApiKeys
from producers.feeds.bodies import MAX_ITEMS, Answer, BodyReader, TooManyItems
from producers.feeds.openapi import DESCRIPTION, POST_READINGS, page
from producers.feeds.outbox import Log, Outbox, Room

log = logging.getLogger(__name__)

MAX_HELD_BYTES = 67_108_864  # of all bodies that are being received or wait for the log
LARGE_BYTES = 65_536  # a body from here on is read in a thread, so that it keeps nobody waiting
RETRY_AFTER_S = 1

Waiter = asyncio.Future[None]


class _Refused(Exception):
    """A request that is answered without a look at its readings."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


class ReadingsService:
    """What answers the requests."""

    def __init__(self, settings: HttpSettings, reader: BodyReader, keys: ApiKeys | None, log: Log, clock: Clock) -> None:
        self._settings = settings
        self._reader = reader
        self._keys = keys
        self._held_bytes = 0
        self._counts: Counter[str] = Counter()
        self.outbox: Outbox[Waiter] = Outbox(log, Room(settings.max_in_flight), _resolve, clock)

    @property
    def counts(self) -> Mapping[str, int]:
        """Running totals; may be read from any thread."""
        return {**self._counts, **self.outbox.counts}

    @property
    def gauges(self) -> Mapping[str, int]:
        """What is true now; may be read from any thread."""
        return {"unacknowledged": self.outbox.waiting}

    async def post(self, request: Request) -> Response:
        """Takes readings."""
        held: list[bytes] = []
        try:
            response = await self._take(request, held)
        except _Refused as refused:
            response = _json({"error": str(refused)}, refused.status, refused.headers)
        except ClientDisconnect:  # nobody is there any more to be answered
            response = Response(status_code=400)
        finally:
            self._held_bytes -= sum(map(len, held))
        self._counts[f"requests_{response.status_code}"] += 1
        return response

    async def alive(self) -> Response:
        """Not stuck; where it is, a restart helps."""
        return _told(self.outbox.alive())

    async def ready(self) -> Response:
        """Whether readings are taken, as far as it is known."""
        return _told(self.outbox.ready())

    async def _take(self, request: Request, held: list[bytes]) -> Response:
        self._admit(request)
        body = await self._body(request, held)
        lines = "ndjson" in (kind := request.headers.get("content-type", "")) or "jsonl" in kind
        messages, answer = await self._read(body, lines)
        await self._publish(messages)
        self._counts.update(received=answer.accepted + answer.refused, readings=answer.accepted)
        self._counts.update({f"rejected_{reason}": count for reason, count in answer.reasons.items()})
        return _json(answer, 202 if not answer.refused else 207 if answer.accepted else 422)

    def _admit(self, request: Request) -> None:
        headers = request.headers
        if self._keys is not None:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
            if not self._keys.admit(key):
                text = "no valid API key; send one as Authorization: Bearer KEY or X-API-Key: KEY"
                raise _Refused(401, text, **{"WWW-Authenticate": "Bearer"})
        if headers.get("content-encoding", "identity") != "identity":
            raise _Refused(415, "the body must not be compressed; send it as it is, without Content-Encoding")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._settings.max_request_bytes:
            raise self._too_large()

    async def _body(self, request: Request, held: list[bytes]) -> bytes:
        """The body, whose parts are in `held` and count as held as long as the caller says."""
        size = 0
        try:
            async with asyncio.timeout(self._settings.receive_within_ms / 1_000):
                async for part in request.stream():
                    size += len(part)
                    if size > self._settings.max_request_bytes:
                        raise self._too_large()
                    if self._held_bytes + len(part) > MAX_HELD_BYTES:
                        raise _busy()
                    held.append(part)
                    self._held_bytes += len(part)
        except TimeoutError:
            raise _Refused(408, f"the body did not come within {self._settings.receive_within_ms / 1_000:g} s") from None
        return b"".join(held)

    def _too_large(self) -> _Refused:
        return _Refused(413, f"a body has at most {self._settings.max_request_bytes} bytes; send less at once")

    async def _read(self, body: bytes, lines: bool) -> tuple[list[Message], Answer]:
        try:
            if len(body) < LARGE_BYTES:
                return self._reader.read(body, lines)
            return await asyncio.to_thread(self._reader.read, body, lines)
        except TooManyItems:
            raise _Refused(413, f"a request has at most {MAX_ITEMS} items; send less at once") from None

    async def _publish(self, messages: Sequence[Message]) -> None:
        """Returns when the log has them."""
        if not messages:
            return
        waiter: Waiter = asyncio.get_running_loop().create_future()
        if not self.outbox.offer(messages, waiter):
            raise _busy()
        try:
            async with asyncio.timeout(self._settings.acknowledge_within_ms / 1_000):
                await waiter
        except TimeoutError:
            text = "the log has not acknowledged the readings; send them again, as a reading that comes twice changes nothing"
            raise _Refused(503, text, **{"Retry-After": str(RETRY_AFTER_S)}) from None


def _busy() -> _Refused:
    return _Refused(429, "the log is slower than the readings come; send again later", **{"Retry-After": str(RETRY_AFTER_S)})


def _resolve(waiters: Sequence[Waiter]) -> None:
    """Wakes all requests of one flush at once. They are all of one loop, which may be over."""

    def resolve() -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    try:
        waiters[0].get_loop().call_soon_threadsafe(resolve)
    except RuntimeError:
        log.debug("%d requests were acknowledged after the server had ended", len(waiters))


def _told(verdict: Verdict) -> Response:
    return _json({"status": "ok"}, 200) if verdict.good else _json({"error": "the log takes no readings at the moment"}, 503)


async def _as_json(request: Request, error: Exception) -> Response:
    """What the framework itself answers: no such page, no such method, or a fault of ours."""
    if isinstance(error, HTTPException):
        return _json({"error": f"{error.detail}; readings are taken by POST /readings"}, error.status_code, error.headers)
    return _json({"error": "a fault of the server; its log says more"}, 500)


def _json(content: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, "application/json")


class RawRoute(APIRoute):
    """A route whose endpoint takes the request itself: the framework's injection of parameters takes a fifth of the time."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return self.endpoint


def make_app(service: ReadingsService) -> FastAPI:
    """The routes, and what the OpenAPI page says of them."""
    errors: dict[int | type[Exception], Any] = {HTTPException: _as_json, Exception: _as_json}
    app = FastAPI(title="sensorline", description=DESCRIPTION, docs_url=None, redoc_url=None, exception_handlers=errors)
    # `app.add_api_route` does not take a class of route.
    app.router.add_api_route(
        "/readings", service.post, methods=["POST"], response_class=Response, route_class_override=RawRoute, **POST_READINGS
    )
    app.add_api_route("/healthz", service.alive, methods=["GET"], response_class=Response, summary="Whether it is alive")
    app.add_api_route("/readyz", service.ready, methods=["GET"], response_class=Response, summary="Whether readings are taken")
    app.add_api_route("/docs", _page, methods=["GET"], include_in_schema=False)
    return app


async def _page() -> Response:
    return Response(page(), media_type="text/html", headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})
