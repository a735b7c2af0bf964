"""Errors, named by what the caller should do; each carries the exit code of a process that it ends.

Bad input is not an exception: it is a `Rejection`, a value, on its way to the rejected topic. Library exceptions are
translated where a library is used (`pipeline.brokers.kafka`, `pipeline.brokers.sqlite`, `pipeline.scoring.keras_engine`,
`pipeline.scoring.onnx_engine`, `pipeline.config`); no other module catches them. Messages are one line that says what is wrong
and what to do.
"""

from __future__ import annotations


class SensorlineError(Exception):
    """Stop: misuse or a bug. The message is one line for the user."""

    exit_code = 1


class ConfigurationError(SensorlineError):
    """Stop and mend the configuration or the command line; names the key, the value and what is allowed."""

    exit_code = 2


class MissingTopic(ConfigurationError):
    """Stop; a topic is not there (`sensorline topics create` makes it)."""


class BrokerUnreachable(SensorlineError):
    """Stop; the broker cannot be reached or does not let us in; says why, as far as it can be known."""

    exit_code = 3


class ModelRefused(SensorlineError):
    """Stop; the bundle is missing, broken, for other windows, or its scores are changed by padding."""

    exit_code = 4


class StateRefused(SensorlineError):
    """Stop; what is stored of a partition does not fit what is there now; names the command that resolves it."""


class Transient(SensorlineError):
    """Retry: drop the clients, go back to the last committed offset and go on. Nothing is lost by it."""


class LostPartitions(Transient):
    """Retry: another member owns the partition now; what was not committed is read again by its new owner."""
