"""Alerts as JSON."""

from __future__ import annotations

import msgspec

from pipeline.records import Alert

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)


def encode_alert(alert: Alert) -> bytes:
    """JSON of an alert."""
    return _encoder.encode(alert)


def decode_alert(data: bytes) -> Alert:
    """The alert; raises `ValueError` for anything else."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an alert: {error}") from None
