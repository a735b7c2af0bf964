"""The bridge from an MQTT broker to the readings topic. With `producers.feeds.mqtt_client` it alone knows the MQTT library.

A message is acknowledged to MQTT only after the log has acknowledged it. The session at the broker is persistent, so that
what was not acknowledged is sent again to the next life of this bridge: nothing is lost with QoS 1, whoever is killed.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from pipeline.clock import Clock
from pipeline.config.feeds import MqttSettings
from pipeline.errors import SensorlineError
from pipeline.metrics.health import Verdict
from producers.feeds.mqtt_client import (
    CONNECTED_WITHIN_S,
    connect,
    make_client,
    no_session,
    place_of,
    refused_session,
    refused_topics,
    subscriptions,
)
from producers.feeds.outbox import Log, Outbox, Room
from producers.feeds.translation import Translator

log = logging.getLogger(__name__)

AWAKE_S = 0.2
DRAIN_S = 5.0
QOS_0_WAITS_S = 2.0  # while there is no room, before it is dropped and counted: nobody would send it again
UNREADABLE = "(a topic that is no text in UTF-8)"
SHORT_S = 5.0  # a connection that lives no longer may have been taken over by another client; not all brokers say so


@dataclass(frozen=True)
class Received:
    """What is needed to acknowledge a message: packet identifiers count within one connection only."""

    connection: int
    mid: int
    qos: int


class MqttBridge:
    """One bridge. `run` may be called once."""

    def __init__(self, settings: MqttSettings, client_id: str, translator: Translator, log: Log, clock: Clock) -> None:
        self._settings = settings
        self._client_id = client_id
        self._translator = translator
        self._clock = clock
        # What is in flight at the MQTT broker always has room; the rest is for messages of QoS 0.
        self._outbox: Outbox[Received] = Outbox(log, Room(settings.max_in_flight + 1_000), self._acknowledged, clock)
        self._client = make_client(settings, client_id)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._answered = threading.Event()  # the first connection is subscribed, or refused
        self._stopping = threading.Event()
        self._subscribed = False  # at least once
        self._listening = False  # now
        self._refusal: SensorlineError | None = None
        self._error: Exception | None = None
        self._connection = 0
        self._connected_s = 0.0
        self._connection_changes = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """Running totals; may be read from any thread."""
        return {**self._counts, **self._translator.counts, **self._outbox.counts}

    @property
    def gauges(self) -> Mapping[str, int]:
        """What is true now; may be read from any thread."""
        return {"connected": int(self._listening), "unacknowledged": self._outbox.waiting}

    def alive(self) -> Verdict:
        """It is not stuck."""
        return self._outbox.alive()

    def ready(self) -> Verdict:
        """The log can be reached, and messages come."""
        log_ready = self._outbox.ready()
        shown = "connected and subscribed" if self._listening else "not connected and subscribed"
        return Verdict(log_ready.good and self._listening, (*log_ready.said, f"{place_of(self._settings)}: {shown}"))

    def run(self, stop: threading.Event) -> None:
        """Bridges until `stop` is set.

        The first connection must succeed (`BrokerUnreachable`, `ConfigurationError`); later ones are tried again for ever.
        """
        connect(self._client, self._settings)
        self._client.loop_start()
        try:
            self._await_first_answer(stop)
            self._outbox.start()
            while not stop.wait(AWAKE_S) and self._failure() is None:
                pass
        finally:
            self._end()
        failure = self._failure()
        if failure is not None:
            raise failure

    def _failure(self) -> BaseException | None:
        return self._refusal or self._error or self._outbox.error

    def _await_first_answer(self, stop: threading.Event) -> None:
        deadline_s = self._clock.monotonic_s() + CONNECTED_WITHIN_S
        while not self._answered.wait(AWAKE_S) and not stop.is_set():
            if self._clock.monotonic_s() > deadline_s:
                raise no_session(self._settings)
        if self._refusal is not None:
            raise self._refusal

    def _end(self) -> None:
        """Nothing more is taken; what the log acknowledges in time is acknowledged; the session stays at the broker."""
        self._stopping.set()
        left = self._outbox.close(DRAIN_S)
        self._client.disconnect()
        self._client.loop_stop()
        if left:
            log.warning("mqtt: %d messages are not acknowledged; the broker sends those of QoS 1 again", left)
        shown = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()) if count)
        log.info("mqtt: ended; %s", shown or "nothing was received")

    def _on_connect(self, client: Client, userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None) -> None:
        if reason.is_failure:
            self._refuse(refused_session(self._settings, reason))
            return
        self._connected_s = self._clock.monotonic_s()
        self._counts["reconnects"] += self._subscribed
        goes_on = self._subscribed and flags.session_present
        if not goes_on:
            client.subscribe(subscriptions(self._settings))
        self._listening = goes_on
        log.info("mqtt: connected as %s; %s", self._client_id, "its session goes on" if flags.session_present else "a new session begins")

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: Sequence[ReasonCode], properties: Properties | None) -> None:
        refusal = refused_topics(self._settings, reasons)
        if refusal is not None:
            self._refuse(refusal)
            return
        log.info("mqtt: taking messages of %s", ", ".join(pattern.filter for pattern in self._settings.patterns()))
        self._subscribed = self._listening = True
        self._answered.set()

    def _refuse(self, refusal: SensorlineError) -> None:
        """The first time it ends the process; later somebody is at work at the broker, and it is tried again."""
        if self._subscribed:
            log.warning("%s", refusal)
            return
        self._refusal = refusal
        self._answered.set()

    def _on_disconnect(
        self, client: Client, userdata: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._listening = False
        with self._connection_changes:
            self._connection += 1
        if not self._subscribed or self._stopping.is_set():
            return
        short = self._clock.monotonic_s() - self._connected_s < SHORT_S
        hint = f"; does another client use mqtt.client_id = {self._client_id}? Each bridge needs its own" if short else ""
        log.warning("mqtt: disconnected: %s; connecting again%s", reason, hint)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            self._take(message)
        except Exception as error:  # carried to the process's thread: here it would end the client's thread, and nothing else
            self._error = error

    def _take(self, message: MQTTMessage) -> None:
        self._counts["received"] += 1
        received = Received(self._connection, message.mid, message.qos)
        if message.retain and not self._settings.retained:
            self._counts["retained"] += 1
            self._acknowledged([received])
            return
        translated = self._translator.translate(_topic(message), bytes(message.payload), self._clock.now_ms())
        # Waiting here stops reading from the broker, so that a burst waits there and not in our memory.
        begun_s = self._clock.monotonic_s()
        while not self._outbox.offer([translated], received, AWAKE_S):
            if self._stopping.is_set() or self._failure() is not None:
                return
            if message.qos == 0 and self._clock.monotonic_s() - begun_s > QOS_0_WAITS_S:
                self._counts["lost"] += 1
                return

    def _acknowledged(self, all_received: Sequence[Received]) -> None:
        """Only messages of this connection: in another one a packet identifier may be that of another message."""
        with self._connection_changes:
            for received in all_received:
                if received.qos > 0 and received.connection == self._connection:
                    self._client.ack(received.mid, received.qos)


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:  # MQTT forbids it, but not every broker looks
        return UNREADABLE
