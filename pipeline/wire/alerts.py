"""Alerts, and alerts as members of groups, as JSON."""

from __future__ import annotations

import msgspec

from pipeline.records import Alert, Member

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alert)
_member_decoder = msgspec.json.Decoder(Member)


def encode_alert(alert: Alert) -> bytes:
    """JSON of an alert."""
    return _encoder.encode(alert)


def decode_alert(data: bytes) -> Alert:
    """The alert; raises `ValueError` for anything else."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an alert: {error}") from None


def encode_member(member: Member) -> bytes:
    """JSON of an alert as a member of a group."""
    return _encoder.encode(member)


def decode_member(data: bytes) -> Member:
    """The member; raises `ValueError` for anything else."""
    try:
        return _member_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an alert of a group's device: {error}") from None
