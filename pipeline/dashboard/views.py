"""What the page is sent: plain values, encoded as JSON as they stand. Times are milliseconds since the epoch."""

from __future__ import annotations

import msgspec

from pipeline.dashboard.readings import Shown


class Limit(msgspec.Struct, frozen=True):
    """From where on an output is bad, as a rule of the configuration says."""

    output: str
    above: float | None = None
    below: float | None = None


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One device in the view of the fleet. On the wire a list, in this order: a thousand of them go out each second."""

    device: str
    heard: int | None  # log time of its last reading
    time: int | None  # event time of its last reading
    lag: int | None  # how far that reading's event time was behind its arrival
    open_steps: int  # steps since its last window
    open_since: int | None
    score: float | None
    scored: int | None
    alerts: tuple[str, ...]  # rules that hold now
    refused: int  # of the records in view
    nearness: float  # of its last score to a limit: 1 at the limit or beyond, 0 as far from it as any score was


class WindowView(msgspec.Struct):
    """A window, without its data."""

    id: str
    key: str  # id, sequence and revision: what a prediction refers to
    first: int  # event time of the first step
    last: int
    length: int
    reason: str
    final: bool
    sequence: int
    revision: int
    dropped: int
    merged: int
    carried: int
    too_short: bool
    missing: int  # cells without a value
    cells: int
    padded_to: int | None = None  # None: not scored yet
    prediction: str | None = None
    score: float | None = None


class WindowContent(msgspec.Struct, frozen=True):
    """The steps of one window as the model was given them."""

    window: WindowView
    times: list[int]
    values: list[list[float | None]]  # by sensor
    weights: dict[str, list[float | None]]  # by output per step, such as attention; None: a step that the model did not see


class ScoreView(msgspec.Struct, frozen=True, gc=False):
    """One prediction. There are many of them, so it has what is drawn and no more; `names` is one tuple for all of a model."""

    id: str
    time: int  # event time of the window's end
    names: tuple[str, ...]  # of the outputs
    values: tuple[float, ...]
    final: bool


class AlertView(msgspec.Struct, frozen=True):
    """One alert record."""

    id: str
    rule: str
    state: str
    since: int
    time: int
    value: float | None
    predictions: tuple[str, ...]


class RefusedView(msgspec.Struct, frozen=True):
    """One rejected record."""

    reason: str
    error: str
    device: str | None
    source: str  # topic[partition]@offset
    logged: int
    value: str


class DeviceView(msgspec.Struct, frozen=True):
    """Everything the page shows of one device."""

    row: Row
    readings: Shown
    windows: list[WindowView]
    scores: list[ScoreView]
    alerts: list[AlertView]
    refused: list[RefusedView]


class GroupView(msgspec.Struct, frozen=True):
    """An alert that a group of devices has now."""

    group: str
    rule: str
    since: int
    devices: tuple[str, ...]


class Fleet(msgspec.Struct, frozen=True):
    """The devices that have changed since a version of the model, and those that are gone."""

    version: int
    whole: bool  # forget what was sent before
    devices: int
    rows: list[Row]
    gone: list[str]
    groups: list[GroupView]


class Quantiles(msgspec.Struct, frozen=True):
    """Of the last values, in their own unit; None: there are none."""

    count: int
    median: float | None
    p95: float | None
    most: float | None


class ModelView(msgspec.Struct):
    """A model that scores, or has scored lately."""

    name: str
    version: str
    engine: str
    sha256: str
    predictions: int
    last: int


class Health(msgspec.Struct, frozen=True):
    """How the pipeline does, as far as the log shows it."""

    rates: dict[str, float]  # records (readings: readings) per second over the last minute, by kind
    history: dict[str, list[float]]  # the same over the last minutes, in bins, the oldest first
    bin_s: int
    newest: dict[str, int | None]  # log time of the last record
    behind: dict[str, int]  # records that the page itself has still to read
    delay_ms: Quantiles  # from the reading that closes a window to its prediction
    scoring_ms: Quantiles  # from a window to its prediction
    batch: Quantiles  # windows scored at once
    waiting: int  # windows without a prediction
    padding_ratio: float | None  # cells given to the model for each cell of data
    closed: dict[str, int]  # windows by reason
    refused: dict[str, int]
    samples: dict[str, list[RefusedView]]
    models: list[ModelView]
    skipped: int  # records the page passed over to keep up
