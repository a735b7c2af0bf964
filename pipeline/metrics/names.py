"""How a count of a stage or a feed is called as a metric. A count without an entry here becomes `sensorline_<count>_total`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pipeline.core.buckets import ACKNOWLEDGED_MS, BATCH_WINDOWS, CHECKPOINT_MS, DELAY_MS, Buckets

PREFIX = "sensorline_"
STAGES = ("window", "score", "alert")
FEEDS = ("mqtt", "http")


class Named(msgspec.Struct, frozen=True):
    """A metric: its name without prefix and suffix, what it is, and by how much a count is divided to get its unit.

    `stages` have it from their beginning, with 0; others when it first happens.
    """

    name: str
    help: str
    divisor: int = 1
    stages: tuple[str, ...] = ()


class Labelled(msgspec.Struct, frozen=True):
    """Counts with a common beginning are one metric; the rest of the count's name is a label."""

    name: str
    label: str
    help: str
    divisor: int = 1


GAUGES: Mapping[str, Named] = {
    "live_devices": Named("live_devices", "Devices that something is remembered of."),
    "open_windows": Named("open_windows", "Windows that still take steps."),
    "open_steps": Named("open_steps", "Steps in windows that are still open."),
    "event_time_lag_ms": Named("event_time_lag_seconds", "How far the event time of the last reading was behind its arrival.", 1000),
    "model_refused": Named("model_refused", "1 while the bundle in the model's folder is refused and an older model goes on, else 0."),
    "drifted": Named("drifted", "Sensors, outputs and lengths of windows that are no longer as in training."),
    "lag_records": Named("offset_lag_records", "Records between the stage's position and the end of its topic, a few seconds ago."),
    "partitions": Named("partitions", "Partitions that the stage has."),
    "connected": Named("connected", "1 while the bridge is connected to the MQTT broker and subscribed, else 0."),
    "unacknowledged": Named("unacknowledged", "Messages of a feed that the log has not acknowledged yet."),
}
COUNTERS: Mapping[str, Named] = {
    "received": Named(
        *("received", "What came: readings (window), predictions (alert), messages (mqtt), readings (http)."),
        stages=("window", "alert", *FEEDS),
    ),
    "readings": Named("readings", "Readings that a feed made of what came.", stages=FEEDS),
    "retained": Named("retained", "Messages that MQTT brokers had retained, passed over.", stages=("mqtt",)),
    "lost": Named(
        *("lost", "Messages of QoS 0 that came while the log was away and there was no room for (mqtt), alerts past retention (notify)."),
        stages=("mqtt",),
    ),
    "reconnects": Named("reconnects", "Connections to the MQTT broker after the first.", stages=("mqtt",)),
    "merged": Named("merged", "Readings that merged into a step that was there already.", stages=("window",)),
    "dropped": Named("dropped", "Steps that a cap left out of a window.", stages=("window",)),
    "late_taken": Named("late_taken", "Late readings that still changed a window.", stages=("window",)),
    "forced": Named("forced", "Times that a watermark moved up as too many steps were waiting.", stages=("window",)),
    "unknown_sensors": Named("unknown_sensors", "Values of sensors that are not configured.", stages=("window",)),
    "ticks": Named("ticks", "Ticks read from the log.", stages=("window",)),
    "ticks_sent": Named("ticks_sent", "Ticks written to the log.", stages=("window",)),
    "windows": Named("windows", "Windows that the scorer was given.", stages=("score",)),
    "scored": Named("scored", "Windows that were scored.", stages=("score",)),
    "too_short": Named("too_short", "Windows passed over as too short.", stages=("score",)),
    "collisions": Named("collisions", "Steps that equalled the padding value and were moved beside it.", stages=("score",)),
    "padded_cells": Named("padded_steps", "Steps the model computed, padding included.", stages=("score",)),
    "real_cells": Named("real_steps", "Steps of data the model computed.", stages=("score",)),
    "judged": Named("judged", "What the alert rules judged, once for each rule."),
    "repeated": Named("repeated", "What was judged before and changes no alert."),
    "early": Named("early", "Windows that are not final, under rules for final ones."),
    "missing_output": Named("missing_output", "What a rule could not judge."),
    "raised": Named("alerts_raised", "Alerts that were raised."),
    "cleared": Named("alerts_cleared", "Alerts that were cleared."),
    "delivered": Named("alerts_delivered", "Alerts that a destination's receiver took."),
    "failed": Named("delivery_failures", "Tries to deliver an alert that failed."),
    "passed_over": Named("alerts_passed_over", "Alerts of rules that a destination is not about."),
    "undecodable": Named("alerts_undecodable", "Records on the alerts topic that are no alerts."),
    "model_reloads": Named("model_reloads", "Times that another model took over.", stages=("score",)),
    "model_reload_failures": Named("model_reload_failures", "Bundles that were refused in the model's folder.", stages=("score",)),
    "checkpoints": Named("checkpoints", "Checkpoints that were committed.", stages=STAGES),
    "state_records": Named("state_records", "Records of state written by checkpoints.", stages=("window", "alert")),
    "state_bytes": Named("state_bytes", "Bytes of state written by checkpoints.", stages=("window", "alert")),
    "restore_ms": Named("restore_seconds", "Time spent taking partitions over.", 1000, stages=STAGES),
    "assigned": Named("partitions_assigned", "Partitions that were assigned.", stages=STAGES),
    "revoked": Named("partitions_revoked", "Partitions that were taken away.", stages=STAGES),
    "rebalances": Named("rebalances", "Times that partitions were assigned or taken away.", stages=STAGES),
    "records_in": Named("records_in", "Records read from the stage's topic.", stages=STAGES),
    "records_out": Named("records_out", "Records the stage or feed published, state and ticks aside.", stages=(*STAGES, *FEEDS)),
}
LABELLED: Mapping[str, Labelled] = {
    "rejected_": Labelled("rejected", "reason", "Readings or windows sent to the rejected topic, or refused to their sender (http)."),
    "requests_": Labelled("requests", "status", "Requests that were answered (http)."),
    "closed_": Labelled("windows_closed", "reason", "Windows published, by why."),
}
LABELLED_GAUGES: Mapping[str, Labelled] = {
    "drift_": Labelled(
        *("drift_psi", "of", "Population stability index of what is scored against the training; 0 before 512 windows are seen."),
        divisor=1000,
    ),
}
HISTOGRAMS: Mapping[Buckets, Named] = {
    DELAY_MS: Named("prediction_delay_seconds", "From the record that closed a window, by log time, to the scoring of the window.", 1000),
    BATCH_WINDOWS: Named("batch_windows", "Windows scored at once."),
    CHECKPOINT_MS: Named("checkpoint_seconds", "Time a checkpoint took.", 1000),
    ACKNOWLEDGED_MS: Named("acknowledgement_seconds", "From a message or request of a feed to its acknowledgement by the log.", 1000),
}
