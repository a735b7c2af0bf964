"""Alerts as HTTP requests: POST of the alert's JSON, signed, with a key by which a repeat is known."""

from __future__ import annotations

import httpx

from pipeline.clock import Clock
from pipeline.destinations.protocol import ContentRefused, NotDelivered, Parcel
from pipeline.destinations.signature import sign

# About what is in the request (RFC 9110, section 15.5): bad request, content too large, unsupported media type, unprocessable
# content. All others are about the receiver, its address or our credentials, and pass when somebody puts that right.
REFUSES_CONTENT = frozenset({400, 413, 415, 422})
TIMESTAMP, SIGNATURE, IDEMPOTENCY_KEY = "Sensorline-Timestamp", "Sensorline-Signature", "Idempotency-Key"


class Webhook:
    """A `pipeline.destinations.protocol.Destination`. Any answer but 2xx means that the alert was not taken."""

    def __init__(self, url: str, secret: str | None, timeout_s: float, clock: Clock) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        # Redirects are not followed: what is signed goes to nobody but the configured receiver.
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def deliver(self, parcel: Parcel) -> None:
        timestamp = self._clock.now_ms() // 1000
        headers = {"Content-Type": "application/json", IDEMPOTENCY_KEY: parcel.key, TIMESTAMP: str(timestamp)}
        if self._secret is not None:
            headers[SIGNATURE] = sign(self._secret, timestamp, parcel.body)
        try:
            answer = self._client.post(self._url, content=parcel.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The text of an error may quote the URL, which may be a secret.
            raise NotDelivered(f"no answer ({type(error).__name__})") from None
        if not answer.is_success:
            refusal = ContentRefused if answer.status_code in REFUSES_CONTENT else NotDelivered
            raise refusal(f"the receiver answered {answer.status_code} {answer.reason_phrase}".rstrip())
