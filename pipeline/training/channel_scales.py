"""Seconds and step numbers to inputs of about unit size: the scale of the channels that have one. Knows no model."""

from __future__ import annotations

import msgspec
import numpy as np

from pipeline.core.features import Age, Channel, Delta, FeatureSpec, Ragged, make_inputs


def fit_channels(channels: tuple[Channel, ...], steps: Ragged) -> tuple[Channel, ...]:
    """The channels; a scale that nobody chose (1) becomes the root mean square over the steps, to three digits."""
    return tuple(_fitted(channel, steps) if isinstance(channel, Age | Delta) and channel.scale == 1 else channel for channel in channels)


def _fitted(channel: Age | Delta, steps: Ragged) -> Channel:
    sensors = steps.values.shape[1]
    seen = make_inputs(steps, FeatureSpec((0.0,) * sensors, (1.0,) * sensors, (channel,)))
    size = float(np.sqrt(np.mean(np.square(seen, dtype=np.float64))))
    return msgspec.structs.replace(channel, scale=float(f"{size:.3g}")) if size > 1e-6 else channel
