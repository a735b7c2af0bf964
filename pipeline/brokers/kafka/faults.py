"""kafka-python's exceptions become ours here: named by what the caller should do. Nothing is retried here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kafka.errors import (
    AuthorizationError,
    FencedInstanceIdError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
    KafkaError,
)

from pipeline.errors import SensorlineError, Transient

# A new client would fail in the same way: the process ends.
_FINAL = (
    AuthorizationError,
    FencedInstanceIdError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidGroupIdError,
    InvalidSessionTimeoutError,
)


def translated(error: Exception, doing: str) -> SensorlineError:
    """Our error for one of the library's; `doing` says what was tried."""
    if isinstance(error, SensorlineError):
        return error
    message = f"{doing}: {describe(error)}"
    return SensorlineError(message) if isinstance(error, _FINAL) else Transient(message)


def describe(error: BaseException) -> str:
    """One line with the error's name; the library puts it into the texts of its own errors."""
    text = " ".join(str(error).split())
    return text if isinstance(error, KafkaError) else f"{type(error).__name__}: {text}"


@contextmanager
def translating(doing: str) -> Iterator[None]:
    """Turns the library's exceptions inside the block into ours."""
    try:
        yield
    except (KafkaError, OSError) as error:
        raise translated(error, doing) from error
