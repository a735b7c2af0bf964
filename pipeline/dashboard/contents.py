"""Windows for the page: what is shown of each, and the steps of the last ones, and what the model said of each step, as far as a
budget of bytes allows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from pipeline.dashboard.views import WindowContent, WindowView
from pipeline.records import Window
from pipeline.wire.windows import decode_window, window_rows, window_times

BUDGET_BYTES = 48_000_000
ENTRY_BYTES = 250  # what an entry takes besides its bytes
WINDOW, WEIGHTS = "window", "weights"

_COPIED = ("id", "length", "reason", "final", "sequence", "revision", "dropped", "merged", "carried", "too_short")


class Contents:
    """The bytes of windows by key, and of the outputs per step; the oldest given up first."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._values: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0

    def keep(self, key: str, value: bytes) -> None:
        """Keeps a window's bytes; one that is kept already stays as it is."""
        self._keep((WINDOW, key), value)

    def keep_weights(self, key: str, outputs: Mapping[str, Sequence[float]]) -> None:
        """Keeps what the model said of each step of a window; the first that comes counts."""
        self._keep((WEIGHTS, key), msgspec.msgpack.encode(outputs))

    def steps(self, view: WindowView) -> WindowContent | None:
        """The steps of a window; None where they were given up."""
        value = self._values.get((WINDOW, view.key))
        if value is None:
            return None
        window = decode_window(value)
        rows = window_rows(window)
        columns = [[row[sensor] for row in rows] for sensor in range(len(window.sensors))]
        return WindowContent(view, list(window_times(window)), columns, self._weights(view.key, len(rows)))

    def _weights(self, key: str, length: int) -> dict[str, list[float | None]]:
        """A model that sees only the last steps says nothing of those before."""
        value = self._values.get((WEIGHTS, key))
        outputs = {} if value is None else msgspec.msgpack.decode(value, type=dict[str, list[float]])
        return {name: [*[None] * (length - len(numbers)), *numbers[-length:]] for name, numbers in outputs.items()}

    def _keep(self, key: tuple[str, str], value: bytes) -> None:
        if key in self._values:
            return
        self._values[key] = value
        self._bytes += len(value) + ENTRY_BYTES
        while self._bytes > self._budget:
            self._bytes -= len(self._values.popitem(last=False)[1]) + ENTRY_BYTES


def window_key(window: str, sequence: int, revision: int) -> str:
    """Which publication of a window."""
    return f"{window}.{sequence}.{revision}"


def window_view(window: Window) -> WindowView:
    """A window without its data."""
    times = np.frombuffer(window.times, "<i8")
    values = np.frombuffer(window.values, "<f4")
    return WindowView(
        key=window_key(window.id, window.sequence, window.revision),
        first=int(times[0]) if times.size else window.start,
        last=int(times[-1]) if times.size else window.end,
        missing=int(np.count_nonzero(np.isnan(values))),
        cells=int(values.size),
        **{name: getattr(window, name) for name in _COPIED},
    )
