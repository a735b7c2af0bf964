"""Predictions as JSON."""

from __future__ import annotations

import msgspec

from pipeline.records import Prediction

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Prediction)


def encode_prediction(prediction: Prediction) -> bytes:
    """JSON of a prediction."""
    return _encoder.encode(prediction)


def decode_prediction(data: bytes) -> Prediction:
    """The prediction; raises `ValueError` for anything else."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a prediction: {error}") from None
