"""Right padding: windows of different lengths to one array, and the steps that look like padding.

A model tells padding from data by a value: `Masking` masks a step whose features all equal it. So a real step that
happens to equal it must be moved away from it, or it would not be scored. Knows no model.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.number)

NEAR_ZERO = np.float32(1e-30)
"""What a colliding 0 becomes.

The smallest normal float32 (1.2e-38) would survive a comparison, but a scaling before the mask, by a factor below 1, would make
it a denormal, which processors and libraries flush to 0. 1e-30 leaves eight decades, and is far below
what a model can notice.
"""

_SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal


def is_usable_padding(padding_value: float) -> bool:
    """Whether padding with the value can be told from data: 0 or a normal float32 of ordinary size (NaN equals nothing)."""
    return padding_value == 0 or 1e-30 <= abs(padding_value) <= 1e30


def moved(padding_value: float) -> np.float32:
    """The value that a feature gets where its step equals the padding value: the next one that no flush takes back."""
    value = np.float32(padding_value)
    return NEAR_ZERO if value == 0 else np.nextafter(value, np.float32(np.inf), dtype=np.float32)


def collides(rows: NDArray[np.float32], padding_value: float) -> NDArray[np.bool_]:
    """Which rows (rows x features) a mask would take for padding; a denormal counts as 0."""
    # Few steps look like padding in their first feature; only of these the others are looked at.
    colliding = _equal(rows[:, 0], padding_value)
    if np.count_nonzero(colliding):
        colliding[colliding] = _equal(rows[colliding], padding_value).all(axis=1)
    return colliding


def _equal(values: NDArray[np.float32], padding_value: float) -> NDArray[np.bool_]:
    value = np.float32(padding_value)
    equal: NDArray[np.bool_] = np.abs(values) < _SMALLEST_NORMAL if value == 0 else np.equal(values, value)
    return equal


def away_from_padding(rows: NDArray[np.float32], padding_value: float) -> tuple[NDArray[np.float32], int]:
    """The rows with the first feature of each colliding row moved, and how many collided."""
    colliding = collides(rows, padding_value)
    count = int(np.count_nonzero(colliding))
    if count:
        rows = rows.copy()
        rows[colliding, 0] = moved(padding_value)
    return rows, count


def mask(lengths: NDArray[np.int64], padded_to: int) -> NDArray[np.bool_]:
    """True for real steps: windows x padded_to. Real steps come first."""
    return np.arange(padded_to) < lengths[:, None]


def pad(rows: NDArray[Number], lengths: NDArray[np.int64], padded_to: int, padding_value: float) -> NDArray[Number]:
    """Windows x padded_to x features, from the windows' rows one below the other; without features where rows have none."""
    if len(rows) == len(lengths) * padded_to:
        return rows.reshape(len(lengths), padded_to, *rows.shape[1:])
    padded = np.full((len(lengths), padded_to, *rows.shape[1:]), padding_value, rows.dtype)
    padded[mask(lengths, padded_to)] = rows
    return padded
