"""The signature of a webhook request: HMAC-SHA256 of the time and the body, with a secret that sender and receiver share."""

from __future__ import annotations

import hashlib
import hmac

PREFIX = "sha256="


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The signature header's value; `timestamp` in seconds since the epoch. The time is signed too, so that an old request
    cannot be sent again later.

    >>> sign("secret", 1767225600, b"{}")
    'sha256=fa7eaa06bf97d7815f3f456e97cde70c9e50cb005f01660c8d10b10c21964887'
    """
    return PREFIX + hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
