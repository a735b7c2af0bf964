"""Who may see the page: on this machine anybody, elsewhere who has the token. No web framework.

A browser that has shown the token keeps a pass made from it, not the token itself; neither is ever part of an address.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigurationError

TOKEN_VARIABLE = "SENSORLINE_DASHBOARD_TOKEN"
SHORTEST_TOKEN = 16

_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Access:
    """With a token: whoever shows it. Without: requests by a name of this machine, so that no web page can ask by another."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._pass = None if token is None else hmac.new(token.encode(), b"sensorline dashboard", "sha256").hexdigest()

    @property
    def wants_token(self) -> bool:
        return self._token is not None

    def knows(self, shown: str | None) -> bool:
        """Whether this is the token."""
        return _same(shown, self._token)

    @property
    def visitor_pass(self) -> str:
        """What a browser that has shown the token is given to show from then on; empty where no token is wanted."""
        return self._pass or ""

    def knows_pass(self, shown: str | None) -> bool:
        """Whether this is the pass."""
        return _same(shown, self._pass)

    def admits_host(self, host: str | None) -> bool:
        """Whether a request with this Host header is for us."""
        name = (host or "").strip()
        name = name if name.endswith("]") else name.rpartition(":")[0] or name
        return self.wants_token or name in _THIS_MACHINE


def _same(shown: str | None, expected: str | None) -> bool:
    return expected is not None and hmac.compare_digest((shown or "").encode(), expected.encode())


def access_for(host: str, token_file: Path | None, environ: Mapping[str, str]) -> Access:
    """The access that an address needs. Raises `ConfigurationError` where another machine could see it without a token."""
    token = _token(token_file, environ)
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"--host {host}: other machines can see it, so a token is needed; write one of at least {SHORTEST_TOKEN} characters"
            f" to a file for --token-file, or set {TOKEN_VARIABLE}"
        )
    return Access(token)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token(token_file: Path | None, environ: Mapping[str, str]) -> str | None:
    if token_file is None:
        given, origin = environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
    else:
        origin = f"--token-file {token_file}"
        try:
            given = token_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{origin}: cannot be read: {error}") from None
    if given is not None and len(given) < SHORTEST_TOKEN:
        raise ConfigurationError(f"{origin}: has {len(given)} characters; a token has at least {SHORTEST_TOKEN}")
    return given
