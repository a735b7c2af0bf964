"""Windows as MessagePack."""

from __future__ import annotations

import math
import struct

import msgspec

from pipeline.records import Window

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Window)


def encode_window(window: Window) -> bytes:
    """MessagePack of a window, a map by field name."""
    return _encoder.encode(window)


def decode_window(data: bytes) -> Window:
    """The window; raises `ValueError` for anything else, and for columns that do not fit together."""
    try:
        window = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not a window: {error}") from None
    if len(window.times) % 8 or len(window.values) != window.length * len(window.sensors) * 4:
        raise ValueError(f"not a window: {len(window.times)} bytes of times and {len(window.values)} bytes of values do not fit together")
    return window


def window_times(window: Window) -> tuple[int, ...]:
    """Event times of the steps, in order."""
    return struct.unpack(f"<{window.length}q", window.times)


def window_rows(window: Window) -> list[list[float | None]]:
    """The steps' values, None = unobserved, length x sensors."""
    rows = struct.iter_unpack(f"<{len(window.sensors)}f", window.values)
    return [[None if math.isnan(value) else value for value in row] for row in rows]
